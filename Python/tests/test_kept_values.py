"""Values that a daemon stores: mutables and messages come back unchanged, or are refused with their place."""

from __future__ import annotations

import decimal
import math
from typing import Any, NamedTuple

import numpy as np
import pytest

import kachery_client as kc
import kachery_p2p as kp
from kachery_p2p._feed_names import subfeed_hash
from real_daemon import RealDaemon

CLIENTS = pytest.mark.parametrize("client", [kp, kc], ids=lambda client: client.__name__)


class Point(NamedTuple):
    x: Any
    y: Any


EXACT: list[Any] = [
    None, True, 0, 1, 1.0, -0.0, 0.1, 1e16, 1e22, 5e-324, 1.7976931348623157e308, 2**53, -(2**53), 2**53 + 2,
    123456789012345680, "", "größer ✓ \U0001f600", "\0\n\u2028", [], {}, {"b": [1.0, 1, {"": None}], "a": "1"}, 10**22,
    10**308,
]  # fmt: skip
LONG_INTEGERS = [2**53 + 1, -(2**53) - 1, 2**63 - 1, 2**63, 2**64, 2**60, 10**23 + 1]
CONVERTED = [
    ((1, (2.0,)), [1, [2.0]]), (Point(1, 2.0), {"x": 1, "y": 2.0}), ({1: 2, None: 3}, {"1": 2, "null": 3}),
    (np.int64(5), 5), (np.float32(0.5), 0.5), (np.bool_(True), True), (np.float64(1), 1.0),
]  # fmt: skip
NEVER = [
    (math.nan, "$.a[0]"), (-math.inf, "$.a[0]"), (decimal.Decimal("1.10"), "$.a[0]"), (b"x", "$.a[0]"), ({1}, "$.a[0]"),
    ({1: "a", "1": "b"}, "$.a[0]"), ({True: "a", "true": "b"}, "$.a[0]"), ({None: "a", "null": "b"}, "$.a[0]"),
    ("\ud800", "$.a[0]"), (np.arange(3), "$.a[0]"), (np.float64("nan"), "$.a[0]"), (10**309, "$.a[0]"),
    ({"\ud800": 1}, "$.a[0]"),
]  # fmt: skip


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal and of equal types, the sign of zero included."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return set(left) == set(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(same(*pair) for pair in zip(left, right))
    if isinstance(left, float) and math.copysign(1, left) != math.copysign(1, right):
        return False
    return bool(left == right)


@CLIENTS
def test_a_mutable_is_what_was_set(daemon: RealDaemon, client: Any) -> None:
    table = [(value, value) for value in EXACT + LONG_INTEGERS] + CONVERTED
    for number, (value, _) in enumerate(table):
        client.set({"number": number}, value)
        client.set(["nested", number], {"a": [value]})
    for number, (value, expected) in enumerate(table):
        assert same(client.get({"number": number}), expected), value
        assert same(client.get(["nested", number]), {"a": [expected]}), value
    for value, place in NEVER:
        with pytest.raises(kp.BadRequest) as refusal:
            client.set("refused", {"a": [value]})
        assert f"at {place}" in str(refusal.value)
    assert client.get("refused") is None


@CLIENTS
def test_no_two_keys_are_one(daemon: RealDaemon, client: Any) -> None:
    keys = [
        None, False, 0, 1, 2, 0.5, "1", "null", 2**53, 2**53 + 2, 1e22, [1], ["1"], {"a": 1}, {"a": "1"}, {"a": None},
    ]  # fmt: skip
    for number, key in enumerate(keys):
        client.set(key, number)
    assert [client.get(key) for key in keys] == list(range(len(keys)))
    with pytest.raises(kp.BadRequest, match=r"str\(x\)"):
        client.set(10**22 + 2**22, 1)
    for integer in LONG_INTEGERS:
        for use in (lambda key: client.set(key, 1), client.get, client.delete):
            with pytest.raises(kp.BadRequest, match=rf"{integer} would become .*str\(x\)") as refusal:
                use({"a": [0, integer]})
            assert "at $.a[1] " in str(refusal.value)
    for value, place in NEVER:
        with pytest.raises(kp.BadRequest) as refusal:
            client.get({"a": [value]})
        assert f"at {place}" in str(refusal.value)


@CLIENTS
def test_a_message_is_what_was_appended(daemon: RealDaemon, client: Any) -> None:
    subfeed = client.create_feed().load_subfeed("main")
    table = [(value, value) for value in EXACT] + CONVERTED
    subfeed.append_messages([{"a": value} for value, _ in table])
    for (value, expected), message in zip(table, subfeed.get_next_messages(wait_msec=0)):
        assert same(message, {"a": expected}), value
    for value, place in NEVER + [(integer, "$.a[0]") for integer in LONG_INTEGERS]:
        for send in (subfeed.append_message, subfeed.submit_message):
            with pytest.raises(kp.BadRequest) as refusal:
                send({"a": [value]})
            assert f"at {place}" in str(refusal.value)
    assert subfeed.get_num_local_messages() == len(table)


@CLIENTS
def test_a_snapshot_holds_the_same_messages(daemon: RealDaemon, client: Any) -> None:
    feed = client.create_feed()
    feed.load_subfeed("main").append_messages([{"a": value} for value in EXACT])
    snapshot = feed.create_snapshot(["main"]).load_subfeed("main")
    assert all(same(message, {"a": value}) for message, value in zip(snapshot.get_next_messages(wait_msec=0), EXACT))


def test_a_subfeed_has_the_name_that_every_published_client_gives_it() -> None:
    # The hashes of kachery-client 1.2.0.
    assert subfeed_hash({"b": 1, "a": (1.0, Point(1, 2))}) == "9af681087de748559c61fb6bbdaae9eb4dcfa0c4"
    numbered: Any = {10: 1, 2: 2}
    assert subfeed_hash(numbered) == "3c5d6fedfc78f63dbdc435ed35d32795bdc9f9b3"
    assert subfeed_hash({"a": np.int64(1)}) == subfeed_hash({"a": 1})
    names: list[Any] = ["\ud800", {"a": math.nan}, {1: 1, "1": 2}, [b"x"], {1}]
    for name in names:
        with pytest.raises(kp.BadRequest):
            subfeed_hash(name)
