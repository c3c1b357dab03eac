"""Writes what the archives beside hold. Run with MLflow: python make_source.py URI."""

import sys

import mlflow
import numpy as np
from mlflow.tracking import MlflowClient
from sklearn.linear_model import LinearRegression

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()
rides = client.create_experiment("rides/night", tags={"team": "a"})
mlflow.set_experiment("rides/night")
for number in range(3):
    with mlflow.start_run(run_name=f"run{number}") as run:
        mlflow.log_params({"rate": 0.1 * number, "note": "x" * 400})
        for step in range(150):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metric("odd", float("nan"))
        mlflow.log_metric("odd", float("inf"), step=1)
        mlflow.set_tag("k e y", "välue\nline")
        mlflow.log_text("hello", "notes/a b.txt")
        mlflow.log_text("top", "top.txt")
        data = mlflow.data.from_numpy(np.arange(4), name="data")
        mlflow.log_input(data, context="training")
        if number == 0:
            model = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
            if mlflow.__version__.startswith("3"):
                info = mlflow.sklearn.log_model(model, name="model", registered_model_name="Rider")
                mlflow.log_metric("val", 3.5, step=2, model_id=info.model_id, dataset=data)
                mlflow.sklearn.log_model(model, name="other", params={"a": "1"})
            else:
                mlflow.sklearn.log_model(model, "model", registered_model_name="Rider")
            for _ in range(2):
                mlflow.register_model(f"runs:/{run.info.run_id}/model", "Rider")
with mlflow.start_run(run_name="fails"):
    try:
        with mlflow.start_run(nested=True, run_name="child"):
            raise ValueError
    except ValueError:
        pass
gone = client.create_run(rides, run_name="gone")
client.log_metric(gone.info.run_id, "x", 1.0)
client.delete_run(gone.info.run_id)
client.delete_model_version("Rider", "2")
client.update_registered_model("Rider", description="The rider: model\nsecond line")
client.set_registered_model_tag("Rider", "owner", "ann")
client.set_registered_model_alias("Rider", "champion", "3")
client.update_model_version("Rider", "1", description="v one")
client.set_model_version_tag("Rider", "1", "checked", "yes")
client.transition_model_version_stage("Rider", "1", "Staging")
old = client.create_experiment("old")
client.create_run(old, run_name="in deleted")
client.delete_experiment(old)
