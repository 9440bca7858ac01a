"""The daemon's API for feeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Dict, NamedTuple

from ._errors import BadRequest, KacheryError, TimedOut, error_for
from ._feed_names import check_feed_name, subfeed_hash
from ._json_values import MESSAGE, plain
from ._place import require_daemon

LOCAL = "*local*"  # the channel that means this node alone
Message = Dict[str, Any]

_PATIENCE = 30.0  # seconds that an answer may take beyond the time that the daemon may wait


class FeedInfo(NamedTuple):
    """What the daemon knows about a feed."""

    is_writeable: bool
    node_id: str | None


class SubfeedInfo(NamedTuple):
    """A subfeed with messages on this node; ``name`` is ``None`` if its writer has published no name for it."""

    subfeed_hash: str
    name: str | None
    messages: int


class Description(NamedTuple):
    """What this node has of a feed, and the names by which it finds it."""

    names: list[str]
    subfeeds: list[SubfeedInfo]


def described(feed_id: str) -> Description:
    """What this node has of a feed. No other node is asked."""
    answer = require_success(require_daemon("A feed").get(f"/v1/feeds/{feed_id}"), "Describing the feed")
    subfeeds = [
        SubfeedInfo(str(item["subfeedHash"]), item.get("name"), int(item["messages"]))
        for item in answer.get("subfeeds") or []
    ]
    return Description([str(name) for name in answer.get("names") or []], subfeeds)


def create(name: str | None) -> str:
    """Creates a feed and returns its ID."""
    if name is not None:
        check_feed_name(name)
    # Never repeated: a second request would create a second feed.
    return str(_call("createFeed", {} if name is None else {"feedName": name}, is_repeatable=False)["feedId"])


def delete(feed_id: str) -> None:
    """Deletes a feed of this node."""
    _call("deleteFeed", {"feedId": feed_id})


def id_of(name: str) -> str | None:
    """The ID of the feed with this name; ``None`` if there is none."""
    check_feed_name(name)
    answer = _ask("getFeedId", {"feedName": name})
    feed_id = answer.get("feedId")
    return feed_id if answer.get("success") and isinstance(feed_id, str) else None


def info(feed_id: str, timeout_sec: float | None) -> FeedInfo:
    """Finds the feed on this node or on another node of a channel. Raises if no node has it."""
    request: dict[str, Any] = {"feedId": feed_id}
    if timeout_sec is not None:
        request["timeoutMsec"] = round(timeout_sec * 1000)
    answer = _call("getFeedInfo", request, timeout=(timeout_sec or 6.0) + _PATIENCE)
    return FeedInfo(bool(answer.get("isWriteable")), answer.get("nodeId"))


def append(feed_id: str, subfeed: str, messages: Sequence[Message], name: str | None = None) -> None:
    """Appends messages to a subfeed of this node; they are on its disk when this returns.

    The daemon publishes the subfeed's ``name``, if it is told.
    """
    request = {"feedId": feed_id, "subfeedHash": subfeed, "messages": [_checked(message) for message in messages]}
    if name is not None:
        request["subfeedName"] = name
    _call("appendMessages", request, is_repeatable=False)


def submit(feed_id: str, subfeed: str, message: Message, timeout_sec: float) -> None:
    """Asks the node that writes the feed to append a message."""
    request = {
        "feedId": feed_id,
        "subfeedHash": subfeed,
        "message": _checked(message),
        "timeoutMsec": round(timeout_sec * 1000),
    }
    _call("submitMessage", request, timeout=timeout_sec + _PATIENCE, is_repeatable=False)


def _checked(message: Message) -> Any:
    """The message as plain JSON. Raises if the signed message would contain different numbers."""
    return plain(message, MESSAGE)


def count(feed_id: str, subfeed: str) -> int:
    """The number of the subfeed's messages on this node."""
    return int(_call("getNumLocalMessages", {"feedId": feed_id, "subfeedHash": subfeed})["numMessages"])


def rules(feed_id: str, subfeed: str) -> dict[str, Any]:
    """Which nodes may submit messages: ``{"rules": [{"nodeId", "write"}]}``."""
    answer = _call("getAccessRules", {"feedId": feed_id, "subfeedHash": subfeed})
    return answer.get("accessRules") or {"rules": []}


def set_rules(feed_id: str, subfeed: str, access_rules: dict[str, Any]) -> None:
    """Sets which nodes may submit messages."""
    _call("setAccessRules", {"feedId": feed_id, "subfeedHash": subfeed, "accessRules": access_rules})


def watch(
    watches: Mapping[str, Mapping[str, Any]],
    wait_msec: float,
    channel: str | None = None,
    signed: bool = False,
    max_num_messages: int = 0,
) -> dict[str, list[Message]]:
    """The messages from each watch's position on. If there are none yet, waits for the first.

    See ``watch_for_new_messages``.
    """
    request = watch_request(watches, wait_msec, channel, signed, max_num_messages)
    answer = _call("watchForNewMessages", request, timeout=wait_msec / 1000 + _PATIENCE)
    return dict(answer.get("messages") or {})


def watch_request(
    watches: Mapping[str, Mapping[str, Any]],
    wait_msec: float,
    channel: str | None,
    signed: bool,
    max_num_messages: int,
) -> dict[str, Any]:
    """The request of ``watch``."""
    if channel == "":
        raise BadRequest("The channel's name is empty; leave the channel out to read over every channel.")
    return {
        "subfeedWatches": {name: _watch(watch, channel) for name, watch in watches.items()},
        "waitMsec": wait_msec,
        "signed": signed,
        "maxNumMessages": max_num_messages,
    }


def _watch(watch: Mapping[str, Any], channel: str | None) -> dict[str, Any]:
    request: dict[str, Any] = {
        "feedId": watch["feedId"],
        "subfeedHash": watch["subfeedHash"] if "subfeedHash" in watch else subfeed_hash(watch["subfeedName"]),
        "position": watch["position"],
    }
    if channel is not None:
        request["channelName"] = channel
    return request


def _call(verb: str, request: dict[str, Any], *, timeout: float = 60.0, is_repeatable: bool = True) -> dict[str, Any]:
    return require_success(_ask(verb, request, timeout=timeout, is_repeatable=is_repeatable), verb)


def require_success(answer: dict[str, Any], verb: str) -> dict[str, Any]:
    """Returns the answer. Raises if it reports a failure."""
    if not answer.get("success"):
        reason = answer.get("error") or "the daemon reports no reason"
        raise error_for(answer.get("code"), f"{verb} failed: {reason}", KacheryError)
    return answer


def _ask(verb: str, request: dict[str, Any], *, timeout: float = 60.0, is_repeatable: bool = True) -> dict[str, Any]:
    daemon = require_daemon("A feed")
    try:
        return daemon.call(f"/feed/{verb}", request, timeout=timeout, repeatable=is_repeatable)
    except TimedOut:
        if is_repeatable:
            raise
        raise TimedOut(
            f"The daemon did not answer {verb} within {timeout:g} s; it may have carried it out nevertheless."
        ) from None
