"""Artifacts on the wire."""

from __future__ import annotations

import msgspec


class FileInfo(msgspec.Struct, omit_defaults=True):
    """One entry of a folder; ``file_size`` in bytes is left out for folders."""

    path: str
    is_dir: bool
    file_size: int | None = None


class ListArtifacts(msgspec.Struct):
    """``GET artifacts/list``."""

    run_id: str = ""
    run_uuid: str = ""
    path: str = ""


class Files(msgspec.Struct, omit_defaults=True):
    """A folder's entries; ``root_uri`` is the location that paths start from, where a run or a model was asked for."""

    root_uri: str = ""
    files: list[FileInfo] = []


class ListStored(msgspec.Struct):
    """``GET mlflow-artifacts/artifacts``."""

    path: str = ""


class ListModelFiles(msgspec.Struct):
    """``GET logged-models/<id>/artifacts/directories``."""

    artifact_directory_path: str = ""


class CreateMultipart(msgspec.Struct):
    """``POST mpu/create/<folder>``; ``path`` is the file as the client names it, of which the last part counts."""

    path: str
    num_parts: int = 1


class Credential(msgspec.Struct, omit_defaults=True):
    """Where one part goes."""

    url: str
    part_number: int
    headers: dict[str, str] = {}


class MultipartCreated(msgspec.Struct):
    """The answer to ``mpu/create``."""

    upload_id: str
    credentials: list[Credential]


class Part(msgspec.Struct):
    """A part that was sent."""

    part_number: int
    etag: str | None = None
    url: str | None = None


class CompleteMultipart(msgspec.Struct):
    """``POST mpu/complete/<folder>``."""

    path: str
    upload_id: str = ""
    parts: list[Part] = []


class AbortMultipart(msgspec.Struct):
    """``POST mpu/abort/<folder>``."""

    path: str
    upload_id: str = ""


class Presigned(msgspec.Struct, omit_defaults=True):
    """Where a file is read from, by ranges too."""

    url: str
    headers: dict[str, str] = {}
    file_size: int | None = None


class AskPresigned(msgspec.Struct):
    """``POST artifacts/presigned-upload-url`` and ``presigned-download-url``."""

    path: str
    run_id: str = ""
    model_id: str = ""
    expiration: int = 900
