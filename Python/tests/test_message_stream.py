"""Messages of a stream: read in pieces, cut short, and damaged."""

from __future__ import annotations

import io
import random
from contextlib import suppress
from typing import Any

import pytest

from kachery_p2p import Disconnected, KacheryError, ProtocolViolation
from kachery_p2p._message_stream import messages
from stand_in import frames


def read_all(stream: bytes, step: int = 1 << 20) -> list[dict[str, Any]]:
    source = io.BytesIO(stream)
    return list(messages(lambda count: source.read(min(count, step))))


def test_messages_come_in_order_whatever_the_pieces() -> None:
    values = [{"type": "progress", "n": n, "name": "größer ✓"} for n in range(20)]
    assert read_all(frames(*values)) == values
    for step in (1, 2, 7):
        assert read_all(frames(*values), step) == values


def test_an_empty_stream_has_no_messages() -> None:
    assert read_all(b"") == []


@pytest.mark.parametrize("stream", [frames({"a": 1})[:-1], b"12", b"5#{}"])
def test_a_stream_cut_in_a_message_is_noticed(stream: bytes) -> None:
    with pytest.raises(Disconnected):
        read_all(stream)


@pytest.mark.parametrize("stream", [b"#{}", b"-1#{}", b"x", b"2#[]", b"2#{{", b"99999999999#", b"67108865#", b" 2#{}"])
def test_nonsense_is_refused(stream: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        read_all(stream)


def test_damaged_streams_end_in_an_error_of_ours_or_not_at_all() -> None:
    generator = random.Random(20261120)
    whole = frames(*({"type": "progress", "n": n} for n in range(5)))
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        with suppress(KacheryError):
            read_all(bytes(damaged[: generator.randint(0, len(damaged))]))
