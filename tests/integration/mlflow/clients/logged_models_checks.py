"""Logged models, which clients have from MLflow 3 on."""

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException


def a_model(client, name, **fields):
    with mlflow.start_run() as active:
        pass
    return client.create_logged_model("0", name=name, source_run_id=active.info.run_id, **fields)


def refused(call, *given):
    try:
        call(*given)
    except MlflowException as error:
        return str(error)
    raise AssertionError(f"{given} was not refused")


def check_life():
    client = MlflowClient()
    model = a_model(client, "life", tags={"a": "1"}, params={"p": "1"}, model_type="agent")
    assert (model.status, model.model_type) == ("PENDING", "agent")
    assert client.finalize_logged_model(model.model_id, "READY").status == "READY"
    client.set_logged_model_tags(model.model_id, {"b": "2"})
    client.delete_logged_model_tag(model.model_id, "a")
    client.log_model_params(model.model_id, {f"k{number}": str(number) for number in range(250)})
    found = client.get_logged_model(model.model_id)
    assert (found.tags, len(found.params)) == ({"b": "2"}, 251)
    client.delete_logged_model(model.model_id)
    assert "not found" in refused(client.get_logged_model, model.model_id)


def check_measurements():
    client = MlflowClient()
    model, other = a_model(client, "measured"), a_model(client, "unmeasured")
    run = model.source_run_id
    data = {"dataset_name": "train", "dataset_digest": "d"}
    client.log_metric(run, "score", 0.5, step=1, model_id=model.model_id, **data)
    (metric,) = client.get_logged_model(model.model_id).metrics
    assert (metric.value, metric.step, metric.dataset_name, metric.run_id) == (0.5, 1, "train", run)
    ordered = client.search_logged_models(
        ["0"], order_by=[{"field_name": "metrics.score", "ascending": False, "dataset_name": "train"}]
    )
    assert ordered[0].model_id == model.model_id
    assert other.model_id in {found.model_id for found in ordered}
    high = client.search_logged_models(["0"], filter_string="metrics.score > 0.4 AND name = 'measured'")
    assert [found.model_id for found in high] == [model.model_id]
    assert not client.search_logged_models(
        ["0"], filter_string="metrics.score > 0.4", datasets=[{"dataset_name": "test"}]
    )


def check_versions_are_made_of_them():
    client = MlflowClient()
    model = a_model(client, "registered")
    client.create_registered_model("of_logged_models")
    made = client.create_model_version("of_logged_models", f"models:/{model.model_id}", model_id=model.model_id)
    assert client.get_model_version_download_uri("of_logged_models", made.version) == model.artifact_location
    message = refused(client.create_model_version, "of_logged_models", f"models:/{model.model_id}")
    assert "must identify the resource" in message


def check_pages():
    client = MlflowClient()
    made = {a_model(client, "paged").model_id for _ in range(5)}
    seen, token = [], None
    while True:
        page = client.search_logged_models(["0"], "name = 'paged'", max_results=2, page_token=token)
        seen += [model.model_id for model in page]
        token = page.token
        if not token:
            break
    assert set(seen) == made
    assert len(seen) == 5
