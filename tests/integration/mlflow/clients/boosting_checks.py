"""What autologging of boosted trees sends."""

import lightgbm
import mlflow
import xgboost
from mlflow import MlflowClient
from sklearn.datasets import load_breast_cancer

X, y = load_breast_cancer(return_X_y=True)


def check_xgboost():
    mlflow.xgboost.autolog(log_models=False)
    data = xgboost.DMatrix(X, y)
    with mlflow.start_run() as active:
        xgboost.train(
            {"max_depth": 2, "objective": "binary:logistic"}, data, 20, evals=[(data, "train")], verbose_eval=False
        )
    mlflow.xgboost.autolog(disable=True)
    run = mlflow.get_run(active.info.run_id)
    assert run.data.params["max_depth"] == "2"
    assert len(MlflowClient().get_metric_history(active.info.run_id, "train-logloss")) >= 20


def check_lightgbm():
    mlflow.lightgbm.autolog(log_models=False)
    data = lightgbm.Dataset(X, y)
    with mlflow.start_run() as active:
        lightgbm.train({"num_leaves": 4, "objective": "binary", "verbose": -1}, data, 20, valid_sets=[data])
    mlflow.lightgbm.autolog(disable=True)
    run = mlflow.get_run(active.info.run_id)
    assert run.data.params["num_leaves"] == "4"
    assert len(MlflowClient().get_metric_history(active.info.run_id, "training-binary_logloss")) >= 20
