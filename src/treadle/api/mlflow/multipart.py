"""Uploads in parts: created, each part sent to its own address on this server, completed or aborted."""

from __future__ import annotations

from anyio.to_thread import run_sync

from treadle.api.mlflow.artifact_bodies import receive
from treadle.api.mlflow.artifacts import STORE
from treadle.api.mlflow.calls import Answer, Call, Routes, answer
from treadle.api.mlflow.errors import ProtocolError
from treadle.domain.artifacts import MAX_PARTS, below, file_path, part_number, upload_id
from treadle.wire.mlflow import artifacts as wire

routes = Routes()


@routes.add("POST", f"{STORE}/mpu/create/{{path:path}}")
async def create(call: Call) -> Answer:
    """Begin an upload; the addresses of its parts. The id is a secret of its creator: it alone lets parts in."""
    asked = await call.json(wire.CreateMultipart)
    if not 1 <= asked.num_parts <= MAX_PARTS:
        raise ProtocolError("INVALID_PARAMETER_VALUE", f"num_parts must be from 1 to {MAX_PARTS}")
    upload = await run_sync(call.services.run_files.store.start, _target(call, asked.path))
    parts = range(1, asked.num_parts + 1)
    found = [wire.Credential(f"{call.server}{STORE}/mpu/part/{upload}/{number}", number) for number in parts]
    return answer(wire.MultipartCreated(upload, found))


@routes.add("PUT", f"{STORE}/mpu/part/{{upload}}/{{number}}")
async def part(call: Call) -> Answer:
    """One part; sending it again replaces it."""
    upload, text = upload_id(call.path["upload"]), call.path["number"]
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_PARTS))):
        raise ProtocolError("INVALID_PARAMETER_VALUE", "the number of a part is a number")
    number = part_number(int(text))
    size = await receive(call, lambda: call.services.run_files.store.part(upload, number))
    return Answer(b"{}", headers=(("ETag", f'"{number}-{size}"'),))


@routes.add("POST", f"{STORE}/mpu/complete/{{path:path}}")
async def complete(call: Call) -> Answer:
    """Join the parts into the file."""
    asked = await call.json(wire.CompleteMultipart)
    numbers = [part_number(part.part_number) for part in asked.parts]
    upload, path = upload_id(asked.upload_id), _target(call, asked.path)
    await run_sync(call.services.run_files.store.complete, upload, path, numbers)
    return answer()


@routes.add("POST", f"{STORE}/mpu/abort/{{path:path}}")
async def abort(call: Call) -> Answer:
    """Forget an upload."""
    asked = await call.json(wire.AbortMultipart)
    upload, path = upload_id(asked.upload_id), _target(call, asked.path)
    await run_sync(call.services.run_files.store.abort, upload, path)
    return answer()


def _target(call: Call, local_file: str) -> str:
    """The file of an upload: the last part of the client's own path, in the folder of the address."""
    name = local_file.replace("\\", "/").rpartition("/")[2]
    return below(call.path["path"], file_path(name))
