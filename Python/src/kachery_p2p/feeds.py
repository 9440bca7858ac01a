"""Feeds: signed logs of messages. One node writes a feed, and any node can read it live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _feed_calls
from ._errors import BadRequest, NotFound
from ._feed_calls import Message
from ._feed_core import FeedCore, SubfeedCore
from ._feed_names import SubfeedName, parse_feed_uri, subfeed_hash

__all__ = [
    "Feed",
    "Subfeed",
    "create_feed",
    "delete_feed",
    "get_feed_id",
    "load_feed",
    "load_subfeed",
    "subfeed_hash",
    "watch_for_new_messages",
]


class Feed(FeedCore):
    """A feed: any number of subfeeds, each of which is a log of messages that only one node can write.

    ``Feed(uri)`` finds it on this node or through a channel. The URI may be that of a snapshot (``sha1://…``).

    Example:
        >>> feed = kp.load_feed("lab-notebook", create=True)
        >>> feed.get_subfeed("moods").append_message({"mouse": 4, "mood": "good"})
        >>> snapshot = feed.create_snapshot(["moods"])  # a stored file, sha1://…
        >>> snapshot.get_subfeed("moods").get_next_messages()
        [{'mouse': 4, 'mood': 'good'}]
    """

    def is_writeable(self) -> bool:
        """Whether this node writes it."""
        return self._is_writeable

    def get_feed_id(self) -> str | None:
        """Its ID, which is its public key; ``None`` for a snapshot."""
        return self._feed_id

    def get_feed_node_id(self) -> str | None:
        """The ID of the node that writes it; ``None`` for a snapshot, or if that node is unknown."""
        return self._feed_node_id

    def get_uri(self) -> str:
        """``feed://…``, or ``sha1://…`` for a snapshot."""
        return self._feed_uri

    def is_snapshot(self) -> bool:
        """Whether it is a stored file, which never changes."""
        return self._snapshot is not None

    def get_subfeed(self, subfeed_name: SubfeedName, position: int = 0) -> Subfeed:
        """One of its logs. A name is a string, or any other JSON value."""
        return Subfeed(feed=self, subfeed_name=subfeed_name, position=position)

    def load_subfeed(self, subfeed_name: SubfeedName, *, position: int = 0, channel: str | None = None) -> Subfeed:
        """One of its logs, read over one channel, or on this node alone with ``"*local*"``."""
        return Subfeed(feed=self, subfeed_name=subfeed_name, position=position, channel=channel)

    def create_snapshot(self, subfeed_names: list[SubfeedName]) -> Feed:
        """Stores the present messages of these subfeeds as a file, and returns that snapshot."""
        return Feed(self._store_snapshot([self.get_subfeed(name) for name in subfeed_names]))


class Subfeed(SubfeedCore):
    """One log of a feed, and the position from which messages are read.

    Example:
        >>> notes = kp.load_feed("lab-notebook", create=True).get_subfeed("notes")
        >>> notes.append_message({"text": "Mouse 4 was in a good mood."})
        >>> notes.append_messages([{"text": "Mouse 7 slept."}, {"text": "So did we."}])
        >>> reader = kp.load_subfeed(notes.get_uri())  # on any node of a joined channel
        >>> reader.get_next_message(wait_msec=1000)
        {'text': 'Mouse 4 was in a good mood.'}
        >>> reader.set_position(reader.get_num_local_messages() - 1)
        >>> reader.get_next_messages()
        [{'text': 'So did we.'}]
    """

    def get_uri(self) -> str:
        """``feed://FEED_ID/NAME``, or ``sha1://…?subfeedName=NAME`` in a snapshot."""
        return self._uri

    def get_position(self) -> int:
        """The number of the message that is read next."""
        return self._position

    def get_subfeed_name(self) -> SubfeedName:
        """Its name."""
        return self._subfeed_name

    def get_subfeed_hash(self) -> str:
        """The hash of its name."""
        return self._subfeed_hash

    def get_num_messages(self) -> int:
        """The old name of ``get_num_local_messages``."""
        return self.get_num_local_messages()

    def is_snapshot(self) -> bool:
        """Whether its feed is a stored file, which never changes."""
        return self._feed._snapshot is not None

    def is_writeable(self) -> bool:
        """Whether this node writes it."""
        return self._feed._is_writeable


def create_feed(feed_name: str | None = None) -> Feed:
    """Creates a feed that this node writes. The name finds it again on this node; other nodes use its URI.

    Example:
        >>> kp.create_feed("moods of mice").get_uri()
        'feed://...'
    """
    return Feed(f"feed://{_feed_calls.create(feed_name)}")


def load_feed(feed_name_or_uri: str, *, timeout_sec: float | None = None, create: bool = False) -> Feed:
    """Finds a feed or a snapshot by its URI, or a feed of this node by its name.

    Args:
        feed_name_or_uri: ``feed://…``, ``sha1://…`` or a name.
        timeout_sec: How long to search for it on other nodes; the default is 6 seconds.
        create: Whether to create a feed if none has the name.

    Example:
        >>> feed = kp.load_feed("trials", create=True)  # by name, on the node that writes it
        >>> kp.load_feed(feed.get_uri()).is_writeable()  # by URI, on any node of a joined channel
        True
    """
    if "://" not in feed_name_or_uri:
        return Feed(f"feed://{get_feed_id(feed_name_or_uri, create=create)}", timeout_sec=timeout_sec)
    if create:
        raise BadRequest("create=True needs a name: a feed cannot be created with a given URI.")
    return Feed(feed_name_or_uri, timeout_sec=timeout_sec)


def load_subfeed(subfeed_uri: str) -> Subfeed:
    """Finds a subfeed by its URI: ``feed://FEED_ID/NAME``.

    Example:
        >>> uri = kp.load_feed("trials", create=True).get_subfeed("mouse 4").get_uri()
        >>> kp.load_subfeed(uri).get_subfeed_name()
        'mouse 4'
    """
    uri = parse_feed_uri(subfeed_uri)
    if uri.subfeed_name is None:
        raise BadRequest(f"'{subfeed_uri}' names no subfeed; add /NAME.")
    return Feed(f"feed://{uri.feed_id}").get_subfeed(uri.subfeed_name)


def get_feed_id(feed_name: str, *, create: bool = False) -> str:
    """The ID of the feed with this name on this node. If there is none, creates one or raises.

    Example:
        >>> kp.get_feed_id("trials", create=True) == kp.load_feed("trials").get_feed_id()
        True
    """
    feed_id = _feed_calls.id_of(feed_name)
    if feed_id is not None:
        return feed_id
    if create:
        return _feed_calls.create(feed_name)
    raise NotFound(f"This node has no feed with the name '{feed_name}'.")


def delete_feed(feed_name_or_uri: str) -> None:
    """Deletes a feed of this node, with all its messages.

    Example:
        >>> feed = kp.create_feed("a mistake")
        >>> kp.delete_feed("a mistake")
    """
    if "://" not in feed_name_or_uri:
        _feed_calls.delete(get_feed_id(feed_name_or_uri))
        return
    uri = parse_feed_uri(feed_name_or_uri)
    if uri.subfeed_name is not None:
        raise BadRequest(f"'{feed_name_or_uri}' names a subfeed; only a whole feed can be deleted.")
    _feed_calls.delete(uri.feed_id)


def watch_for_new_messages(
    subfeed_watches: Mapping[str, Mapping[str, Any]],
    *,
    wait_msec: float,
    signed: bool = False,
    channel: str | None = None,
    max_num_messages: int = 0,
) -> dict[str, list[Message]]:
    """Waits for messages from any of several subfeeds.

    Args:
        subfeed_watches: ``{"feedId", "position", "subfeedHash" or "subfeedName"}`` by a name of the caller's choice.
        wait_msec: The longest wait, in milliseconds.
        signed: Whether to return signed messages.
        channel: The only channel to use; ``"*local*"`` means this node alone.
        max_num_messages: The maximum number of messages from each subfeed; 0 means all.

    Returns:
        The messages from each position on, by those names. Returns as soon as there are any; empty after the wait.

    Example:
        >>> feed = kp.load_feed("alarms", create=True)
        >>> feed.get_subfeed("door").append_message({"is": "open"})
        >>> watches = {
        ...     name: {"feedId": feed.get_feed_id(), "subfeedName": name, "position": 0}
        ...     for name in ("door", "window")
        ... }
        >>> kp.watch_for_new_messages(watches, wait_msec=10_000)
        {'door': [{'is': 'open'}]}
    """
    return _feed_calls.watch(subfeed_watches, wait_msec, channel, signed, max_num_messages)
