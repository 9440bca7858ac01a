import io
import json
import random

import pytest
from kachery_p2p import Disconnected, KacheryError, ProtocolViolation
from kachery_p2p._message_stream import messages


def frame(value):
    content = json.dumps(value, ensure_ascii=False).encode()
    return b"%d#%s" % (len(content), content)


def read_all(stream, step=None):
    source = io.BytesIO(stream)
    return list(messages(source.read if step is None else lambda count: source.read(min(count, step))))


def test_messages_come_in_order_whatever_the_pieces():
    values = [{"type": "progress", "n": n, "name": "größer ✓"} for n in range(20)]
    stream = b"".join(map(frame, values))
    for step in (None, 1, 2, 7):
        assert read_all(stream, step) == values


def test_an_empty_stream_has_no_messages():
    assert read_all(b"") == []


@pytest.mark.parametrize("stream", [frame({"a": 1})[:-1], b"12", b"5#{}"])
def test_a_stream_cut_in_a_message_is_noticed(stream):
    with pytest.raises(Disconnected):
        read_all(stream)


@pytest.mark.parametrize("stream", [b"#{}", b"-1#{}", b"x", b"2#[]", b"2#{{", b"99999999999#", b"67108865#", b" 2#{}"])
def test_nonsense_is_refused(stream):
    with pytest.raises(ProtocolViolation):
        read_all(stream)


def test_damaged_streams_end_in_an_error_of_ours_or_not_at_all():
    generator = random.Random(20261120)
    whole = b"".join(frame({"type": "progress", "n": n}) for n in range(5))
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        try:
            read_all(bytes(damaged[: generator.randint(0, len(damaged))]))
        except KacheryError:
            pass
