import json
import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from treadle.domain.errors import InvalidInput, TreadleError
from treadle.domain.webhooks import Webhook, WebhookEvent
from treadle.ports.webhooks import Reply
from treadle.registry.webhooks import WebhookService
from treadle.testing import memory

CREATED = WebhookEvent("registered_model", "created")
HOOK = Webhook("1", "ci", "https://example.org/hook", (CREATED,), 1, 1, secret="hush")
LATER = 10**14


def world(*replies):
    store, sender = memory.MemoryWebhooks(), memory.RecordingSender(*replies)
    service = WebhookService(store, sender)
    service.create(HOOK)
    return store, sender, service


def claimed(store):
    return store.claim(now=LATER, until=LATER, limit=1)


def test_a_message_arrives_once():
    store, sender, service = world()
    service.announce("registered_model", "created", {"name": "flights"})
    service.deliver(claimed(store)[0])
    assert json.loads(sender.sent[0].body)["data"] == {"name": "flights"}
    assert sender.sent[0].headers["X-MLflow-Signature"].startswith("v1,")
    assert claimed(store) == ()


@pytest.mark.parametrize("failure", [Reply(503, ""), Reply(429, "", 60), ConnectionError("nobody")])
def test_what_may_pass_is_sent_again_under_the_same_id(failure, caplog):
    caplog.set_level(logging.DEBUG)
    store, sender, service = world(failure)
    service.announce("registered_model", "created", {})
    first = claimed(store)[0]
    before = int(datetime.now(UTC).timestamp() * 1000)
    service.deliver(first)
    wait = 60_000 if isinstance(failure, Reply) and failure.again_after else 1000
    assert store.next_due() >= before + wait
    again = claimed(store)[0]
    assert (again.id, again.attempts) == (first.id, 1)
    service.deliver(again)
    ids = {sent.headers["X-MLflow-Delivery-Id"] for sent in sender.sent}
    assert ids == {first.id}
    assert claimed(store) == ()
    assert "hush" not in caplog.text


@pytest.mark.parametrize("failure", [Reply(400, ""), Reply(404, ""), Reply(302, ""), InvalidInput("private address")])
def test_what_will_not_pass_is_given_up(failure):
    store, sender, service = world(failure)
    service.announce("registered_model", "created", {})
    service.deliver(claimed(store)[0])
    given_up = not (isinstance(failure, Reply) and failure.status < 400)
    assert claimed(store) == ()
    assert len(sender.sent) == 1
    assert given_up or failure.status == 302


def test_a_message_is_given_up_in_the_end():
    store, sender, service = world(*[Reply(500, "")] * 20)
    service.announce("registered_model", "created", {})
    while due := claimed(store):
        service.deliver(due[0])
    assert len(sender.sent) == 10


def test_the_change_stands_where_telling_fails(caplog):
    class Broken(memory.MemoryWebhooks):
        def announce(self, event, body, *, at):
            raise TreadleError("the disk is full")

    WebhookService(Broken(), memory.RecordingSender()).announce("registered_model", "created", {})
    assert "nobody could be told" in caplog.text
    with pytest.raises(InvalidInput):
        WebhookService(Broken(), memory.RecordingSender()).announce("registered_model", "painted", {})


def test_a_test_says_what_came_back():
    _, sender, service = world(Reply(201, "fine"), Reply(500, "no"), ConnectionError("nobody"))
    assert service.test(HOOK).reply == Reply(201, "fine")
    assert not service.test(HOOK, WebhookEvent("prompt", "created")).success
    assert json.loads(sender.sent[1].body)["entity"] == "prompt"
    failed = service.test(HOOK)
    assert not failed.success
    assert "nobody" in failed.error


def test_what_may_not_be_is_not_stored():
    store, _, service = world()
    with pytest.raises(InvalidInput):
        service.create(replace(HOOK, id="2", url="http://example.org"))
    with pytest.raises(InvalidInput):
        service.replace(replace(HOOK, name="a b"))
    assert store.list(limit=5) == (HOOK,)


def test_threads_deliver_what_waits_and_what_comes():
    arrived = threading.Semaphore(0)

    class Sender(memory.RecordingSender):
        def send(self, to, body, headers):
            try:
                return super().send(to, body, headers)
            finally:
                arrived.release()

    store, sender = memory.MemoryWebhooks(), Sender()
    service = WebhookService(store, sender)
    service.create(HOOK)
    for number in range(20):
        service.announce("registered_model", "created", {"number": number})
    service.start()
    try:
        service.announce("registered_model", "created", {"number": 20})
        for _ in range(21):
            assert arrived.acquire(timeout=30)
    finally:
        service.stop()
    assert sorted(json.loads(sent.body)["data"]["number"] for sent in sender.sent) == list(range(21))
    assert claimed(store) == ()
