"""The registry's records as they are told to clients."""

from __future__ import annotations

from treadle.domain.registered import RegisteredModel, RegisteredVersion
from treadle.wire.mlflow import registry as wire
from treadle.wire.mlflow.fields import PairOut


def version_out(version: RegisteredVersion) -> wire.VersionOut:
    """A version."""
    return wire.VersionOut(
        name=version.name,
        version=str(version.number),
        creation_timestamp=version.created,
        last_updated_timestamp=version.updated,
        current_stage=version.stage.value,
        source=version.source,
        status="READY",
        description=version.description,
        user_id=version.user or ("treadle" if version.owned else None),
        run_id=version.run,
        run_link=version.run_link,
        tags=[PairOut(key, value) for key, value in version.tags.items()],
        aliases=list(version.aliases),
        model_id=version.model_id,
    )


def model_out(model: RegisteredModel) -> wire.ModelOut:
    """A registered model."""
    return wire.ModelOut(
        name=model.name,
        creation_timestamp=model.created,
        last_updated_timestamp=model.updated,
        description=model.description or None,
        latest_versions=[version_out(version) for version in model.latest],
        tags=[PairOut(key, value) for key, value in model.tags.items()],
        aliases=[wire.AliasOut(alias, str(number)) for alias, number in model.aliases.items()],
    )
