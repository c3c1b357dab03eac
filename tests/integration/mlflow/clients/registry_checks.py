"""The whole registry, as MlflowClient and the fluent calls have it."""

import warnings

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LogisticRegression

warnings.simplefilter("ignore", FutureWarning)
THREE = int(mlflow.__version__.split(".")[0]) >= 3
X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)


def refused(code, call, *given, **named):
    try:
        call(*given, **named)
    except MlflowException as error:
        assert error.error_code == code, str(error)
        return str(error)
    raise AssertionError(f"{given} was not refused")


def a_run():
    with mlflow.start_run() as active:
        mlflow.log_text("words", "model/words.txt")
    return active.info


def a_model(client, name, versions=1):
    info = a_run()
    client.create_registered_model(name)
    for _ in range(versions):
        client.create_model_version(name, f"{info.artifact_uri}/model", run_id=info.run_id)
    return info


def numbers(versions):
    return [int(version.version) for version in versions]


def check_models():
    client = MlflowClient()
    made = client.create_registered_model("models", tags={"a": "1"}, description="first")
    assert (made.name, made.tags, made.description) == ("models", {"a": "1"}, "first")
    assert "Registered Model (name=models) already exists" in refused(
        "RESOURCE_ALREADY_EXISTS", client.create_registered_model, "models"
    )
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "nothing")
    client.set_registered_model_tag("models", "k", "v")
    assert client.get_registered_model("models").tags == {"a": "1", "k": "v"}
    client.delete_registered_model_tag("models", "k")
    client.update_registered_model("models", description="second")
    assert client.get_registered_model("models").description == "second"
    client.rename_registered_model("models", "renamed")
    assert client.get_registered_model("renamed").tags == {"a": "1"}
    client.delete_registered_model("renamed")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, "renamed")


def check_versions():
    client = MlflowClient()
    info = a_model(client, "versions", 2)
    version = client.get_model_version("versions", "1")
    assert (version.run_id, version.status, version.source) == (info.run_id, "READY", f"{info.artifact_uri}/model")
    of_run = client.create_model_version("versions", f"runs:/{info.run_id}/model", run_id=info.run_id, description="d")
    assert of_run.description == "d"
    assert client.get_model_version_download_uri("versions", "3") == f"{info.artifact_uri}/model"
    client.set_model_version_tag("versions", "1", "k", "v")
    client.update_model_version("versions", "1", description="words")
    found = client.get_model_version("versions", "1")
    assert (found.tags, found.description) == ({"k": "v"}, "words")
    client.delete_model_version_tag("versions", "1", "k")
    client.delete_model_version("versions", "3")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, "versions", "3")
    assert numbers([client.create_model_version("versions", "s3://bucket/path")]) == [4]


def check_aliases():
    client = MlflowClient()
    a_model(client, "aliases", 2)
    client.set_registered_model_alias("aliases", "best", "1")
    assert numbers([client.get_model_version_by_alias("aliases", "best")]) == [1]
    assert client.get_model_version("aliases", "1").aliases == ["best"]
    client.set_registered_model_alias("aliases", "best", "2")
    assert {alias: int(to) for alias, to in client.get_registered_model("aliases").aliases.items()} == {"best": 2}
    for name in ("latest", "v1"):
        assert "reserved" in refused("INVALID_PARAMETER_VALUE", client.set_registered_model_alias, "aliases", name, "1")
    client.delete_registered_model_alias("aliases", "best")
    message = refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, "aliases", "best")
    assert "Registered model alias best not found." in message


def check_stages():
    client = MlflowClient()
    a_model(client, "stages", 3)
    client.transition_model_version_stage("stages", "1", "production")
    moved = client.transition_model_version_stage("stages", "2", "Production", archive_existing_versions=True)
    assert moved.current_stage == "Production"
    assert client.get_model_version("stages", "1").current_stage == "Archived"
    assert numbers(client.get_latest_versions("stages", ["Production"])) == [2]
    assert sorted(numbers(client.get_latest_versions("stages"))) == [1, 2, 3]
    assert "Invalid Model Version stage" in refused(
        "INVALID_PARAMETER_VALUE", client.transition_model_version_stage, "stages", "1", "bogus"
    )


def check_copies():
    client = MlflowClient()
    info = a_model(client, "original", 2)
    client.set_registered_model_alias("original", "best", "1")
    made = client.copy_model_version("models:/original/2", "copied")
    assert (made.source, made.run_id) == ("models:/original/2", info.run_id)
    assert client.get_model_version_download_uri("copied", "1") == f"{info.artifact_uri}/model"
    if THREE:
        assert client.copy_model_version("models:/original@best", "copied").source == "models:/original/1"


def check_searches():
    client = MlflowClient()
    info = a_model(client, "find_b", 2)
    a_model(client, "find_a")
    client.set_registered_model_tag("find_a", "team", "x")
    client.set_model_version_tag("find_b", "2", "kind", "y")
    ordered = client.search_registered_models("name LIKE 'find%'", order_by=["name DESC"])
    assert [model.name for model in ordered] == ["find_b", "find_a"]
    assert [model.name for model in client.search_registered_models("tags.team = 'x'")] == ["find_a"]
    first = client.search_registered_models("name ILIKE 'FIND%'", max_results=1)
    rest = client.search_registered_models("name ILIKE 'FIND%'", max_results=1, page_token=first.token)
    assert [model.name for model in [*first, *rest]] == ["find_a", "find_b"]
    assert not rest.token
    assert sorted(numbers(client.search_model_versions("name = 'find_b'"))) == [1, 2]
    assert sorted(numbers(client.search_model_versions(f"run_id = '{info.run_id}'"))) == [1, 2]
    assert numbers(client.search_model_versions("tags.kind = 'y'")) == [2]
    refused("INVALID_PARAMETER_VALUE", client.search_model_versions, "nonsense = 'x'")


def check_sources_that_lead_elsewhere():
    client = MlflowClient()
    info = a_model(client, "sources")
    for source in (
        "/etc/passwd", "../x", "C:\\x", "file:///etc", "file://localhost/etc", "file:///x/../../etc",
        "mlflow-artifacts:/0/../../etc", "mlflow-artifacts://evil/0/x", "mlflow-artifacts:/0/other/artifacts",
        f"{info.artifact_uri}/../../..", f"{info.artifact_uri}/%2e%2e/x", f"{info.artifact_uri}/%252e%252e/x",
        f"{info.artifact_uri}#/../../../etc", f"{info.artifact_uri}?x=/../..", "http://evil/x", "https://evil/x",
        "http://evil/api/2.0/mlflow-artifacts/artifacts/x", "ftp://x/y", "hdfs://x/y", "s3://b/../../x",
        "dbfs:/x/..%2f..", "runs:/0123/model", "models:/m-0123", "models://host/sources/1", "data:,x",
    ):  # fmt: skip
        refused("INVALID_PARAMETER_VALUE", client.create_model_version, "sources", source, run_id=info.run_id)
        refused("INVALID_PARAMETER_VALUE", client.create_model_version, "sources", source)
    for name in ("..", ".", "../x", "a/../b", "%2e%2e/x", "a:b", " "):
        refused("INVALID_PARAMETER_VALUE", client.create_registered_model, name)
    assert len(client.search_model_versions("name = 'sources'")) == 1


def check_models_are_loaded_back():
    client = MlflowClient()
    named = {"name": "model"} if THREE else {"artifact_path": "model"}
    with mlflow.start_run() as active:
        model = LogisticRegression().fit(X, Y)
        info = mlflow.sklearn.log_model(
            model, registered_model_name="loaded", serialization_format="cloudpickle", **named
        )
    client.set_registered_model_alias("loaded", "prod", "1")
    for uri in (
        "models:/loaded@prod", "models:/loaded/1", "models:/loaded/latest", info.model_uri,
        f"runs:/{active.info.run_id}/model",
    ):  # fmt: skip
        assert (mlflow.sklearn.load_model(uri).predict(X) == model.predict(X)).all(), uri
    assert numbers([mlflow.register_model(info.model_uri, "loaded")]) == [2]
    assert (mlflow.pyfunc.load_model("models:/loaded/2").predict(X) == model.predict(X)).all()
