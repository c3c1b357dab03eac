"""What the server says of itself."""

from __future__ import annotations

from treadle.api.mlflow.calls import Answer, Call, Routes, answer

routes = Routes()


@routes.add("GET", "/api/3.0/mlflow/server-info")
async def server_info(call: Call) -> Answer:
    """What clients ask before they use features of newer servers."""
    return answer({"store_type": "SqlStore", "workspaces_enabled": False, "treadle": call.services.version})
