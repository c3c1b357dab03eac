"""The registry's answers, as plain JSON."""

from __future__ import annotations

import base64

import msgspec
import pytest
from mlflow_world import V2, World

from treadle.domain.events import AliasMoved
from treadle.testing import samples

RM, MV = "registered-models", "model-versions"


@pytest.fixture
def world() -> World:
    return World()


def ask(world, method, path, headers=None, **fields):
    return world.ask(method, f"{V2}/{path}", msgspec.json.encode(fields), headers=headers)


def test_a_model_as_it_is_told(world):
    made = world.post(f"{RM}/create", name="a", tags=[{"key": "k", "value": "v"}], description="d")["registered_model"]
    assert made.pop("creation_timestamp") == made.pop("last_updated_timestamp")
    assert made == {"name": "a", "description": "d", "tags": [{"key": "k", "value": "v"}]}
    run = world.run(experiment_id="0")
    world.post(f"{MV}/create", name="a", source=f"runs:/{run}/m", run_id=run)
    world.post(f"{RM}/alias", name="a", alias="best", version="1")
    told = world.get(f"{RM}/get", name="a")["registered_model"]
    assert told["aliases"] == [{"alias": "best", "version": "1"}]
    (version,) = told["latest_versions"]
    version.pop("creation_timestamp")
    version.pop("last_updated_timestamp")
    assert version == {
        "name": "a",
        "version": "1",
        "current_stage": "None",
        "source": f"runs:/{run}/m",
        "status": "READY",
        "run_id": run,
        "aliases": ["best"],
    }


@pytest.mark.parametrize(
    ("path", "fields", "code", "message"),
    [
        (f"{RM}/create", {}, "INVALID_PARAMETER_VALUE", "Missing value for required parameter 'name'."),
        (f"{RM}/create", {"name": "a/b"}, "INVALID_PARAMETER_VALUE", "Names cannot contain '/' or ':'."),
        (f"{RM}/create", {"name": "there"}, "RESOURCE_ALREADY_EXISTS", "(name=there) already exists."),
        (f"{RM}/rename", {"name": "there"}, "INVALID_PARAMETER_VALUE", "'new_name'"),
        (f"{RM}/rename", {"name": "no", "new_name": "x"}, "RESOURCE_DOES_NOT_EXIST", "with name=no not found"),
        (f"{RM}/set-tag", {"name": "there", "value": "x"}, "INVALID_PARAMETER_VALUE", "'key'"),
        (f"{RM}/alias", {"name": "there", "alias": "a b", "version": "1"}, "INVALID_PARAMETER_VALUE", "alphanumerics"),
        (f"{RM}/alias", {"name": "there", "alias": "V7", "version": "1"}, "INVALID_PARAMETER_VALUE", "reserved"),
        (f"{RM}/alias", {"name": "there", "alias": "a", "version": "x"}, "INVALID_PARAMETER_VALUE", "'version'"),
        (
            f"{RM}/alias",
            {"name": "there", "alias": "a", "version": "-" + "9" * 30},
            "RESOURCE_DOES_NOT_EXIST",
            "not found",
        ),
        (f"{MV}/create", {"name": "no", "source": "s3://x"}, "RESOURCE_DOES_NOT_EXIST", "with name=no not found"),
        (f"{MV}/create", {"name": "there"}, "INVALID_PARAMETER_VALUE", "'source'"),
        (f"{MV}/create", {"name": "there", "source": "/x"}, "INVALID_PARAMETER_VALUE", "Invalid model version source"),
        (f"{MV}/create", {"name": "there", "source": "models:/no/1"}, "RESOURCE_DOES_NOT_EXIST", "name=no"),
        (
            f"{MV}/transition-stage",
            {"name": "there", "version": "1", "stage": "none", "archive_existing_versions": True},
            "INVALID_PARAMETER_VALUE",
            "is not an Active stage",
        ),
    ],
)
def test_refusals(world, path, fields, code, message):
    world.post(f"{RM}/create", name="there")
    _, told_code, told = world.refused(path, **fields)
    assert told_code == code
    assert message in told


def test_prompts_are_apart(world):
    tag = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    world.post(f"{RM}/create", name="prompt", tags=tag)
    world.post(f"{RM}/create", name="model")
    world.post(f"{MV}/create", name="prompt", source="dummy-source", tags=tag)

    def names(text: str = "") -> list[str]:
        return [m["name"] for m in world.get(f"{RM}/search", filter=text).get("registered_models", [])]

    assert names() == ["model"]
    assert names("tags.`mlflow.prompt.is_prompt` = 'true'") == ["prompt"]
    assert names("tags.`mlflow.prompt.is_prompt` != 'true'") == ["model"]
    assert world.get(f"{MV}/search") == {}
    assert "Prompt sources" in world.refused(f"{MV}/create", name="prompt", source="s3://x", tags=tag)[2]
    assert "already taken by a prompt" in world.refused(f"{RM}/create", name="prompt")[2]
    assert "cannot be used" in world.refused(f"{MV}/create", name="model", source="models:/prompt/1")[2]


def test_copies_keep_where_they_come_from(world):
    run = world.run(experiment_id="0")
    for name in ("a", "b"):
        world.post(f"{RM}/create", name=name)
    world.post(f"{MV}/create", name="a", source=f"runs:/{run}/m", run_id=run)
    copied = world.post(f"{MV}/create", name="b", source="models:/a/latest")["model_version"]
    assert (copied["source"], copied["run_id"]) == ("models:/a/1", run)
    uri = world.get(f"{MV}/get-download-uri", name="b", version="1")["artifact_uri"]
    assert uri == f"mlflow-artifacts:/0/{run}/artifacts/m"
    assert "must match" in world.refused(f"{MV}/create", name="b", source="models:/a/1", run_id="0" * 32)[2]


def test_history_keeps_who_and_why(world):
    world.post(f"{RM}/create", name="a")
    world.post(f"{MV}/create", name="a", source="s3://x/y")
    basic = base64.b64encode(b"ann:secret").decode()
    reply = ask(
        world,
        "POST",
        f"{RM}/alias",
        {"Authorization": f"Basic {basic}"},
        name="a",
        alias="best",
        version=1,
        reason="won",
    )
    assert reply.status == 200
    assert ask(world, "DELETE", f"{RM}/alias", {"Authorization": "Basic ###"}, name="a", alias="best").status == 200
    world.store.events.seal()
    moved = [sealed.event for sealed in world.store.events.read() if isinstance(sealed.event.payload, AliasMoved)]
    assert [(event.actor, event.payload) for event in moved] == [
        ("ann", AliasMoved("best", 1, None, "won")),
        ("mlflow", AliasMoved("best", None, 1)),
    ]


def test_the_champion_that_treadle_serves_is_found(world):
    world.store.versions.register(samples.a_version(run=world.run(experiment_id="0")))
    world.store.versions.set_alias("flights", "champion", 1)
    told = world.get(f"{RM}/alias", name="flights", alias="champion")["model_version"]
    assert (told["version"], told["current_stage"], told["user_id"]) == ("1", "Production", "treadle")
    uri = world.get(f"{MV}/get-download-uri", name="flights", version="1")["artifact_uri"]
    assert uri == f"mlflow-artifacts:/0/{told['run_id']}/artifacts"
    for reply in (
        ask(world, "POST", f"{RM}/alias", name="flights", alias="champion", version="1"),
        ask(world, "DELETE", f"{RM}/alias", name="flights", alias="challenger"),
        ask(world, "DELETE", f"{RM}/delete", name="flights"),
        ask(world, "DELETE", f"{MV}/delete", name="flights", version="1"),
        ask(world, "POST", f"{MV}/transition-stage", name="flights", version="1", stage="Archived"),
    ):
        assert reply.status == 400
        assert "Treadle" in reply.told["message"]


def test_webhooks_hear_of_it(world):
    world.services.webhooks.announce = heard = Heard()
    world.post(f"{RM}/create", name="a")
    world.post(f"{MV}/create", name="a", source="s3://x/y")
    world.post(f"{MV}/set-tag", name="a", version="1", key="k", value="v")
    world.post(f"{RM}/alias", name="a", alias="best", version="1")
    assert heard.told == [
        ("registered_model", "created", "a"),
        ("model_version", "created", "a"),
        ("model_version_tag", "set", "a"),
        ("model_version_alias", "created", "a"),
    ]


class Heard:
    def __init__(self) -> None:
        self.told = []

    def __call__(self, entity, action, data):
        self.told.append((entity, action, data["name"]))


def test_a_logged_model_as_it_is_told(world):
    run = world.run(experiment_id="0")
    model = world.post("logged-models", experiment_id="0", name="m", source_run_id=run)["model"]
    told = model["info"]
    assert told["status"] == "LOGGED_MODEL_PENDING"
    assert told["artifact_uri"] == f"mlflow-artifacts:/0/models/{told['model_id']}/artifacts"
    assert model["data"] == {}
    metric = {"key": "x", "value": "NaN", "timestamp": 1, "model_id": told["model_id"]}
    world.post("runs/log-batch", run_id=run, metrics=[metric])
    for status in ("LOGGED_MODEL_READY", 2, "2"):
        reply = ask(world, "PATCH", f"logged-models/{told['model_id']}", status=status)
        assert reply.told["model"]["info"]["status"] == "LOGGED_MODEL_READY"
    assert reply.told["model"]["data"]["metrics"][0]["value"] == "NaN"
    assert ask(world, "PATCH", f"logged-models/{told['model_id']}", status="READY?").status == 400
    assert world.ask("GET", f"{V2}/logged-models/..%2f..%2fetc").status == 404
    found = world.post("logged-models/search", experiment_ids=["0"], order_by=[{"field_name": "metrics.x"}])
    assert [m["info"]["model_id"] for m in found["models"]] == [told["model_id"]]
    assert world.ask("DELETE", f"{V2}/logged-models/{told['model_id']}").status == 200
    assert world.ask("GET", f"{V2}/logged-models/{told['model_id']}").status == 404
    kept = world.ask("GET", f"{V2}/logged-models/{told['model_id']}", query=b"allow_deleted=true")
    assert kept.status == 200
