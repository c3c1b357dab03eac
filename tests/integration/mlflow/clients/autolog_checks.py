"""What autologging sends while models are trained."""

import mlflow
import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

X, y = load_iris(return_X_y=True, as_frame=True)


def trained(run_id):
    """The run that was made."""
    return mlflow.get_run(run_id)


def check_sklearn():
    mlflow.sklearn.autolog(log_models=False)
    with mlflow.start_run() as active:
        LogisticRegression(max_iter=200, C=0.5).fit(X, y)
    mlflow.sklearn.autolog(disable=True)
    run = trained(active.info.run_id)
    assert run.data.params["C"] == "0.5"
    assert run.data.metrics["training_accuracy_score"] > 0.9
    assert run.data.tags["estimator_name"] == "LogisticRegression"
    assert run.inputs.dataset_inputs[0].tags[0].value == "train"


def check_sklearn_search_makes_children():
    mlflow.sklearn.autolog(log_models=False, max_tuning_runs=3)
    with mlflow.start_run() as active:
        GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1.0, 10.0]}, cv=2).fit(X, y)
    mlflow.sklearn.autolog(disable=True)
    children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{active.info.run_id}'")
    assert len(children) == 3
    assert set(children["params.C"]) == {"0.1", "1.0", "10.0"}


def check_sklearn_with_its_model():
    mlflow.sklearn.autolog()
    with mlflow.start_run() as active:
        model = LogisticRegression(max_iter=200).fit(X, y)
    mlflow.sklearn.autolog(disable=True)
    loaded = mlflow.pyfunc.load_model(f"runs:/{active.info.run_id}/model")
    assert np.array_equal(loaded.predict(X), model.predict(X))


def check_log_model_and_load_by_alias():
    from mlflow import MlflowClient

    model = LogisticRegression(max_iter=200).fit(X, y)
    name = {"name": "model"} if mlflow.__version__.startswith("3.") else {"artifact_path": "model"}
    with mlflow.start_run():
        mlflow.sklearn.log_model(model, **name, input_example=X[:2], registered_model_name="checked-iris")
    version = MlflowClient().search_model_versions("name = 'checked-iris'")[0].version
    MlflowClient().set_registered_model_alias("checked-iris", "best", version)
    loaded = mlflow.pyfunc.load_model("models:/checked-iris@best")
    assert np.array_equal(loaded.predict(X), model.predict(X))


def check_evaluate():
    name = {"name": "model"} if mlflow.__version__.startswith("3.") else {"artifact_path": "model"}
    with mlflow.start_run() as active:
        model = mlflow.sklearn.log_model(LogisticRegression(max_iter=200).fit(X, y), **name)
        result = mlflow.models.evaluate(
            model.model_uri,
            X.assign(kind=y),
            targets="kind",
            model_type="classifier",
            evaluator_config={"log_model_explainability": False},
        )
    assert result.metrics["accuracy_score"] > 0.9
    run = mlflow.get_run(active.info.run_id)
    assert run.data.metrics["accuracy_score"] == result.metrics["accuracy_score"]
    assert run.inputs.dataset_inputs
