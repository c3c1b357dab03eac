"""What the server says of itself."""

from __future__ import annotations

from starlette.types import Scope

from treadle.api.mlflow.calls import Answer, Call, Routes, answer

routes = Routes()
PROTOCOL = "3.17.2"
"""The release of MLflow whose protocol is spoken; its clients switch features on by it."""


@routes.add("GET", "/api/3.0/mlflow/server-info")
async def server_info(call: Call) -> Answer:
    """What clients ask before they use features of newer servers.

    Transfers in parts are served but not offered: clients send parts without their credentials, which a proxy in
    front would refuse, and one stream is as fast here.
    """
    return answer(
        {
            "store_type": "SqlStore",
            "workspaces_enabled": False,
            "trace_archival_enabled": False,
            "multipart_uploads_enabled": False,
            "multipart_downloads_enabled": False,
            "presigned_upload_run_id_supported": True,
            "presigned_upload_model_id_supported": True,
            "features_enabled": {"gateway": False},
            "treadle": call.services.version,
        }
    )


@routes.add("GET", "/version")
async def version(_call: Call) -> Answer:
    """The release whose protocol is spoken, as text."""
    return Answer(PROTOCOL.encode(), content_type="text/plain; charset=utf-8")


def asks_for_protocol(scope: Scope) -> bool:
    """Whether ``/version`` is asked by a client of the protocol, which reads text, and not by one of Treadle's JSON."""
    if scope["path"] != "/version":
        return False
    headers = dict(scope["headers"])
    agent: bytes = headers.get(b"user-agent", b"")
    return agent.startswith(b"mlflow-") or headers.get(b"accept", b"") == b"text/plain"
