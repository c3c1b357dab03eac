"""Messages go to addresses that were checked, and to no other."""

import contextlib
import socket
import threading

import pytest

from treadle.app import webhook_sender
from treadle.app.webhook_sender import HttpSender
from treadle.domain.errors import InvalidInput
from treadle.domain.webhooks import Target


class Receiver:
    """Answers every request with the same bytes; keeps what it was sent."""

    def __init__(self, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"):
        self.answer = answer
        self.seen = b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError):
            connection, _ = self.socket.accept()
            with connection:
                connection.settimeout(30)
                while b"\r\n\r\n" not in self.seen or not self.seen.endswith(b"body"):
                    self.seen += connection.recv(65536)
                connection.sendall(self.answer)
                connection.recv(1)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(30)


@pytest.fixture
def receiver():
    found = Receiver()
    yield found
    found.close()


def to(receiver, host="hook.example"):
    return Target(False, host, receiver.port, "/path?a=b", f"{host}:{receiver.port}")


def test_a_message_goes_to_the_address_that_was_resolved(receiver):
    reply = HttpSender(private=True, resolver=lambda host, port: ["127.0.0.1"]).send(
        to(receiver), b"body", {"X-A": "1"}
    )
    assert (reply.status, reply.text) == (200, "ok")
    head, _, body = receiver.seen.partition(b"\r\n\r\n")
    assert body == b"body"
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /path?a=b HTTP/1.1"
    assert [line for line in lines if line.lower().startswith(b"host:")] == [
        f"Host: hook.example:{receiver.port}".encode()
    ]
    assert b"X-A: 1" in lines


def test_a_name_that_turns_private_is_not_followed(receiver):
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    sender = HttpSender(resolver=lambda host, port: next(answers))
    sender.check(to(receiver))
    with pytest.raises(InvalidInput, match="not a public IP"):
        sender.send(to(receiver), b"body", {})
    assert receiver.seen == b""


def test_one_private_address_among_public_ones_is_enough_to_refuse(receiver):
    sender = HttpSender(resolver=lambda host, port: ["93.184.216.34", "127.0.0.1"])
    with pytest.raises(InvalidInput):
        sender.check(to(receiver))
    with pytest.raises(InvalidInput):
        sender.send(to(receiver), b"body", {})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0x7f000001", "2130706433", "127.1", "0", "::1", "0.0.0.0"])
def test_no_spelling_of_this_machine_is_allowed(receiver, host):
    with pytest.raises(InvalidInput):
        HttpSender().check(to(receiver, host))
    with pytest.raises((InvalidInput, OSError)):
        HttpSender().send(to(receiver, host), b"body", {})
    assert receiver.seen == b""


def test_unknown_names_are_told():
    with pytest.raises(InvalidInput, match="Cannot resolve"):
        HttpSender().check(Target(True, "no-such-host.invalid", 443, "/", "no-such-host.invalid"))
    with pytest.raises(OSError, match="no name"):
        webhook_sender.resolve("a" * 300, 443)


def test_redirects_are_not_followed():
    receiver = Receiver(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    try:
        assert HttpSender(private=True, resolver=lambda *_: ["127.0.0.1"]).send(to(receiver), b"body", {}).status == 302
    finally:
        receiver.close()


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n\r\n", b"", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_not_http_is_an_error_of_the_net(answer):
    receiver = Receiver(answer)
    try:
        with pytest.raises(OSError):  # noqa: PT011
            HttpSender(private=True, resolver=lambda *_: ["127.0.0.1"], timeout=2).send(to(receiver), b"body", {})
    finally:
        receiver.close()


def test_answers_are_read_in_part_only(monkeypatch):
    receiver = Receiver(b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)
    try:
        reply = HttpSender(private=True, resolver=lambda *_: ["127.0.0.1"]).send(to(receiver), b"body", {})
    finally:
        receiver.close()
    assert (reply.status, len(reply.text), reply.again_after) == (503, 65536, 7)


def test_an_answer_that_never_ends_is_cut(monkeypatch):
    monkeypatch.setattr(webhook_sender, "LONGEST_WAIT", 0.2)
    receiver = Receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n")
    try:
        with contextlib.suppress(OSError):
            reply = HttpSender(private=True, resolver=lambda *_: ["127.0.0.1"]).send(to(receiver), b"body", {})
            assert reply.text == ""
    finally:
        receiver.close()
