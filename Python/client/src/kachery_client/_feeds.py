"""Feeds with this package's names: properties instead of the methods of ``kachery_p2p``, and explicit channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kachery_p2p as kp
from kachery_p2p import _feed_calls
from kachery_p2p._feed_calls import LOCAL, Message
from kachery_p2p._feed_core import FeedCore, SubfeedCore
from kachery_p2p._feed_names import SubfeedName, check_feed_name, parse_feed_uri


class Feed(FeedCore):
    """A feed: any number of subfeeds. Each is a log of messages, and one node alone writes to it.

    Example:
        >>> feed = kc.load_feed("client-notebook", create=True)
        >>> feed.is_writeable, feed.uri
        (True, 'feed://...')
    """

    @property
    def is_writeable(self) -> bool:
        """Whether this node writes it."""
        return self._is_writeable

    @property
    def feed_id(self) -> str | None:
        """Its ID, which is its public key; ``None`` for a snapshot."""
        return self._feed_id

    @property
    def uri(self) -> str:
        """``feed://…``, or ``sha1://…`` for a snapshot."""
        return self._feed_uri

    @property
    def is_snapshot(self) -> bool:
        """Whether it is a stored file, which never changes."""
        return self._snapshot is not None

    def load_subfeed(self, subfeed_name: SubfeedName, *, position: int = 0, channel: str = LOCAL) -> Subfeed:
        """One of its logs, read over ``channel``; the default is this node alone."""
        return Subfeed(feed=self, subfeed_name=subfeed_name, position=position, channel=channel)

    def create_snapshot(self, subfeed_names: list[SubfeedName]) -> Feed:
        """Stores the present messages of these subfeeds as a file, and returns that snapshot."""
        return Feed(self._store_snapshot([self.load_subfeed(name) for name in subfeed_names]))


class Subfeed(SubfeedCore):
    """One log of a feed, and the position from which messages are read.

    Example:
        >>> notes = kc.load_feed("client-notebook", create=True).load_subfeed("notes")
        >>> notes.append_message({"text": "Mouse 4 was in a good mood."})
        >>> notes.get_next_messages()
        [{'text': 'Mouse 4 was in a good mood.'}]
        >>> notes.position
        1
    """

    @property
    def uri(self) -> str:
        """``feed://FEED_ID/NAME``, or ``sha1://…?subfeedName=NAME`` in a snapshot."""
        return self._uri

    @property
    def position(self) -> int:
        """The number of the message that is read next."""
        return self._position

    @property
    def subfeed_name(self) -> SubfeedName:
        """Its name."""
        return self._subfeed_name

    @property
    def subfeed_hash(self) -> str:
        """The hash of its name."""
        return self._subfeed_hash

    @property
    def is_snapshot(self) -> bool:
        """Whether its feed is a stored file, which never changes."""
        return self._feed._snapshot is not None

    @property
    def is_writeable(self) -> bool:
        """Whether this node writes it."""
        return self._feed._is_writeable


def create_feed(feed_name: str | None = None) -> Feed:
    """Creates a feed that this node writes. The name finds it again on this node.

    Example:
        >>> kc.create_feed("moods").uri
        'feed://...'
    """
    if feed_name is not None:
        check_feed_name(feed_name)
    feed_id = _feed_calls.create(None)
    if feed_name is not None:
        kp.set(_name_key(feed_name), feed_id)
    return Feed(f"feed://{feed_id}")


def delete_feed(feed_name_or_uri: str) -> None:
    """Deletes a feed of this node, with all its messages.

    Example:
        >>> feed = kc.create_feed("another mistake")
        >>> kc.delete_feed("another mistake")
    """
    is_name = "://" not in feed_name_or_uri
    kp.delete_feed(f"feed://{get_feed_id(feed_name_or_uri)}" if is_name else feed_name_or_uri)


def get_feed_id(feed_name: str, *, create: bool = False) -> str:
    """The ID of the feed with this name on this node. If there is none, creates one or raises.

    Example:
        >>> kc.get_feed_id("client-trials", create=True) == kc.load_feed("client-trials").feed_id
        True
    """
    check_feed_name(feed_name)
    feed_id = kp.get(_name_key(feed_name))
    if isinstance(feed_id, str):
        return feed_id
    if not create:
        # The name may come from the other package.
        return kp.get_feed_id(feed_name)
    feed_id = create_feed(feed_name).feed_id
    assert feed_id is not None
    return feed_id


def load_feed(feed_name_or_uri: str, *, timeout_sec: float | None = None, create: bool = False) -> Feed:
    """Finds a feed or a snapshot by its URI, or a feed of this node by its name.

    Example:
        >>> kc.load_feed("client-trials", create=True).is_snapshot
        False
    """
    if "://" not in feed_name_or_uri:
        return Feed(get_feed_id(feed_name_or_uri, create=create), timeout_sec=timeout_sec)
    if create:
        raise kp.BadRequest("create=True needs a name: a feed cannot be created with a given URI.")
    return Feed(feed_name_or_uri, timeout_sec=timeout_sec)


def load_subfeed(subfeed_uri: str, *, channel: str = LOCAL) -> Subfeed:
    """Finds a subfeed by its URI, ``feed://FEED_ID/NAME``, to read over ``channel``; the default is this node alone.

    Example:
        >>> uri = kc.load_feed("client-trials", create=True).load_subfeed("mouse 4").uri
        >>> kc.load_subfeed(uri).subfeed_name
        'mouse 4'
    """
    uri = parse_feed_uri(subfeed_uri)
    if uri.subfeed_name is None:
        raise kp.BadRequest(f"'{subfeed_uri}' names no subfeed; add /NAME.")
    return Feed(uri.feed_id).load_subfeed(uri.subfeed_name, channel=channel)


def watch_for_new_messages(
    subfeed_watches: Mapping[str, Mapping[str, Any]],
    *,
    wait_msec: float,
    channel: str = LOCAL,
    signed: bool = False,
) -> dict[str, list[Message]]:
    """Waits for messages from any of several subfeeds. See ``kachery_p2p.watch_for_new_messages``.

    Example:
        >>> feed = kc.load_feed("client alarms", create=True)
        >>> feed.load_subfeed("door").append_message({"is": "open"})
        >>> watch = {"feedId": feed.feed_id, "subfeedName": "door", "position": 0}
        >>> kc.watch_for_new_messages({"door": watch}, wait_msec=10_000)
        {'door': [{'is': 'open'}]}
    """
    return kp.watch_for_new_messages(subfeed_watches, wait_msec=wait_msec, channel=channel, signed=signed)


def _name_key(feed_name: str) -> dict[str, str]:
    # The published package stores the names of feeds in mutables.
    return {"type": "feed_id_for_name", "feed_name": feed_name}
