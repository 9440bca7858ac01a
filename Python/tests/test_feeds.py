"""Feeds of both packages, against a stand-in that implements the API."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

import pytest

import kachery_client as kc
import kachery_p2p as kp
from kachery_p2p._feed_names import SubfeedName, parse_feed_uri, subfeed_hash
from stand_in import NODE_ID, StandIn
from stand_in_feeds import StandInFeeds

OTHER = "f" * 64


@pytest.fixture
def feeds(stand_in: StandIn) -> StandInFeeds:
    return StandInFeeds(stand_in)


def test_messages_are_appended_and_read_in_order(feeds: StandInFeeds) -> None:
    feed = kp.create_feed("lab")
    assert feed.is_writeable() and not feed.is_snapshot() and feed.get_feed_node_id() == NODE_ID
    assert feed.get_uri() == f"feed://{feed.get_feed_id()}"
    subfeed = feed.get_subfeed("main")
    subfeed.append_message({"n": 0})
    subfeed.append_messages([{"n": 1}, {"n": 2}])
    assert subfeed.get_num_local_messages() == subfeed.get_num_messages() == 3
    assert subfeed.get_next_message(wait_msec=0) == {"n": 0}
    assert subfeed.get_position() == 1
    assert subfeed.get_next_messages(max_num_messages=1, advance_position=False) == [{"n": 1}]
    assert subfeed.get_next_messages() == [{"n": 1}, {"n": 2}]
    assert subfeed.get_next_messages() == [] and subfeed.get_next_message(wait_msec=1) is None
    subfeed.set_position(2)
    assert subfeed.get_next_messages(signed=True) == [{"body": {"message": {"n": 2}}, "signature": "00"}]


def test_feeds_are_found_by_name_and_by_uri(feeds: StandInFeeds) -> None:
    feed = kp.create_feed("lab")
    assert kp.get_feed_id("lab") == kp.load_feed("lab").get_feed_id() == kp.load_feed(feed.get_uri()).get_feed_id()
    assert kp.load_feed("new", create=True).get_feed_id() == kp.get_feed_id("new", create=True)
    with pytest.raises(kp.NotFound, match="none"):
        kp.get_feed_id("none")
    with pytest.raises(kp.NotFound):
        kp.load_feed(f"feed://{OTHER}", timeout_sec=0.1)
    assert feeds.requests[-1] == ("getFeedInfo", {"feedId": OTHER, "timeoutMsec": 100})
    with pytest.raises(kp.BadRequest):
        kp.load_feed(feed.get_uri(), create=True)
    with pytest.raises(kp.BadRequest):
        kp.load_feed(f"{feed.get_uri()}/x")


@pytest.mark.parametrize("name", ["main", "größer / ✓?", {"b": 1, "a": [2]}, ["list"], "~" + "a" * 40])
def test_subfeeds_are_found_by_their_uri(feeds: StandInFeeds, name: SubfeedName) -> None:
    feed = kp.create_feed()
    subfeed = feed.get_subfeed(name)
    subfeed.append_message({"n": 1})
    again = kp.load_subfeed(subfeed.get_uri())
    assert again.get_subfeed_hash() == subfeed.get_subfeed_hash()
    assert again.get_next_messages() == [{"n": 1}]
    assert subfeed.get_subfeed_name() == name and subfeed.is_writeable() and not subfeed.is_snapshot()


def test_names_are_hashed_as_everywhere() -> None:
    assert subfeed_hash("größer") == hashlib.sha1("größer".encode()).hexdigest()
    assert subfeed_hash({"b": 1, "a": "ü"}) == hashlib.sha1(b'{"a":"\\u00fc","b":1}').hexdigest()
    assert subfeed_hash("~" + "a" * 40) == "a" * 40
    with pytest.raises(kp.BadRequest):
        subfeed_hash("~short")


@pytest.mark.parametrize("uri", ["", "sha1://" + "a" * 40, "feed://short", "feed://" + "G" * 64, "feed:///x"])
def test_what_is_no_feed_uri_is_refused(uri: str) -> None:
    with pytest.raises(kp.BadRequest):
        parse_feed_uri(uri)


def test_a_subfeed_uri_needs_a_name(feeds: StandInFeeds) -> None:
    with pytest.raises(kp.BadRequest, match="NAME"):
        kp.load_subfeed(f"feed://{OTHER}")
    with pytest.raises(kp.BadRequest):
        kp.delete_feed(f"feed://{OTHER}/x")


def test_feeds_are_deleted_by_name_by_uri_and_by_themselves(feeds: StandInFeeds) -> None:
    kp.create_feed("lab")
    kp.delete_feed("lab")
    kp.delete_feed(kp.create_feed().get_uri())
    kp.create_feed().delete()
    assert feeds.feeds == {}
    with pytest.raises(kp.KacheryError, match="no such feed"):
        kp.delete_feed(f"feed://{OTHER}")


def test_a_long_poll_answers_as_soon_as_a_message_comes(feeds: StandInFeeds) -> None:
    feed = kp.create_feed()
    timer = threading.Timer(0.1, lambda: feed.get_subfeed("b").append_message({"n": 1}))
    timer.start()
    watches = {name: {"feedId": feed.get_feed_id(), "subfeedName": name, "position": 0} for name in ("a", "b")}
    start = time.monotonic()
    assert kp.watch_for_new_messages(watches, wait_msec=20_000) == {"b": [{"n": 1}]}
    assert time.monotonic() - start < 10
    timer.join()
    assert kp.watch_for_new_messages({"a": watches["a"]}, wait_msec=1, channel="*local*") == {}


def test_a_stream_goes_on_with_what_comes_later(feeds: StandInFeeds) -> None:
    subfeed = kp.create_feed().get_subfeed("main")
    subfeed.append_messages([{"n": 0}, {"n": 1}])
    stream = subfeed.message_stream()
    assert [next(stream), next(stream)] == [{"n": 0}, {"n": 1}]
    assert subfeed.get_position() == 2
    timer = threading.Timer(0.05, lambda: subfeed.append_message({"n": 2}))
    timer.start()
    assert next(stream) == {"n": 2}
    timer.join()


def test_snapshots_are_files_that_never_change(
    feeds: StandInFeeds, stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in.store_uploads()
    feed = kp.create_feed()
    feed.get_subfeed("a").append_messages([{"n": 0}, {"n": 1}])
    snapshot = feed.create_snapshot(["a", "b"])
    feed.get_subfeed("a").append_message({"n": 2})
    assert snapshot.is_snapshot() and not snapshot.is_writeable() and snapshot.get_uri().endswith("/feed.json")
    a = kp.load_feed(snapshot.get_uri()).get_subfeed("a")
    assert list(a.message_stream()) == [{"n": 0}, {"n": 1}] and a.get_num_local_messages() == 2
    assert a.get_uri().endswith("feed.json?subfeedName=a")
    a.set_position(0)
    a.print_messages()
    assert capsys.readouterr().out == "{'n': 0}\n{'n': 1}\n"
    a.set_position(1)
    assert a.get_next_messages(max_num_messages=5) == [{"n": 1}]
    assert snapshot.get_subfeed("none").get_next_messages() == []
    for call in (lambda: a.append_message({}), lambda: a.submit_message({}), snapshot.delete, a.get_access_rules):
        with pytest.raises(kp.BadRequest, match="snapshot"):
            call()
    with pytest.raises(kp.BadRequest, match="snapshot"):
        kp.load_feed(kp.store_json({"subfeeds": []}))
    theirs = kc.load_feed(snapshot.get_uri())
    assert theirs.is_snapshot and theirs.feed_id is None
    assert list(theirs.load_subfeed("a").message_stream()) == [{"n": 0}, {"n": 1}]


def test_write_access_is_granted_and_revoked(feeds: StandInFeeds) -> None:
    subfeed = kp.create_feed().get_subfeed("main")
    with pytest.raises(kp.Forbidden):
        subfeed.submit_message({"n": 1})
    subfeed.grant_write_access(node_id=NODE_ID)
    subfeed.grant_write_access(node_id=OTHER)
    subfeed.grant_write_access(node_id=OTHER)
    assert subfeed.get_access_rules() == {
        "rules": [{"nodeId": NODE_ID, "write": True}, {"nodeId": OTHER, "write": True}]
    }
    subfeed.submit_messages([{"n": 1}, {"n": 2}])
    assert subfeed.get_next_messages() == [{"n": 1}, {"n": 2}]
    subfeed.revoke_write_access(node_id=NODE_ID)
    with pytest.raises(kp.Forbidden):
        subfeed.submit_message({"n": 3})
    assert len([verb for verb, _ in feeds.requests if verb == "setAccessRules"]) == 3


def test_a_feed_of_another_node_cannot_be_appended_to(feeds: StandInFeeds) -> None:
    feeds.feeds[OTHER] = False
    subfeed = kp.load_feed(f"feed://{OTHER}").get_subfeed("main")
    assert not subfeed.is_writeable()
    for call in (lambda: subfeed.append_message({}), subfeed.get_access_rules):
        with pytest.raises(kp.Forbidden, match="another node"):
            call()


def test_an_append_is_never_sent_twice(feeds: StandInFeeds, stand_in: StandIn) -> None:
    stand_in.keep_alive()
    subfeed = kp.create_feed().get_subfeed("main")

    def die(request: dict[str, Any]) -> tuple[int, bytes]:
        feeds.appendMessages(**request)
        stand_in.hang_up()
        return 200, b"{}"

    stand_in.answers["/feed/appendMessages"] = die
    with pytest.raises(kp.Disconnected):
        subfeed.append_message({"n": 1})
    assert subfeed.get_num_local_messages() == 1


def test_the_other_package_has_properties_and_channels(feeds: StandInFeeds) -> None:
    feed = kc.create_feed("lab")
    assert feed.is_writeable and not feed.is_snapshot and feed.uri == f"feed://{feed.feed_id}"
    assert kc.get_feed_id("lab") == kc.load_feed("lab").feed_id == feed.feed_id
    assert kc.load_feed("new", create=True).feed_id == kc.get_feed_id("new", create=True)
    assert kc.get_feed_id(kp_name(feeds)) == feeds.names["theirs"]
    subfeed = feed.load_subfeed("main", position=1)
    subfeed.append_messages([{"n": 0}, {"n": 1}])
    assert subfeed.get_next_messages() == [{"n": 1}]
    assert subfeed.position == 2 and subfeed.subfeed_name == "main"
    assert subfeed.is_writeable and not subfeed.is_snapshot
    assert feeds.requests[-1][1]["subfeedWatches"]["watch"]["channelName"] == "*local*"
    over_channel = kc.load_subfeed(subfeed.uri, channel="our-lab")
    assert over_channel.get_next_messages() == [{"n": 0}, {"n": 1}]
    assert feeds.requests[-1][1]["subfeedWatches"]["watch"]["channelName"] == "our-lab"
    watch = {"w": {"feedId": feed.feed_id, "subfeedHash": subfeed.subfeed_hash, "position": 0}}
    assert len(kc.watch_for_new_messages(watch, wait_msec=0)["w"]) == 2
    kc.delete_feed("lab")
    with pytest.raises(kp.NotFound):
        kc.load_feed("lab")
    with pytest.raises(kp.BadRequest):
        kc.load_feed(feed.uri, create=True)
    with pytest.raises(kp.BadRequest):
        kc.load_subfeed(feed.uri)


def kp_name(feeds: StandInFeeds) -> str:
    kp.create_feed("theirs")
    return "theirs"
