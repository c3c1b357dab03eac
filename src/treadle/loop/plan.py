"""Desired state: what applying a model file would change, and applying it.

The server never imports user code: the declaration is extracted by a step in the model's own environment, once per
code digest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from treadle.deploy.rollouts import too_short
from treadle.domain import codec
from treadle.domain.errors import Conflict, InvalidInput, NotFound
from treadle.domain.events import Event, ModelApplied
from treadle.domain.models import AppliedModel, CodeTree
from treadle.domain.steps import StepKind, StepRequest
from treadle.ports.blobs import Blobs
from treadle.ports.clock import Clock
from treadle.ports.models import Models
from treadle.ports.steps import CodeTrees, Engine, Environments, LogLine
from treadle.spec.model_spec import ModelSpec
from treadle.spec.script_metadata import read_script_metadata

DESCRIBE_TIMEOUT = timedelta(minutes=2)


@dataclass(frozen=True)
class Bundle:
    """A model's code on its way to the server. ``files`` maps relative paths to their bytes."""

    entry: str
    files: Mapping[str, bytes]
    root: str
    commit: str | None = None
    dirty: bool = False


@dataclass(frozen=True)
class Change:
    """One thing that would change: where, from what, to what (None: not there)."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Plan:
    """What applying would do.

    ``base`` is the revision it was made against (0: a new model); ``digest`` names the plan, so that what
    is applied is what was seen.
    """

    model: str
    base: int
    changes: tuple[Change, ...]
    effects: tuple[str, ...] = ()
    digest: str = ""
    spec: dict[str, Any] = field(default_factory=dict)


class HasApplied(Protocol):
    """Told when a model was applied, so that the loop looks at once."""

    def __call__(self) -> None:
        """Poke whoever waits."""
        ...


class PlanService:
    """Plans and applies bundles. ``applied`` is called after each apply."""

    def __init__(
        self,
        models: Models,
        environments: Environments,
        code_trees: CodeTrees,
        engine: Engine,
        blobs: Blobs,
        clock: Clock,
        *,
        applied: HasApplied = lambda: None,
    ) -> None:
        self._models = models
        self._environments = environments
        self._code_trees = code_trees
        self._engine = engine
        self._blobs = blobs
        self._clock = clock
        self._applied = applied

    def prepare(self, bundle: Bundle, *, log: LogLine | None = None) -> AppliedModel:
        """Lock, build and describe a bundle; what comes out is the record that :meth:`apply` would store.

        Raises DeclarationError, EnvironmentFailed, InvalidInput or StepFailed, each with what to do.
        """
        tree = self._store(bundle)
        try:
            text = bundle.files[bundle.entry].decode()
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{bundle.entry} is not UTF-8 text: {error}", hint="save it as UTF-8") from error
        header = read_script_metadata(text, bundle.entry)
        if header is None:
            raise InvalidInput(
                f"{bundle.entry} does not say what it depends on",
                hint='begin it with "# /// script", a line "# dependencies = [...]" and "# ///" (PEP 723)',
            )
        lock = self._environments.lock(header.requirements, header.requires_python)
        if log is not None:
            log(f"environment {lock.digest[:12]} (Python {lock.python})")
        self._environments.build(lock, log=log)
        self._code_trees.checkout(tree)
        request = StepRequest(
            StepKind.DESCRIBE,
            model=bundle.entry,
            code=tree.digest,
            entry=tree.entry,
            environment=lock.digest,
            root=tree.root,
            timeout=DESCRIBE_TIMEOUT,
        )
        value = self._engine.run(request, log=log).value
        spec: ModelSpec = codec.from_plain(ModelSpec, value["spec"])
        return AppliedModel(
            name=spec.name,
            revision=self._current_revision(spec.name) + 1,
            spec_json=spec.to_json(),
            spec_digest=spec.digest,
            code=tree,
            environment=lock,
            applied_at=self._clock.now(),
        )

    def plan(self, bundle: Bundle, *, log: LogLine | None = None) -> Plan:
        """What applying this bundle would change; nothing is changed by asking."""
        return self._compare(self.prepare(bundle, log=log))

    def apply(
        self, bundle: Bundle, *, actor: str, expected: str | None = None, log: LogLine | None = None
    ) -> tuple[Plan, AppliedModel]:
        """Make the bundle the desired state. Without a change nothing is stored and the present record is returned.

        Raises Conflict where ``expected`` is a plan's digest and the plan would be another one by now.
        """
        model = self.prepare(bundle, log=log)
        plan = self._compare(model)
        if expected is not None and plan.digest != expected:
            raise Conflict(
                f"the plan for {plan.model!r} is stale: the server or the file has changed since",
                hint="plan again, look at it, and apply that one",
            )
        if not plan.changes:
            return plan, self._models.get(plan.model)
        event = Event(
            model.name,
            self._clock.now(),
            ModelApplied(model.revision, model.spec_digest, model.code.digest, model.environment.digest),
            actor=actor,
            once=f"model_applied:{model.revision}",
        )
        self._models.apply(model, event)
        self._applied()
        return plan, model

    def _store(self, bundle: Bundle) -> CodeTree:
        if bundle.entry not in bundle.files:
            raise InvalidInput(f"the model file {bundle.entry} is not among the files sent", hint="send it along")
        for path in bundle.files:
            parts = path.split("/")
            if path.startswith("/") or "\\" in path or any(part in ("", ".", "..") for part in parts):
                raise InvalidInput(f"{path!r} is not a path inside the model's folder", hint="send relative paths")
        files = {path: self._blobs.put(data) for path, data in sorted(bundle.files.items())}
        digest = codec.digest({"entry": bundle.entry, "files": files})
        return CodeTree(bundle.entry, files, digest, bundle.root, bundle.commit, bundle.dirty)

    def _current_revision(self, name: str) -> int:
        try:
            return self._models.get(name).revision
        except NotFound:
            return 0

    def _compare(self, new: AppliedModel) -> Plan:
        try:
            old: AppliedModel | None = self._models.get(new.name)
        except NotFound:
            old = None
        changes = difference(old, new)
        base = old.revision if old else 0
        spec = ModelSpec.from_json(new.spec_json)
        digest = codec.digest(
            {
                "model": new.name,
                "base": base,
                "spec": new.spec_digest,
                "code": new.code.digest,
                "environment": new.environment.digest,
            }
        )
        caution = too_short(spec.rollout, spec.horizon) if spec.gates else None
        told = effects(old, changes) + ((f"caution: {caution}",) if caution is not None else ())
        return Plan(new.name, base, changes, told, digest, json.loads(new.spec_json))


def difference(old: AppliedModel | None, new: AppliedModel) -> tuple[Change, ...]:
    """What differs between two revisions: the declaration by path, files, locked packages."""
    before = _flat("", json.loads(old.spec_json)) if old else {}
    after = _flat("", json.loads(new.spec_json))
    changes = [
        Change(path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path) and not (old is None and _unremarkable(after.get(path)))
    ]
    old_files = old.code.files if old else {}
    changes += [
        Change(f"code/{path}", (old_files.get(path) or "")[:12] or None, (new.code.files.get(path) or "")[:12] or None)
        for path in sorted(old_files.keys() | new.code.files.keys())
        if old_files.get(path) != new.code.files.get(path)
    ]
    old_pins = pins(old.environment.requirements) if old else {}
    new_pins = pins(new.environment.requirements)
    changes += [
        Change(f"environment/{name}", old_pins.get(name), new_pins.get(name))
        for name in sorted(old_pins.keys() | new_pins.keys())
        if old_pins.get(name) != new_pins.get(name)
    ]
    if old is not None and old.environment.python != new.environment.python:
        changes.append(Change("environment/python", old.environment.python, new.environment.python))
    return tuple(changes)


def effects(old: AppliedModel | None, changes: Sequence[Change]) -> tuple[str, ...]:
    """What the loop will do about the changes, in words."""
    if old is None:
        return ("train the first version, hold it against the gates, and serve it if it passes",)
    if not changes:
        return ()
    told = ["train a challenger with the new declaration and hold it against the gates and the champion"]
    if any(change.path.startswith("triggers") for change in changes):
        told.append("watch for the new triggers from now on")
    return tuple(told)


def pins(requirements: str) -> dict[str, str]:
    """Package to version, from a lock's text."""
    found = {}
    for line in requirements.splitlines():
        name, separator, rest = line.partition("==")
        if separator and not line.startswith((" ", "#")):
            found[name.strip()] = rest.split()[0].rstrip("\\").strip(" ;")
    return found


def _unremarkable(value: Any) -> bool:
    """Whether nothing was declared there, so that a new model's plan does not list it. A zero is something."""
    return value is None or value is False or value in ("", [])


def _flat(path: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        flat: dict[str, Any] = {}
        for key, item in value.items():
            flat.update(_flat(f"{path}.{key}" if path else key, item))
        return flat
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "name" in item for item in value):
        flat = {}
        for item in value:
            rest = {key: part for key, part in item.items() if key != "name"}
            flat.update(_flat(f"{path}[{item['name']}]", rest))
        return flat
    return {path: value}
