"""What the protocol's routes need. ``app/`` fills it in."""

from __future__ import annotations

from dataclasses import dataclass

from treadle.api.mlflow.run_files import Locations, RunFiles
from treadle.ports.clock import Clock
from treadle.ports.logged_models import LoggedModels
from treadle.ports.registered import Registered
from treadle.ports.tracking import Tracking
from treadle.registry.webhooks import WebhookService


@dataclass(frozen=True)
class TrackingServices:
    """Ports for the routes; each room of the protocol adds the one that it rests on."""

    clock: Clock
    version: str
    run_files: RunFiles
    locations: Locations
    tracking: Tracking
    webhooks: WebhookService
    registered: Registered
    logged_models: LoggedModels
