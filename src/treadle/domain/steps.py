"""Steps: pieces of work done in a model's environment, addressed by what goes in."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from treadle.domain import codec


class StepKind(enum.Enum):
    """What a step does; ``treadle.runner.steps`` has one function for each, and its docstring the files."""

    DESCRIBE = "describe"
    SOURCE = "source"
    OUTCOMES = "outcomes"
    CHECK = "check"
    FIT = "fit"
    SCORE = "score"
    WORTH = "worth"
    COMPILE = "compile"


@dataclass(frozen=True)
class StepRequest:
    """One piece of work.

    ``code`` and ``environment`` are digests (the engine finds the tree and the interpreter by them), ``root`` is
    where the model's data files lie, ``entry`` the model file in the code tree. ``inputs`` maps a file name
    to the blob digest that is put there; ``arguments`` is plain JSON. ``cacheable`` steps with an equal ``key`` are
    done once; those that read a changing world are not cacheable. ``run`` is the run that the step's own logging goes
    to: it is no part of the key, since it changes no output.
    """

    kind: StepKind
    model: str
    code: str
    entry: str
    environment: str
    root: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    cacheable: bool = True
    timeout: timedelta = timedelta(hours=1)
    attempts: int = 1
    run: str | None = None

    @property
    def key(self) -> str:
        """The digest of everything that can change the outputs."""
        return codec.digest(
            {
                "kind": self.kind,
                "code": self.code,
                "entry": self.entry,
                "environment": self.environment,
                "inputs": dict(self.inputs),
                "arguments": dict(self.arguments),
                "seed": self.seed,
            }
        )


@dataclass(frozen=True)
class StepResult:
    """``outputs`` maps a file name to its blob digest; ``value`` is the step's plain JSON answer."""

    key: str
    outputs: dict[str, str]
    value: Any
    seconds: float
    cached: bool = False
    log: str | None = None
