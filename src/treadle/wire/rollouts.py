"""What people ask of a rollout under way."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from treadle.wire.control import Actor


class RolloutRequest(BaseModel):
    """``pause`` holds the step, ``resume`` goes on with it, ``abort`` gives all traffic back to the champion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Literal["pause", "resume", "abort"]
    reason: Annotated[str, Field(default="asked for", max_length=2000)]
    actor: Actor
