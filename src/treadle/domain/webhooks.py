"""Webhooks: who is told of which changes of the registry, how a message is signed, and when it is sent again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from treadle.domain.errors import InvalidInput

SIGNATURE_HEADER = "X-MLflow-Signature"
TIMESTAMP_HEADER = "X-MLflow-Timestamp"
ID_HEADER = "X-MLflow-Delivery-Id"
MAX_URL = 2048
MAX_SECRET = 1000
ATTEMPTS = 10
"""How often a message is sent before it is given up: for about a quarter of an hour."""
SLOWEST = 300.0
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which a message is sent again; other failures are final."""

_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "registered_model": ("created",),
    "model_version": ("created",),
    "model_version_tag": ("set", "deleted"),
    "model_version_alias": ("created", "deleted"),
    "prompt": ("created",),
    "prompt_version": ("created",),
    "prompt_tag": ("set", "deleted"),
    "prompt_version_tag": ("set", "deleted"),
    "prompt_alias": ("created", "deleted"),
    "budget_policy": ("exceeded",),
}
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, order=True)
class WebhookEvent:
    """A kind of change, such as ``model_version_alias`` and ``created``. Raises InvalidInput for an unknown one."""

    entity: str
    action: str

    def __post_init__(self) -> None:
        if self.entity not in _ACTIONS:
            raise InvalidInput(f"Invalid entity {self.entity!r}", hint=f"one of {', '.join(_ACTIONS)}")
        if self.action not in _ACTIONS[self.entity]:
            raise InvalidInput(
                f"Invalid action {self.action!r} for entity {self.entity!r}.",
                hint=f"Valid actions are: {list(_ACTIONS[self.entity])}",
            )

    def __str__(self) -> str:
        return f"{self.entity}.{self.action}"


ALL_EVENTS = tuple(WebhookEvent(entity, action) for entity, actions in _ACTIONS.items() for action in actions)


@dataclass(frozen=True)
class Webhook:
    """Who is told of what. Times are milliseconds; ``secret``, with which messages are signed, is never shown."""

    id: str
    name: str
    url: str
    events: tuple[WebhookEvent, ...]
    created: int
    updated: int
    description: str | None = None
    active: bool = True
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Delivery:
    """A message on its way. ``id`` stays the same however often it is sent; ``due`` is in milliseconds."""

    id: str
    webhook: Webhook
    event: WebhookEvent
    body: str
    due: int
    attempts: int = 0


def checked(webhook: Webhook, *, private: bool) -> Webhook:
    """The webhook, if its fields may be so. Raises InvalidInput. ``private`` allows http and private addresses."""
    if not _NAME.fullmatch(webhook.name):
        raise InvalidInput(
            f"Webhook name {webhook.name!r} is invalid. It must start and end with a letter or digit, be less than 63 "
            "characters long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-).",
            hint="such as notify-ci",
        )
    if not webhook.events:
        raise InvalidInput("Webhook events must be a non-empty list", hint=f"such as {ALL_EVENTS[0]}")
    secret = webhook.secret or ""
    if len(secret) > MAX_SECRET or any(0xD800 <= ord(letter) <= 0xDFFF for letter in secret):
        raise InvalidInput("the secret is too long", hint=f"at most {MAX_SECRET} characters")
    target(webhook.url, private=private)
    return webhook


@dataclass(frozen=True)
class Target:
    """Where a message goes: ``path`` with its query; ``header`` is the Host header."""

    secure: bool
    host: str
    port: int
    path: str
    header: str


def target(url: str, *, private: bool) -> Target:
    """A URL taken apart. Raises InvalidInput for one that cannot be sent to, or may not be."""
    if not url.strip():
        raise InvalidInput("Webhook URL cannot be empty or just whitespace", hint="such as https://example.org/hook")
    if len(url) > MAX_URL or any(not 32 < ord(letter) < 127 for letter in url):
        raise InvalidInput("Invalid webhook URL: it is too long, or not ASCII", hint="quote it")
    try:
        found = urlsplit(url)
        port, host = found.port, found.hostname
    except ValueError as error:
        raise InvalidInput(f"Invalid webhook URL: {error}", hint="such as https://example.org/hook") from error
    schemes = ("https", "http") if private else ("https",)
    if found.scheme not in schemes:
        raise InvalidInput(
            f"Invalid webhook URL scheme: {found.scheme!r}. Allowed schemes are: {', '.join(schemes)}.",
            hint="TREADLE_WEBHOOK_PRIVATE=1 allows http and private addresses",
        )
    if not host or not _HOST.fullmatch(host):
        raise InvalidInput("Webhook URL must include a hostname", hint="such as https://example.org/hook")
    if "@" in found.netloc:
        raise InvalidInput("Webhook URL must not hold a password", hint="sign messages with a secret instead")
    secure = found.scheme == "https"
    path = (found.path or "/") + (f"?{found.query}" if found.query else "")
    return Target(secure, host, port or (443 if secure else 80), path, found.netloc)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open net, also within the addresses of IPv6 that carry one of IPv4."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner: list[ipaddress.IPv4Address] = []
    if isinstance(ip, ipaddress.IPv6Address):
        inner = [found for found in (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())) if found is not None]
        if ip in _NAT64:
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        if ip.ipv4_mapped is not None or ip in _NAT64:
            return all(is_public(str(found)) for found in inner)
    return (
        ip.is_global
        and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)
        and all(is_public(str(found)) for found in inner)
    )


def message(event: WebhookEvent, data: Mapping[str, Any], at: datetime) -> str:
    """The body of a message."""
    return json.dumps(
        {"entity": event.entity, "action": event.action, "timestamp": at.astimezone(UTC).isoformat(), "data": data}
    )


def headers(delivery: Delivery, at: datetime) -> dict[str, str]:
    """The headers of a message; it is signed where the webhook has a secret."""
    seconds = str(int(at.timestamp()))
    found = {"Content-Type": "application/json", ID_HEADER: delivery.id, TIMESTAMP_HEADER: seconds}
    if delivery.webhook.secret:
        found[SIGNATURE_HEADER] = signature(delivery.webhook.secret, delivery.id, seconds, delivery.body)
    return found


def signature(secret: str, delivery: str, seconds: str, body: str) -> str:
    """``v1,`` and the HMAC-SHA256 of ``<delivery>.<seconds>.<body>`` in Base64, as standardwebhooks.com has it."""
    digest = hmac.new(secret.encode(), f"{delivery}.{seconds}.{body}".encode(), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def pause(attempts: int, asked: float | None = None) -> float | None:
    """Seconds until a message that failed so often is sent again; ``None`` where it is given up.

    It doubles from one second; ``asked`` is the receiver's own wish (Retry-After).
    """
    if attempts >= ATTEMPTS:
        return None
    wait = 2.0 ** (attempts - 1)
    return min(SLOWEST, max(wait, asked or 0.0))


def example(event: WebhookEvent) -> Mapping[str, Any]:
    """What a test message tells, as MLflow's examples do."""
    return _EXAMPLES[str(event)]


_KEY = {"key": "example_key"}
_TAGS = {"tags": {"example_key": "example_value"}}
_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "registered_model.created": {"name": "example_model", **_TAGS, "description": "An example registered model"},
    "model_version.created": {
        "name": "example_model",
        "version": "1",
        "source": "models:/123",
        "run_id": "abcd1234abcd5678",
        **_TAGS,
        "description": "An example model version",
    },
    "model_version_tag.set": {"name": "example_model", "version": "1", **_KEY, "value": "example_value"},
    "model_version_tag.deleted": {"name": "example_model", "version": "1", **_KEY},
    "model_version_alias.created": {"name": "example_model", "alias": "example_alias", "version": "1"},
    "model_version_alias.deleted": {"name": "example_model", "alias": "example_alias"},
    "prompt.created": {"name": "example_prompt", **_TAGS, "description": "An example prompt"},
    "prompt_version.created": {
        "name": "example_prompt",
        "version": "1",
        "template": "Hello {{name}}!",
        **_TAGS,
        "description": "An example prompt version",
    },
    "prompt_tag.set": {"name": "example_prompt", **_KEY, "value": "example_value"},
    "prompt_tag.deleted": {"name": "example_prompt", **_KEY},
    "prompt_version_tag.set": {"name": "example_prompt", "version": "1", **_KEY, "value": "example_value"},
    "prompt_version_tag.deleted": {"name": "example_prompt", "version": "1", **_KEY},
    "prompt_alias.created": {"name": "example_prompt", "alias": "example_alias", "version": "1"},
    "prompt_alias.deleted": {"name": "example_prompt", "alias": "example_alias"},
    "budget_policy.exceeded": {
        "budget_policy_id": "bp-abc123",
        "budget_unit": "USD",
        "budget_amount": 100.0,
        "current_spend": 105.50,
        "duration_unit": "MONTHS",
        "duration_value": 1,
        "target_scope": "ENDPOINT",
        "workspace": "default",
        "target_value": "ep-abc123",
        "window_start": 1704067200000,
    },
}
