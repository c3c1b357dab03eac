"""What each search knows: its entities and attributes, how they are spelled, and what may be compared how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from treadle.domain.search import Kind, Op

_NUMERIC_OPS = (Op.GT, Op.GE, Op.NE, Op.EQ, Op.LT, Op.LE)
_TEXT_OPS = (Op.NE, Op.EQ, Op.LIKE, Op.ILIKE)
_LIST_OPS = (*_TEXT_OPS, Op.IN, Op.NOT_IN)
_ENTITIES: Mapping[str, Kind] = {
    **dict.fromkeys(("metric", "metrics"), Kind.METRIC),
    **dict.fromkeys(("parameter", "parameters", "param", "params"), Kind.PARAM),
    **dict.fromkeys(("tag", "tags"), Kind.TAG),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), Kind.ATTRIBUTE),
    **dict.fromkeys(("dataset", "datasets"), Kind.DATASET),
    "min": Kind.MIN,
    "max": Kind.MAX,
}
_OF_MODELS: Mapping[str, Kind] = {"attribute": Kind.ATTRIBUTE, "tag": Kind.TAG, "tags": Kind.TAG}
NUMERIC_KINDS = frozenset({Kind.METRIC, Kind.MIN, Kind.MAX})


@dataclass(frozen=True)
class Grammar:
    """One search.

    ``attributes`` and ``orderable`` map the spellings of an attribute to its one name; ``lists`` are the attributes
    that may be compared with a list (``None``: all); ``nullable`` what may be asked for ``IS NULL``.
    """

    name: str
    entities: Mapping[str, Kind]
    attributes: Mapping[str, str]
    orderable: Mapping[str, str]
    numeric: frozenset[str] = frozenset()
    lists: frozenset[str] | None = frozenset()
    nullable: frozenset[Kind] = frozenset()
    ordered_by: frozenset[Kind] = frozenset({Kind.ATTRIBUTE})
    ops: Mapping[Kind, tuple[Op, ...]] = field(default_factory=dict)
    entity_names: str = "Valid entity types are ('attribute', 'tag', 'tags')"

    def __hash__(self) -> int:
        return hash(self.name)

    def is_numeric(self, kind: Kind, key: str) -> bool:
        """Whether a column holds numbers."""
        return kind in NUMERIC_KINDS or (kind is Kind.ATTRIBUTE and key in self.numeric)

    def allowed(self, kind: Kind, key: str) -> tuple[Op, ...]:
        """How a column may be compared with a value."""
        if self.is_numeric(kind, key):
            return _NUMERIC_OPS
        return self.ops.get(kind, _LIST_OPS if kind in (Kind.ATTRIBUTE, Kind.DATASET) else _TEXT_OPS)


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_RUN_ATTRIBUTES = {
    **_same("artifact_uri", "end_time", "run_id", "run_name", "start_time", "status", "user_id"),
    **dict.fromkeys(("created", "Created", "Start Time", "Start time", "start time"), "start_time"),
    **dict.fromkeys(("End Time", "End time", "end time"), "end_time"),
    **dict.fromkeys(("run name", "Run name", "Run Name", "Name", "name"), "run_name"),
}
RUNS = Grammar(
    name="runs",
    entities=_ENTITIES,
    attributes=_RUN_ATTRIBUTES,
    orderable=_RUN_ATTRIBUTES,
    numeric=frozenset({"start_time", "end_time"}),
    lists=frozenset({"run_id"}),
    nullable=frozenset({Kind.TAG, Kind.PARAM}),
    ordered_by=frozenset({Kind.ATTRIBUTE, Kind.METRIC, Kind.MIN, Kind.MAX, Kind.PARAM, Kind.TAG}),
    entity_names="Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
)
EXPERIMENTS = Grammar(
    name="experiments",
    entities=_OF_MODELS,
    attributes=_same("name", "experiment_id", "creation_time", "last_update_time"),
    orderable=_same("name", "experiment_id", "creation_time", "last_update_time"),
    numeric=frozenset({"creation_time", "last_update_time"}),
    lists=frozenset({"experiment_id"}),
    nullable=frozenset({Kind.TAG}),
)
REGISTERED_MODELS = Grammar(
    name="registered models",
    entities=_OF_MODELS,
    attributes=_same("name"),
    orderable={
        **_same("name", "creation_timestamp", "last_updated_timestamp"),
        "timestamp": "last_updated_timestamp",
    },
    lists=frozenset({"name"}),
)
MODEL_VERSIONS = Grammar(
    name="model versions",
    entities=_OF_MODELS,
    attributes=_same("name", "version_number", "run_id", "source_path"),
    orderable=_same("name", "version_number", "creation_timestamp", "last_updated_timestamp"),
    numeric=frozenset({"version_number"}),
    lists=frozenset({"name", "run_id"}),
)
_MODEL_ATTRIBUTES = {
    **_same("name", "model_id", "model_type", "status", "source_run_id", "experiment_id", "artifact_location"),
    **dict.fromkeys(("creation_timestamp", "creation_time", "creation_timestamp_ms"), "creation_timestamp"),
    **dict.fromkeys(
        ("last_updated_timestamp", "last_updated_time", "last_updated_timestamp_ms"), "last_updated_timestamp"
    ),
}
LOGGED_MODELS = Grammar(
    name="logged models",
    entities={
        "attributes": Kind.ATTRIBUTE,
        "metrics": Kind.METRIC,
        "params": Kind.PARAM,
        "tags": Kind.TAG,
    },
    attributes=_MODEL_ATTRIBUTES,
    orderable=_MODEL_ATTRIBUTES,
    numeric=frozenset({"creation_timestamp", "last_updated_timestamp"}),
    lists=None,
    ordered_by=frozenset({Kind.ATTRIBUTE, Kind.METRIC, Kind.PARAM, Kind.TAG}),
    ops={Kind.PARAM: _LIST_OPS, Kind.TAG: _LIST_OPS},
    entity_names="Valid values are ['attributes', 'metrics', 'params', 'tags']",
)
