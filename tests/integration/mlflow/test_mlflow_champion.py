"""What Treadle trained and serves is found by an unmodified client, and is not the client's to move."""

import json
import subprocess
import sys

from mlflow_clients import client_python

from treadle.storage.blobs.obstore_blobs import ObstoreBlobs
from treadle.storage.sql.store import SqlStore
from treadle.testing import samples

ASKS = """
import json, sys
import mlflow
from mlflow import MlflowClient, MlflowException

mlflow.set_tracking_uri(sys.argv[1])
client = MlflowClient()


def refused(call, *given):
    try:
        call(*given)
    except MlflowException as error:
        return error.error_code
    return "done"


version = client.get_model_version_by_alias("flights", "champion")
uri = client.get_model_version_download_uri("flights", version.version)
path = mlflow.artifacts.download_artifacts("models:/flights@champion", dst_path=sys.argv[2])
client.set_registered_model_alias("flights", "mine", version.version)
print(json.dumps({
    "version": int(version.version), "stage": version.current_stage, "uri": uri, "run": version.run_id,
    "in_production": [int(v.version) for v in client.get_latest_versions("flights", ["Production"])],
    "found": [int(v.version) for v in client.search_model_versions("name = 'flights'")],
    "pickle": open(path + "/model.pkl").read(),
    "alias": refused(client.set_registered_model_alias, "flights", "champion", "1"),
    "delete": refused(client.delete_registered_model, "flights"),
    "mine": int(client.get_model_version_by_alias("flights", "mine").version),
}))
"""


def test_the_champion_is_found_and_stays(tmp_path):
    home = tmp_path / "home"
    store = SqlStore(f"sqlite:///{home / 'treadle.db'}")
    digest = ObstoreBlobs(home / "blobs").put(b"trained")
    for number in (1, 2):
        run = samples.a_run(f"run-{number}")
        store.runs.create(run)
        store.runs.finish(samples.finished(run, artifacts={"model.pkl": digest}))
        store.versions.register(samples.a_version(number))
    store.versions.set_alias("flights", "champion", 2)
    store.close()
    with sys.modules["control_server"].control_server(home) as control:
        done = subprocess.run(
            [client_python("mlflow3"), "-c", ASKS, control.url, tmp_path / "files"],
            capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.pop("uri").endswith("/run-2/artifacts")
    assert sorted(told.pop("found")) == [1, 2]
    assert told == {
        "version": 2,
        "stage": "Production",
        "run": "run-2",
        "in_production": [2],
        "pickle": "trained",
        "alias": "INVALID_PARAMETER_VALUE",
        "delete": "INVALID_PARAMETER_VALUE",
        "mine": 2,
    }
