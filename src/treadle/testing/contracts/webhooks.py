"""What every ``ports.Webhooks`` promises."""
# ruff: noqa: S101, S105, S106

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from treadle.domain.errors import Conflict, NotFound
from treadle.domain.webhooks import Webhook, WebhookEvent
from treadle.ports.webhooks import Webhooks
from treadle.testing.contracts.base import together

CREATED = WebhookEvent("model_version", "created")
ALIAS = WebhookEvent("model_version_alias", "created")


class WebhooksContract:
    """Override :meth:`open`; opening the same folder again finds what was stored, where the backend is lasting."""

    lasting = True

    def open(self, folder: Path) -> AbstractContextManager[Webhooks]:
        """The webhooks of a folder."""
        raise NotImplementedError

    @pytest.fixture
    def webhooks(self, tmp_path: Path) -> Iterator[Webhooks]:
        """The webhooks of one test."""
        with self.open(tmp_path) as webhooks:
            yield webhooks

    def test_a_webhook_comes_back(self, webhooks: Webhooks) -> None:
        """With all its fields, the secret too, which does not show."""
        hook = webhook("a", description="told of all", secret="hush")
        webhooks.create(hook)
        assert webhooks.get("a") == hook
        assert "hush" not in repr(webhooks.get("a"))
        with pytest.raises(Conflict):
            webhooks.create(hook)

    def test_the_newest_is_listed_first(self, webhooks: Webhooks) -> None:
        """Ties by id, in pages."""
        for name, created in (("c", 1), ("b", 2), ("a", 1)):
            webhooks.create(replace(webhook(name), created=created))
        assert [hook.id for hook in webhooks.list(limit=10)] == ["b", "a", "c"]
        assert [hook.id for hook in webhooks.list(limit=2, offset=1)] == ["a", "c"]
        assert webhooks.list(limit=2, offset=3) == ()

    def test_fields_are_replaced(self, webhooks: Webhooks) -> None:
        """All of them."""
        webhooks.create(webhook("a"))
        changed = replace(webhook("a"), name="other", secret="new", active=False, events=(ALIAS, CREATED), updated=9)
        webhooks.replace(changed)
        assert webhooks.get("a") == changed

    def test_what_is_not_there_is_not_found(self, webhooks: Webhooks) -> None:
        """By every method that names one."""
        for method in (webhooks.get, webhooks.delete):
            with pytest.raises(NotFound):
                method("nobody")
        with pytest.raises(NotFound):
            webhooks.replace(webhook("nobody"))

    def test_who_listens_is_told(self, webhooks: Webhooks) -> None:
        """Active ones of the event, each once."""
        webhooks.create(webhook("a"))
        webhooks.create(replace(webhook("b"), events=(ALIAS, CREATED)))
        webhooks.create(replace(webhook("c"), events=(ALIAS,)))
        webhooks.create(replace(webhook("d"), active=False))
        assert webhooks.announce(WebhookEvent("prompt", "created"), "{}", at=1) == 0
        assert webhooks.next_due() is None
        assert webhooks.announce(CREATED, "text", at=5) == 2
        assert webhooks.next_due() == 5
        found = webhooks.claim(now=5, until=100, limit=10)
        assert sorted(each.webhook.id for each in found) == ["a", "b"]
        assert {(each.body, each.event, each.attempts) for each in found} == {("text", CREATED, 0)}
        assert len({each.id for each in found}) == 2

    def test_a_claimed_message_is_nobody_elses(self, webhooks: Webhooks) -> None:
        """Until its time is over; oldest first, no more than asked for."""
        webhooks.create(webhook("a"))
        for at in (3, 1, 2):
            webhooks.announce(CREATED, str(at), at=at)
        assert webhooks.claim(now=0, until=50, limit=10) == ()
        assert webhooks.claim(now=3, until=50, limit=0) == ()
        assert [each.body for each in webhooks.claim(now=3, until=50, limit=2)] == ["1", "2"]
        assert [each.body for each in webhooks.claim(now=3, until=60, limit=2)] == ["3"]
        assert webhooks.claim(now=49, until=70, limit=5) == ()
        assert sorted(each.body for each in webhooks.claim(now=50, until=70, limit=5)) == ["1", "2"]

    def test_settled_messages_are_gone(self, webhooks: Webhooks) -> None:
        """Settling again is no change, postponing them neither."""
        webhooks.create(webhook("a"))
        webhooks.announce(CREATED, "1", at=1)
        found = webhooks.claim(now=1, until=2, limit=1)[0]
        webhooks.settle(found.id)
        webhooks.settle(found.id)
        webhooks.postpone(found.id, attempts=1, due=1)
        assert webhooks.claim(now=9, until=10, limit=1) == ()

    def test_postponed_messages_come_again(self, webhooks: Webhooks) -> None:
        """With the same id and the number of attempts."""
        webhooks.create(webhook("a"))
        webhooks.announce(CREATED, "1", at=1)
        first = webhooks.claim(now=1, until=100, limit=1)[0]
        webhooks.postpone(first.id, attempts=1, due=7)
        assert webhooks.next_due() == 7
        assert webhooks.claim(now=6, until=100, limit=1) == ()
        again = webhooks.claim(now=7, until=100, limit=1)[0]
        assert (again.id, again.attempts) == (first.id, 1)

    def test_messages_follow_their_webhook(self, webhooks: Webhooks) -> None:
        """To its new address; they wait while it is disabled, and go with it."""
        webhooks.create(webhook("a"))
        webhooks.announce(CREATED, "1", at=1)
        webhooks.replace(replace(webhook("a"), active=False))
        assert webhooks.claim(now=5, until=6, limit=1) == ()
        assert webhooks.next_due() is None
        webhooks.replace(replace(webhook("a"), url="https://example.org/new", secret="new"))
        found = webhooks.claim(now=5, until=6, limit=1)[0]
        assert (found.webhook.url, found.webhook.secret) == ("https://example.org/new", "new")
        webhooks.delete("a")
        assert webhooks.claim(now=9, until=10, limit=1) == ()
        assert webhooks.next_due() is None

    def test_threads_never_claim_the_same(self, webhooks: Webhooks) -> None:
        """Each message once."""
        webhooks.create(webhook("a"))
        for number in range(40):
            webhooks.announce(CREATED, str(number), at=1)
        found = together(8, lambda _: [each.body for each in webhooks.claim(now=1, until=100, limit=5)])
        bodies = [body for each in found if isinstance(each, list) for body in each]
        assert sorted(bodies, key=int) == [str(number) for number in range(40)]

    def test_messages_outlive_the_process(self, tmp_path: Path) -> None:
        """What was announced is there when the store is opened again."""
        if not self.lasting:
            return
        with self.open(tmp_path / "kept") as webhooks:
            webhooks.create(webhook("a", secret="hush"))
            webhooks.announce(CREATED, "1", at=1)
            webhooks.claim(now=1, until=5, limit=1)
        with self.open(tmp_path / "kept") as webhooks:
            assert webhooks.get("a").secret == "hush"
            assert [each.body for each in webhooks.claim(now=5, until=9, limit=1)] == ["1"]


def webhook(name: str, *, description: str | None = None, secret: str | None = None) -> Webhook:
    """One that is told of new versions."""
    url = f"https://example.org/{name}"
    return Webhook(name, f"hook-{name}", url, (CREATED,), 1, 1, description=description, secret=secret)
