"""The wire's records are the domain's, field by field, and read back as they were."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from control_world import World
from pydantic import BaseModel

from treadle.domain import codec, data, deployments, events, gates, models, monitoring, runs, versions
from treadle.wire import records

SOURCES = (data, deployments, events, gates, models, monitoring, runs, versions)
WIRE = {
    name: cls
    for name, cls in vars(records).items()
    if isinstance(cls, type) and issubclass(cls, BaseModel) and cls not in (BaseModel, records.Answer)
}
BESIDES = {"ModelVersion": {"aliases"}}


def _domain(name: str) -> Any:
    return next(getattr(module, name) for module in SOURCES if hasattr(module, name))


@pytest.mark.parametrize("name", sorted(WIRE))
def test_fields_are_those_of_the_domain(name: str) -> None:
    on_wire = {field.alias or key for key, field in WIRE[name].model_fields.items()}
    assert on_wire - BESIDES.get(name, set()) == {field.name for field in dataclasses.fields(_domain(name))}


def test_records_come_back_as_they_were(world: World) -> None:
    world.apply()
    version = world.register()
    world.measure()
    kept = [
        (records.ModelVersion, world.store.versions.get("flights", version.number)),
        (records.Run, world.store.runs.get("run-1")),
        (records.Snapshot, world.store.snapshots.get("snap1")),
        (records.Evaluation, world.store.measurements.evaluations("flights")[0]),
        (records.DriftReport, world.store.measurements.drift("flights")[0]),
        (records.ServiceHealth, world.store.measurements.health("flights")[0]),
        (records.Incident, world.store.measurements.incidents("flights")[0]),
        (records.AppliedModel, world.store.models.get("flights")),
        (records.SealedEvent, world.store.events.read()[0]),
    ]
    for wire, record in kept:
        plain = wire.model_validate(codec.to_plain(record)).model_dump(mode="json", by_alias=True)
        back = codec.from_plain(type(record), plain)
        assert codec.dumps(back) == codec.dumps(record)
