from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.domain.errors import CorruptData, InvalidInput, WorkerUnavailable
from treadle.runner import protocol
from treadle.runner.protocol import Channel, Message, decoding, encode, receive_async


def decode(data: bytes) -> Message:
    decoder, position = decoding(), 0
    wanted = next(decoder)
    while True:
        chunk, position = data[position : position + wanted], position + wanted
        assert len(chunk) == wanted
        try:
            wanted = decoder.send(chunk)
        except StopIteration as done:
            assert position == len(data)
            message: Message = done.value
            return message


@pytest.fixture
def pair() -> Iterator[tuple[Channel, Channel]]:
    left, right = (Channel(end) for end in socket.socketpair())
    for end in (left, right):
        end.settimeout(10)
    yield left, right
    left.close()
    right.close()


@given(
    header=st.dictionaries(
        st.text(), st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.floats(allow_nan=False))
    ),
    buffers=st.lists(st.binary(max_size=100), max_size=5),
)
def test_what_is_encoded_is_decoded(header: dict[str, object], buffers: list[bytes]) -> None:
    assert decode(b"".join(encode(header, buffers))) == Message(header, tuple(buffers))


def test_a_buffers_bytes_are_sent_whatever_its_type(pair: tuple[Channel, Channel]) -> None:
    from array import array

    left, right = pair
    left.send({}, [array("d", [1.0, 2.0]), memoryview(b"abcd")[1:3], bytearray(b"x")])  # type: ignore[list-item]
    message = right.receive()
    assert message is not None
    assert message.buffers == (struct.pack("2d", 1.0, 2.0), b"bc", b"x")


def test_large_messages_pass_while_somebody_reads(pair: tuple[Channel, Channel]) -> None:
    left, right = pair
    large = bytes(5_000_000)
    sender = threading.Thread(target=left.send, args=({"n": 1}, [large, b"", large]))
    sender.start()
    message = right.receive()
    sender.join()
    assert message == Message({"n": 1}, (large, b"", large))


def test_the_end_is_no_error_between_messages_but_is_one_within(pair: tuple[Channel, Channel]) -> None:
    left, right = pair
    left.send({"last": True})
    left.close()
    assert right.receive() == Message({"last": True})
    assert right.receive() is None
    one, other = socket.socketpair()
    one.sendall(b"".join(encode({"a": 1}))[:-1])
    one.close()
    with pytest.raises(WorkerUnavailable, match="in the middle"):
        Channel(other).receive()
    other.close()


def test_sending_to_nobody_is_told(pair: tuple[Channel, Channel]) -> None:
    left, right = pair
    right.close()
    with pytest.raises(WorkerUnavailable, match="gone"):
        left.send({})
    with pytest.raises(WorkerUnavailable, match="nobody listens"):
        Channel.connect("/nonexistent/socket")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (struct.pack("!4sHHI", b"HTTP", 1, 0, 2), "no message"),
        (struct.pack("!4sHHI", b"TRDL", 99, 0, 2), "version 99"),
        (struct.pack("!4sHHI", b"TRDL", 1, 0, 2**31), "limit"),
        (struct.pack("!4sHHI", b"TRDL", 1, 5000, 2), "5,000 buffers"),
        (struct.pack("!4sHHI1Q", b"TRDL", 1, 1, 2, 2**40), "limit"),
        (struct.pack("!4sHHI", b"TRDL", 1, 0, 2) + b"{]", "no JSON"),
        (struct.pack("!4sHHI", b"TRDL", 1, 0, 2) + b"[]", "no JSON object"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(CorruptData, match=told):
        decode(data)


def test_what_cannot_be_sent_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no JSON"):
        encode({"x": object()})
    with pytest.raises(InvalidInput, match="buffers"):
        encode({}, [b""] * 5000)


def test_surrogates_pass() -> None:
    header = {"path": "\udcff"}
    assert decode(b"".join(encode(header))).header == header


def test_asyncio_streams_are_read_alike() -> None:
    async def read(data: bytes) -> list[Message | None]:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return [await receive_async(reader), await receive_async(reader)]

    data = b"".join(encode({"a": [1]}, [b"xy", b""]))
    assert asyncio.run(read(data)) == [Message({"a": [1]}, (b"xy", b"")), None]
    with pytest.raises(WorkerUnavailable, match="in the middle"):
        asyncio.run(read(data + data[:7]))


def test_the_header_is_plain_json() -> None:
    (chunk,) = encode({"b": "ü"})
    assert json.loads(bytes(chunk)[protocol._PREFIX.size :]) == {"b": "ü"}
