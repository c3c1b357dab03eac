"""What an unmodified client does with experiments, runs, metrics and data sets."""

import math
import time

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

client = MlflowClient()


def here() -> str:
    """The experiment of the check that runs."""
    return mlflow.tracking.fluent._get_experiment_id()


def refusal(work, *values, **named) -> MlflowException:
    """What the server says to a bad request."""
    try:
        work(*values, **named)
    except MlflowException as error:
        return error
    raise AssertionError("nothing was refused")


def check_experiments():
    number = mlflow.create_experiment("folder/one", artifact_location=None, tags={"team": "a"})
    found = mlflow.get_experiment(number)
    assert (found.name, found.tags, found.lifecycle_stage) == ("folder/one", {"team": "a"}, "active")
    assert found.artifact_location == f"mlflow-artifacts:/{number}"
    assert mlflow.get_experiment_by_name("folder/one").experiment_id == number
    assert mlflow.get_experiment_by_name("nobody") is None
    assert mlflow.set_experiment("folder/one").experiment_id == number
    mlflow.set_experiment_tag("a", "1")
    mlflow.set_experiment_tags({"b": "2", "c": 3})
    client.rename_experiment(number, "folder/two")
    assert client.get_experiment(number).tags == {"team": "a", "a": "1", "b": "2", "c": "3"}
    assert refusal(mlflow.create_experiment, "folder/two").error_code == "RESOURCE_ALREADY_EXISTS"
    client.delete_experiment(number)
    assert client.get_experiment(number).lifecycle_stage == "deleted"
    assert refusal(client.create_run, number).error_code == "INVALID_PARAMETER_VALUE"
    client.restore_experiment(number)
    assert client.get_experiment(number).lifecycle_stage == "active"


def check_search_experiments():
    for name in ("s/b", "s/a", "s/c"):
        mlflow.create_experiment(name, tags={"of": "search"})
    mlflow.delete_experiment(mlflow.get_experiment_by_name("s/c").experiment_id)
    found = mlflow.search_experiments(filter_string="tags.of = 'search'", order_by=["name ASC"])
    assert [one.name for one in found] == ["s/a", "s/b"]
    every = mlflow.search_experiments(view_type=ViewType.ALL, filter_string="name LIKE 's/%'", order_by=["name DESC"])
    assert [one.name for one in every] == ["s/c", "s/b", "s/a"]
    pages = client.search_experiments(max_results=2, filter_string="name ILIKE 'S/%'")
    assert len(pages) == 2
    assert pages.token is None


def check_fluent_run():
    with mlflow.start_run(run_name="night", description="a note", tags={"t": "1"}) as active:
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"depth": 5, "layers": [1, 2]})
        mlflow.log_metric("loss", 0.5, step=1)
        mlflow.log_metrics({"acc": 0.9, "nan": math.nan, "inf": math.inf, "least": -math.inf}, step=2)
        mlflow.set_tag("k", "v")
        mlflow.set_tags({"k2": "v2", "gone": "x"})
        mlflow.delete_tag("gone")
    run = mlflow.get_run(active.info.run_id)
    assert (run.info.run_name, run.info.status, run.info.lifecycle_stage) == ("night", "FINISHED", "active")
    assert run.info.end_time >= run.info.start_time > 0
    assert run.info.artifact_uri == f"mlflow-artifacts:/{here()}/{active.info.run_id}/artifacts"
    assert run.data.params == {"lr": "0.1", "depth": "5", "layers": "[1, 2]"}
    assert run.data.metrics["loss"] == 0.5
    assert math.isnan(run.data.metrics["nan"])
    assert run.data.metrics["inf"] == math.inf
    assert run.data.metrics["least"] == -math.inf
    tags = run.data.tags
    assert (tags["k"], tags["k2"], tags["mlflow.note.content"], tags["mlflow.runName"]) == (
        "v",
        "v2",
        "a note",
        "night",
    )
    assert "gone" not in tags
    assert tags["mlflow.user"] == run.info.user_id


def check_a_run_that_fails():
    try:
        with mlflow.start_run() as active:
            raise RuntimeError
    except RuntimeError:
        pass
    assert mlflow.get_run(active.info.run_id).info.status == "FAILED"


def check_nested_and_resumed_runs():
    with mlflow.start_run() as parent, mlflow.start_run(nested=True) as child:
        mlflow.log_metric("loss", 1)
    assert mlflow.get_parent_run(child.info.run_id).info.run_id == parent.info.run_id
    with mlflow.start_run(run_id=parent.info.run_id):
        mlflow.log_metric("later", 1)
    assert mlflow.get_run(parent.info.run_id).data.metrics == {"later": 1}
    found = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'", output_format="list")
    assert [run.info.run_id for run in found] == [child.info.run_id]


def check_params_do_not_change():
    with mlflow.start_run() as active:
        mlflow.log_param("p", 1)
        mlflow.log_param("p", 1)
        error = refusal(mlflow.log_param, "p", 2)
    assert error.error_code == "INVALID_PARAMETER_VALUE"
    assert "Changing param values is not allowed. Param with key='p' was already logged with value='1'" in str(error)
    assert mlflow.get_run(active.info.run_id).data.params == {"p": "1"}


def check_long_values_are_kept_whole():
    with mlflow.start_run() as active:
        mlflow.log_param("p", "x" * 20_000)
        mlflow.set_tag("t", "y" * 20_000)
    run = mlflow.get_run(active.info.run_id)
    assert (len(run.data.params["p"]), len(run.data.tags["t"])) == (20_000, 20_000)


def check_batches():
    run = client.create_run(here(), start_time=5, run_name="batch", tags={"a": "b"}).info.run_id
    client.log_batch(
        run,
        metrics=[Metric("m", i / 2, 100 + i, i) for i in range(800)],
        params=[Param(f"p{i}", str(i)) for i in range(100)],
        tags=[RunTag(f"t{i}", str(i)) for i in range(100)],
    )
    client.log_batch(run, metrics=[Metric("m", i / 2, 100 + i, i) for i in range(2000)][800:])
    found = client.get_run(run)
    assert (len(found.data.params), len(found.data.tags)) == (100, 102)
    points = client.get_metric_history(run, "m")
    assert [(point.step, point.timestamp, point.value) for point in points] == [
        (i, 100 + i, i / 2) for i in range(2000)
    ]
    assert client.get_metric_history(run, "other") == []


def check_curves():
    with mlflow.start_run() as active:
        for step in range(30):
            mlflow.log_metric("loss", 1 / (1 + step), step=step)
        mlflow.log_metric("loss", 7.0, step=3)
    points = client.get_metric_history(active.info.run_id, "loss")
    assert len(points) == 31
    assert {point.step for point in points} == set(range(30))
    assert mlflow.get_run(active.info.run_id).data.metrics["loss"] == 1 / 30


def check_asynchronous_logging():
    with mlflow.start_run() as active:
        for step in range(100):
            mlflow.log_metric("a", step, step=step, synchronous=False)
        mlflow.log_params({"x": 1}, synchronous=False).wait()
        mlflow.flush_async_logging()
    assert len(client.get_metric_history(active.info.run_id, "a")) == 100


def check_lives_of_runs():
    run = client.create_run(here()).info.run_id
    client.update_run(run, status="FAILED", name="other")
    assert client.get_run(run).info.run_name == "other"
    client.set_terminated(run, "KILLED", end_time=10)
    assert (client.get_run(run).info.status, client.get_run(run).info.end_time) == ("KILLED", 10)
    mlflow.delete_run(run)
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    assert "must be in the 'active' state" in str(refusal(client.log_metric, run, "a", 1))
    assert client.search_runs([here()]) == []
    assert len(client.search_runs([here()], run_view_type=ViewType.DELETED_ONLY)) == 1
    client.restore_run(run)
    assert len(client.search_runs([here()])) == 1


def check_search_runs():
    for i in range(6):
        with mlflow.start_run(run_name=f"run {i}"):
            mlflow.log_metric("loss", i)
            mlflow.log_param("kind", "even" if i % 2 == 0 else "odd")
            mlflow.set_tag("quoted name", f"it's {i}")

    def names(text, **named):
        return [run.info.run_name for run in mlflow.search_runs(filter_string=text, output_format="list", **named)]

    assert names("metrics.loss >= 4") == ["run 5", "run 4"]
    assert names("params.kind = 'even' AND metrics.loss < 4", order_by=["metrics.loss ASC"]) == ["run 0", "run 2"]
    assert names('tags."quoted name" = "it\'s 3"') == ["run 3"]
    assert names("attributes.`run name` LIKE 'run _'", order_by=["attributes.start_time ASC"], max_results=2) == [
        "run 0",
        "run 1",
    ]
    assert names("params.kind ILIKE 'EV%' and metrics.loss != 0") == ["run 4", "run 2"]
    assert names("tags.nothing = 'x'") == []
    assert names("params.nothing IS NULL", max_results=1, order_by=["params.kind DESC", "metrics.loss DESC"]) == [
        "run 5"
    ]
    frame = mlflow.search_runs()
    assert len(frame) == 6
    assert {"metrics.loss", "params.kind", "tags.quoted name", "status"} <= set(frame.columns)
    ids = [run.info.run_id for run in client.search_runs([here()], max_results=4)]
    assert len(client.search_runs([here()], f"run_id IN ('{ids[0]}', '{ids[1]}')")) == 2
    seen, token = [], None
    while True:
        page = client.search_runs([here()], max_results=4, page_token=token)
        seen += [run.info.run_id for run in page]
        token = page.token
        if not token:
            break
    assert len(set(seen)) == 6


def check_refused_searches():
    for text, told in (
        ("acc", "Invalid clause(s) in filter string"),
        ("model.acc = 'x'", "Invalid entity type 'model'"),
        ("metrics.a = 'x'", "Expected numeric value type for metric"),
        ("params.a = x", "not quoted or unidentified quote types used for string value"),
        ("attribute.start > 1", "Invalid attribute key 'start'"),
    ):
        error = refusal(client.search_runs, [here()], text)
        assert error.error_code == "INVALID_PARAMETER_VALUE"
        assert told in str(error), str(error)
    assert "Invalid" in str(refusal(client.search_runs, [here()], order_by=["acc DESC"]))


def check_unknown_things():
    assert refusal(mlflow.get_run, "0" * 32).error_code == "RESOURCE_DOES_NOT_EXIST"
    assert refusal(mlflow.get_experiment, "123456").error_code == "RESOURCE_DOES_NOT_EXIST"
    assert "Run with id=abc not found" in str(refusal(client.get_run, "abc"))


def check_names():
    with mlflow.start_run():
        for name in ("a/b c.d-e_f:g", "x" * 250):
            mlflow.log_metric(name, 1)
        for name in ("../up", "/root", "a?b", "x" * 251):
            assert refusal(mlflow.log_metric, name, 1).error_code == "INVALID_PARAMETER_VALUE"


def check_data_sets():
    frame = pd.DataFrame({"a": [1.0, 2.0], "y": [0, 1]})
    data = mlflow.data.from_pandas(frame, name="train", source="http://example.com/x.csv", targets="y")
    with mlflow.start_run() as active:
        mlflow.log_input(data, context="training", tags={"part": "1"})
    (used,) = mlflow.get_run(active.info.run_id).inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("train", data.digest)
    assert {tag.key: tag.value for tag in used.tags} == {"mlflow.data.context": "training", "part": "1"}
    assert len(mlflow.search_runs(filter_string="dataset.name = 'train' AND dataset.context = 'training'")) == 1
    assert len(mlflow.search_runs(filter_string="dataset.name = 'other'")) == 0


def check_artifacts_of_a_run():
    with mlflow.start_run() as active:
        mlflow.log_text("hello", "a/b.txt")
        mlflow.log_dict({"a": 1}, "d.json")
        mlflow.log_table({"x": [1, 2]}, "t.json")
    assert mlflow.artifacts.load_text(f"runs:/{active.info.run_id}/a/b.txt") == "hello"
    names = {found.path for found in client.list_artifacts(active.info.run_id)}
    assert names == {"a", "d.json", "t.json"}


def check_many_writers():
    from concurrent.futures import ThreadPoolExecutor

    run = client.create_run(here()).info.run_id
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: client.log_metric(run, "m", i, timestamp=int(time.time() * 1000), step=i), range(200)))
    assert sorted(point.step for point in client.get_metric_history(run, "m")) == list(range(200))
