"""Artifacts of runs and models, and the store that clients write them to."""

from __future__ import annotations

from anyio.to_thread import run_sync

from treadle.api.mlflow.artifact_bodies import receive, send
from treadle.api.mlflow.calls import Answer, Call, Routes, answer
from treadle.api.mlflow.errors import ProtocolError
from treadle.api.mlflow.run_files import Location
from treadle.domain.artifacts import ArtifactFile, file_path, safe_path
from treadle.wire.mlflow import artifacts as wire

routes = Routes()
STORE = "/api/2.0/mlflow-artifacts"
MAX_SMALL = 10 * 1024 * 1024
"""Bytes of a file that ``upload-artifact`` takes."""
LONGEST = 604_800


@routes.add("GET", f"{STORE}/artifacts")
async def list_stored(call: Call) -> Answer:
    """What lies right in a folder of the store; names alone."""
    folder = safe_path(call.asked(wire.ListStored).path)
    found = await run_sync(call.services.run_files.list, folder)
    return answer(wire.Files(files=[_told(file, file.name) for file in found]))


@routes.add("GET", f"{STORE}/artifacts/{{path:path}}")
async def download(call: Call) -> Answer:
    """A file of the store."""
    path = file_path(call.path["path"])
    return await send(call, lambda: call.services.run_files.open(path))


@routes.add("PUT", f"{STORE}/artifacts/{{path:path}}")
async def upload(call: Call) -> Answer:
    """Write a file; it is seen when it is whole."""
    path = file_path(call.path["path"])
    await receive(call, lambda: call.services.run_files.store.create(path))
    return answer()


@routes.add("DELETE", f"{STORE}/artifacts/{{path:path}}")
async def delete(call: Call) -> Answer:
    """Remove a file or a folder."""
    path = file_path(call.path["path"])
    await run_sync(call.services.run_files.delete, path)
    return answer()


@routes.add("GET", f"{STORE}/presigned/{{path:path}}")
async def presigned(call: Call) -> Answer:
    """Where a file is read by ranges: here. Raises ProtocolError (404) for a missing file."""
    path = file_path(call.path["path"])
    reading = await run_sync(call.services.run_files.open, path)
    reading.close()
    quoted = call.target.partition("/presigned/")[2]
    url = f"{call.server}{STORE}/artifacts/{quoted}"
    return answer(wire.Presigned(url, file_size=reading.file.size))


@routes.add("GET", "/api/2.0/mlflow/artifacts/list")
async def list_of_run(call: Call) -> Answer:
    """What lies right in a folder of a run's artifacts, with paths from the run's root."""
    asked = call.asked(wire.ListArtifacts)
    run_id = asked.run_id or asked.run_uuid
    if not run_id:
        raise _missing("run_id")
    path = safe_path(asked.path)
    return await _listed(call, await run_sync(call.services.locations.run, run_id), path)


@routes.add("GET", "/api/2.0/mlflow/logged-models/{model_id}/artifacts/directories")
async def list_of_model(call: Call) -> Answer:
    """What lies right in a folder of a logged model's artifacts."""
    path = safe_path(call.asked(wire.ListModelFiles).artifact_directory_path)
    return await _listed(call, await run_sync(call.services.locations.logged_model, call.path["model_id"]), path)


@routes.add("GET", "/get-artifact")
async def get_of_run(call: Call) -> Answer:
    """A file of a run."""
    run_id, path = _asked(call, "run_id", "run_uuid"), file_path(_asked(call, "path"))
    return await _sent(call, await run_sync(call.services.locations.run, run_id), path)


@routes.add("GET", "/model-versions/get-artifact")
async def get_of_version(call: Call) -> Answer:
    """A file of a registered version."""
    name, version, path = _asked(call, "name"), _asked(call, "version"), file_path(_asked(call, "path"))
    return await _sent(call, await run_sync(call.services.locations.version, name, version), path)


@routes.add("GET", "/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files")
async def get_of_model(call: Call) -> Answer:
    """A file of a logged model."""
    path = file_path(_asked(call, "artifact_file_path"))
    return await _sent(call, await run_sync(call.services.locations.logged_model, call.path["model_id"]), path)


@routes.add("POST", "/ajax-api/2.0/mlflow/upload-artifact")
async def upload_to_run(call: Call) -> Answer:
    """Write a small file of a run, as MLflow's page does."""
    run_id, path = _asked(call, "run_uuid", "run_id"), file_path(_asked(call, "path"))
    place = (await run_sync(call.services.locations.run, run_id)).path(path)
    data = await call.body(MAX_SMALL)
    if not data:
        raise ProtocolError("INVALID_PARAMETER_VALUE", "Request must specify data.")
    await run_sync(_written, call, place, data)
    return answer()


@routes.add("POST", "/api/2.0/mlflow/artifacts/presigned-upload-url")
async def presigned_upload(call: Call) -> Answer:
    """Refused as MLflow refuses it for artifacts that lie behind the server."""
    asked = await call.json(wire.AskPresigned)
    if bool(asked.run_id) == bool(asked.model_id):
        raise ProtocolError("INVALID_PARAMETER_VALUE", "Exactly one of run_id and model_id must be provided.")
    return await _not_presigned(call, asked, "upload")


@routes.add("POST", "/api/2.0/mlflow/artifacts/presigned-download-url")
async def presigned_download(call: Call) -> Answer:
    """Refused as MLflow refuses it for artifacts that lie behind the server."""
    asked = await call.json(wire.AskPresigned)
    if not asked.run_id:
        raise _missing("run_id")
    if not 1 <= asked.expiration <= LONGEST:
        raise ProtocolError(
            "INVALID_PARAMETER_VALUE",
            f"expiration must be between 1 and {LONGEST} seconds (got {asked.expiration}).",
        )
    return await _not_presigned(call, asked, "download")


async def _not_presigned(call: Call, asked: wire.AskPresigned, what: str) -> Answer:
    file_path(asked.path)
    find = call.services.locations.run if asked.run_id else call.services.locations.logged_model
    location = await run_sync(find, asked.run_id or asked.model_id)
    scheme = location.uri.partition(":")[0]
    raise ProtocolError(
        "INVALID_PARAMETER_VALUE",
        f"Presigned {what} is not supported for proxied artifact storage (artifact URI scheme: {scheme}). "
        f"Send the file to {STORE}/artifacts, or in parts to {STORE}/mpu.",
    )


async def _listed(call: Call, location: Location, path: str) -> Answer:
    root = location.path()
    found = await run_sync(call.services.run_files.list, location.path(path))
    files = [_told(file, file.path.removeprefix(root + "/")) for file in found]
    return answer(wire.Files(location.uri, files))


async def _sent(call: Call, location: Location, path: str) -> Answer:
    place = location.path(path)
    return await send(call, lambda: call.services.run_files.open(place))


def _written(call: Call, path: str, data: bytes) -> None:
    upload = call.services.run_files.store.create(path)
    try:
        upload.write(data)
        upload.commit()
    finally:
        upload.abandon()


def _told(file: ArtifactFile, path: str) -> wire.FileInfo:
    return wire.FileInfo(path, file.folder, None if file.folder else file.size)


def _asked(call: Call, *names: str) -> str:
    query = call.query
    for name in names:
        if query.get(name, [""])[-1]:
            return query[name][-1]
    raise _missing(names[0])


def _missing(name: str) -> ProtocolError:
    return ProtocolError(
        "INVALID_PARAMETER_VALUE",
        f"Missing value for required parameter '{name}'. See the API docs for more information about request "
        "parameters.",
    )
