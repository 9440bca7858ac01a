"""The common part of both packages' feeds. The packages differ in which names are methods and which are properties."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from . import _feed_calls
from ._errors import BadRequest, Forbidden
from ._feed_calls import Message
from ._feed_names import SubfeedName, name_in_uri, parse_feed_uri, subfeed_hash
from ._load import load_json
from ._store import store_json

_STREAM_WAIT_MSEC = 5000  # of one long poll of a message stream
_SUBMIT_TIMEOUT = 4.0  # seconds, as published


class FeedCore:
    """A node's feed, or a snapshot of one: a stored file that never changes."""

    def __init__(self, uri: str, *, timeout_sec: float | None = None) -> None:
        self._feed_uri = uri if "://" in uri else f"feed://{uri}"
        self._timeout_sec = timeout_sec
        self._feed_id: str | None = None
        self._feed_node_id: str | None = None
        self._is_writeable = False
        self._snapshot: dict[str, Any] | None = None
        if self._feed_uri.startswith("sha1://"):
            self._snapshot = _read_snapshot(self._feed_uri)
            return
        name = parse_feed_uri(self._feed_uri)
        if name.subfeed_name is not None:
            raise BadRequest(f"'{uri}' names a subfeed; use load_subfeed for it.")
        self._feed_id = name.feed_id
        self._is_writeable, self._feed_node_id = _feed_calls.info(name.feed_id, timeout_sec)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._feed_uri!r})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the subfeeds, and the latest message of each."""
        from . import _display

        return _display.feed(self)

    def delete(self) -> None:
        """Deletes the feed with all its messages from this node."""
        _feed_calls.delete(self._live_id("deleted"))

    def _store_snapshot(self, subfeeds: Sequence[SubfeedCore]) -> str:
        content = {
            subfeed._subfeed_hash: {
                "subfeedHash": subfeed._subfeed_hash,
                "messages": subfeed.get_next_messages(wait_msec=0),
            }
            for subfeed in subfeeds
        }
        return store_json({"subfeeds": content}, basename="feed.json")

    def _snapshot_messages(self, subfeed: str) -> list[Message] | None:
        """The messages of a snapshot's subfeed; ``None`` if this is not a snapshot."""
        if self._snapshot is None:
            return None
        return list(self._snapshot["subfeeds"].get(subfeed, {}).get("messages", []))

    def _live_id(self, action: str) -> str:
        if self._feed_id is None:
            raise BadRequest(f"{self._feed_uri} is a snapshot, which cannot be {action}.")
        return self._feed_id


class SubfeedCore:
    """One log of a feed, and the position from which messages are read."""

    def __init__(self, *, feed: FeedCore, subfeed_name: SubfeedName, position: int, channel: str | None = None) -> None:
        if channel == "":
            raise BadRequest("The channel's name is empty; leave the channel out to read over every channel.")
        self._feed = feed
        self._channel = channel
        self._subfeed_name = subfeed_name
        self._position = position
        self._subfeed_hash = subfeed_hash(subfeed_name)

    @property
    def _uri(self) -> str:
        name = name_in_uri(self._subfeed_name)
        uri = self._feed._feed_uri
        if self._feed._snapshot is None:
            return f"{uri}/{name}"
        return f"{uri}{'&' if '?' in uri else '?'}subfeedName={name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._uri}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the latest messages."""
        from . import _display

        return _display.subfeed(self)

    def set_position(self, position: int) -> None:
        """Sets the number of the message that is read next."""
        self._position = position

    def get_feed_id(self) -> str | None:
        """The ID of its feed; ``None`` in a snapshot."""
        return self._feed._feed_id

    def get_channel(self) -> str | None:
        """The only channel that it is read over; ``None`` if all channels are used."""
        return self._channel

    def get_num_local_messages(self) -> int:
        """The number of messages on this node."""
        messages = self._feed._snapshot_messages(self._subfeed_hash)
        if messages is not None:
            return len(messages)
        return _feed_calls.count(self._feed._live_id("counted"), self._subfeed_hash)

    def get_next_messages(
        self,
        *,
        wait_msec: float = 10,
        signed: bool = False,
        max_num_messages: int = 0,
        advance_position: bool = True,
    ) -> list[Message]:
        """The messages from the position on. If there are none, waits up to ``wait_msec`` for the first.

        Args:
            wait_msec: The longest wait, in milliseconds.
            signed: Whether to return signed messages: ``{"body", "signature"}``.
            max_num_messages: The maximum number of messages; 0 means all.
            advance_position: Whether to move the position past the messages that were read.
        """
        messages = self._read(wait_msec, signed, max_num_messages)
        if advance_position:
            self._position += len(messages)
        return messages

    def get_next_message(
        self, *, wait_msec: float, signed: bool = False, advance_position: bool = True
    ) -> Message | None:
        """The message at the position; ``None`` if none arrives within ``wait_msec``."""
        messages = self.get_next_messages(
            wait_msec=wait_msec, signed=signed, max_num_messages=1, advance_position=advance_position
        )
        return messages[0] if messages else None

    def message_stream(self, *, signed: bool = False) -> Iterator[Message]:
        """Yields every message and waits for new ones; a snapshot's messages end. The position advances with each."""
        while True:
            messages = self._read(_STREAM_WAIT_MSEC, signed, 0)
            for message in messages:
                self._position += 1
                yield message
            if not messages and self._feed._snapshot is not None:
                return

    def print_messages(self) -> None:
        """Prints every message and waits for new ones; returns only at the end of a snapshot."""
        for message in self.message_stream():
            print(message)

    def print_signed_messages(self) -> None:
        """Prints every signed message and waits for new ones; returns only at the end of a snapshot."""
        for message in self.message_stream(signed=True):
            print(message)

    def append_message(self, message: Message) -> None:
        """Appends a message; it is on the node's disk when this returns."""
        self.append_messages([message])

    def append_messages(self, messages: Sequence[Message]) -> None:
        """Appends messages, all or none; they are on the node's disk when this returns."""
        feed_id = self._live_id_of_own("appended to")
        name = self._subfeed_name
        # Other names are computed, such as those of jobs: there may be very many, and long ones.
        published = name if isinstance(name, str) and not name.startswith("~") else None
        _feed_calls.append(feed_id, self._subfeed_hash, messages, published)

    def submit_message(self, message: Message) -> None:
        """Asks the node that writes the feed to append a message. It must have granted write access to this node."""
        self.submit_messages([message])

    def submit_messages(self, messages: Sequence[Message]) -> None:
        """Submits messages one by one."""
        feed_id = self._feed._live_id("submitted to")
        for message in messages:
            _feed_calls.submit(feed_id, self._subfeed_hash, message, _SUBMIT_TIMEOUT)

    def set_access_rules(self, access_rules: dict[str, Any]) -> None:
        """Sets which nodes may submit messages: ``{"rules": [{"nodeId", "write"}]}``."""
        _feed_calls.set_rules(self._live_id_of_own("opened to others"), self._subfeed_hash, access_rules)

    def get_access_rules(self) -> dict[str, Any]:
        """Which nodes may submit messages: ``{"rules": [{"nodeId", "write"}]}``."""
        return _feed_calls.rules(self._live_id_of_own("opened to others"), self._subfeed_hash)

    def grant_write_access(self, *, node_id: str) -> None:
        """Allows a node to submit messages."""
        self._set_write_access(node_id, True)

    def revoke_write_access(self, *, node_id: str) -> None:
        """Stops allowing a node to submit messages."""
        self._set_write_access(node_id, False)

    def _set_write_access(self, node_id: str, may_write: bool) -> None:
        access_rules = self.get_access_rules()
        of_node, others = _partition(access_rules.get("rules", []), node_id)
        is_so = bool(of_node) and all(bool(rule.get("write")) == may_write for rule in of_node)
        if is_so or (not of_node and not may_write):
            return
        rule = {**(of_node[0] if of_node else {}), "nodeId": node_id, "write": may_write}
        self.set_access_rules({**access_rules, "rules": [*others, rule]})

    def _read(self, wait_msec: float, signed: bool, max_num_messages: int) -> list[Message]:
        messages = self._feed._snapshot_messages(self._subfeed_hash)
        if messages is not None:
            end = self._position + max_num_messages if max_num_messages > 0 else None
            return messages[self._position : end]
        watch = {
            "feedId": self._feed._live_id("read"),
            "subfeedHash": self._subfeed_hash,
            "position": self._position,
        }
        answer = _feed_calls.watch({"watch": watch}, wait_msec, self._channel, signed, max_num_messages)
        return answer.get("watch", [])

    def _live_id_of_own(self, action: str) -> str:
        feed_id = self._feed._live_id(action)
        if not self._feed._is_writeable:
            raise Forbidden(
                f"{self._feed._feed_uri} is written by another node, so it cannot be {action} from this one."
            )
        return feed_id


def _partition(rules: list[dict[str, Any]], node_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    of_node = [rule for rule in rules if rule.get("nodeId") == node_id]
    return of_node, [rule for rule in rules if rule.get("nodeId") != node_id]


def _read_snapshot(uri: str) -> dict[str, Any]:
    snapshot = load_json(uri, strict=True)
    subfeeds = snapshot.get("subfeeds") if isinstance(snapshot, dict) else None
    if not isinstance(subfeeds, dict) or not all(isinstance(subfeed, dict) for subfeed in subfeeds.values()):
        raise BadRequest(f"{uri} is not a snapshot of a feed.")
    return dict(snapshot)
