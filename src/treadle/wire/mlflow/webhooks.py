"""Webhooks on the wire."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["ACTIVE", "DISABLED"]


class Event(msgspec.Struct):
    """A kind of change, in capitals."""

    entity: str
    action: str


class Webhook(msgspec.Struct, omit_defaults=True):
    """One webhook; its secret is never told."""

    webhook_id: str
    name: str
    url: str
    events: list[Event]
    status: Status
    creation_timestamp: int
    last_updated_timestamp: int
    description: str | None = None


class One(msgspec.Struct):
    """An answer of one."""

    webhook: Webhook


class Several(msgspec.Struct, omit_defaults=True):
    """A page."""

    webhooks: list[Webhook] = []
    next_page_token: str | None = None


class Create(msgspec.Struct):
    """``POST webhooks``."""

    name: str = ""
    url: str = ""
    events: list[Event] = []
    description: str | None = None
    secret: str | None = None
    status: Status | None = None


class List(msgspec.Struct):
    """``GET webhooks``."""

    max_results: int = 100
    page_token: str = ""


class Update(msgspec.Struct):
    """``PATCH webhooks/<id>``: what is given is changed."""

    name: str | None = None
    url: str | None = None
    events: list[Event] | None = None
    description: str | None = None
    secret: str | None = None
    status: Status | None = None


class Test(msgspec.Struct):
    """``POST webhooks/<id>/test``."""

    event: Event | None = None


class TestResult(msgspec.Struct, omit_defaults=True):
    """What became of a test message."""

    success: bool
    response_status: int | None = None
    response_body: str | None = None
    error_message: str | None = None


class Tested(msgspec.Struct):
    """The answer to a test."""

    result: TestResult
