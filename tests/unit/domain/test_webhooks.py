import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from treadle.domain.errors import InvalidInput
from treadle.domain.webhooks import (
    ALL_EVENTS,
    ATTEMPTS,
    Delivery,
    Webhook,
    WebhookEvent,
    checked,
    example,
    headers,
    is_public,
    message,
    pause,
    target,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOOK = Webhook("1", "ci", "https://example.org/hook?a=b", (ALL_EVENTS[0],), 1, 1, secret="hush")


@pytest.mark.parametrize("event", ALL_EVENTS, ids=str)
def test_every_event_has_an_example(event):
    assert json.loads(message(event, example(event), AT)) == {
        "entity": event.entity,
        "action": event.action,
        "timestamp": "2026-01-02T03:04:05+00:00",
        "data": example(event),
    }


@pytest.mark.parametrize(("entity", "action"), [("model", "created"), ("model_version", "deleted"), ("", "")])
def test_events_that_are_none(entity, action):
    with pytest.raises(InvalidInput):
        WebhookEvent(entity, action)


def test_a_message_is_signed_as_the_standard_says():
    found = headers(Delivery("id", HOOK, ALL_EVENTS[0], '{"a":1}', 0), AT)
    expected = hmac.new(b"hush", b'id.1767323045.{"a":1}', hashlib.sha256).digest()
    assert found["X-MLflow-Signature"] == "v1," + base64.b64encode(expected).decode()
    assert found["X-MLflow-Delivery-Id"] == "id"
    assert found["X-MLflow-Timestamp"] == "1767323045"
    plain = headers(Delivery("id", replace(HOOK, secret=None), ALL_EVENTS[0], "{}", 0), AT)
    assert "X-MLflow-Signature" not in plain


def test_secrets_do_not_show():
    assert "hush" not in repr(HOOK)
    assert "hush" not in repr(Delivery("id", HOOK, ALL_EVENTS[0], "{}", 0))


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "-a"},
        {"name": "a" * 64},
        {"name": "a b"},
        {"name": "a\n"},
        {"events": ()},
        {"url": ""},
        {"url": " "},
        {"url": "http://example.org/"},
        {"url": "ftp://example.org/"},
        {"url": "file:///etc/passwd"},
        {"url": "https://"},
        {"url": "https:///path"},
        {"url": "https://user:password@example.org/"},
        {"url": "https://example.org:99999/"},
        {"url": "https://exa mple.org/"},
        {"url": "https://example.org/\r\nHost: evil"},
        {"url": "https://example.org/é"},
        {"url": "https://[::1/"},
        {"url": "https://example.org/" + "a" * 3000},
        {"secret": "a" * 1001},
    ],
)
def test_what_a_webhook_may_not_be(fields):
    with pytest.raises(InvalidInput):
        checked(replace(HOOK, **fields), private=False)


def test_what_a_webhook_may_be():
    assert checked(HOOK, private=False) == HOOK
    found = target("https://Example.org:8443?x=1", private=False)
    assert (found.secure, found.host, found.port, found.path, found.header) == (
        True, "example.org", 8443, "/?x=1", "Example.org:8443",
    )  # fmt: skip
    assert target("http://[::1]/a#b", private=True).path == "/a"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "not an address",
        "",
    ],
)
def test_private_addresses(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"]
)
def test_public_addresses(address):
    assert is_public(address)


def test_waiting_doubles_and_ends():
    waits = [pause(attempts) for attempts in range(1, ATTEMPTS + 1)]
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] is None
    assert pause(1, 60) == 60
    assert pause(1, 1e9) == 300
    assert pause(5, 1) == 16
