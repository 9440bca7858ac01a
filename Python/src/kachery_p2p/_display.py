"""What a notebook shows of nodes and feeds. All names and messages may be hostile, so all text is escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _feed_calls
from ._errors import KacheryError
from ._text import printable

if TYPE_CHECKING:
    from ._feed_core import FeedCore, SubfeedCore

_LATEST = 5  # messages of a subfeed
_SUBFEEDS = 20  # of a feed, the rest are counted
_LONGEST = 300  # characters of a name or message


def text(value: object) -> str:
    """A value as harmless HTML text, on one line and of limited length."""
    plain = printable(value)
    return html.escape(plain if len(plain) <= _LONGEST else plain[:_LONGEST] + "…")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, in the notebook's own style."""
    lines = [_row("th", head)] if head else []
    lines += [_row("td", row) for row in rows]
    return f"<table>{''.join(lines)}</table>"


def _row(kind: str, cells: Sequence[object]) -> str:
    return "<tr>" + "".join(f'<{kind} style="text-align:left">{text(cell)}</{kind}>' for cell in cells) + "</tr>"


def feed(shown: FeedCore) -> str:
    """A feed: its name, who writes it, and its subfeeds with their latest messages."""
    title = f"<code>{text(shown._feed_uri)}</code>"
    if shown._snapshot is not None:
        count = len(shown._snapshot["subfeeds"])
        return f"<div>{title}, a snapshot of {count} {'subfeed' if count == 1 else 'subfeeds'}</div>"
    try:
        known = _feed_calls.described(shown._live_id("shown"))
        rows = [_subfeed_row(shown, subfeed) for subfeed in known.subfeeds[:_SUBFEEDS]]
    except KacheryError as error:
        return _with_problem(title, error)
    names = "".join(f" <b>{text(name)}</b>" for name in known.names)
    writer = "this node" if shown._is_writeable else f"node {text(str(shown._feed_node_id or 'unknown')[:8])}"
    more = len(known.subfeeds) - len(rows)
    rest = f"<div>and {more} more</div>" if more > 0 else ""
    return f"<div>Feed{names}, written by {writer}: {title}</div>{table(('subfeed', 'messages', 'latest'), rows)}{rest}"


def _subfeed_row(shown: FeedCore, subfeed: _feed_calls.SubfeedInfo) -> tuple[object, object, object]:
    messages = _latest(shown._live_id("shown"), subfeed.subfeed_hash, subfeed.messages, 1)
    name = subfeed.name if subfeed.name is not None else f"~{subfeed.subfeed_hash[:8]}…"
    return name, subfeed.messages, messages[0].shown if messages else ""


def subfeed(shown: SubfeedCore) -> str:
    """A subfeed: its name, the number of its messages on this node, and the latest of them."""
    title = f"<code>{text(shown._uri)}</code>"
    try:
        count = shown.get_num_local_messages()
        present = shown._feed._snapshot_messages(shown._subfeed_hash)
        if present is None:
            latest = _latest(shown._feed._live_id("shown"), shown._subfeed_hash, count, _LATEST)
        else:
            latest = _numbered(max(0, count - _LATEST), present[-_LATEST:])
    except KacheryError as error:
        return _with_problem(title, error)
    messages = "message" if count == 1 else "messages"
    head = f"<div>Subfeed <b>{text(shown._subfeed_name)}</b>, {count} {messages} on this node: {title}</div>"
    return head + (table(("number", "message"), latest) if latest else "")


class _Message(NamedTuple):
    number: int
    shown: str


def _latest(feed_id: str, subfeed_hash: str, count: int, limit: int) -> list[_Message]:
    """The last messages that are on this node; no other node is asked for them."""
    first = max(0, count - limit)
    watch = {"feedId": feed_id, "subfeedHash": subfeed_hash, "position": first}
    answer = _feed_calls.watch({"watch": watch}, 0, _feed_calls.LOCAL, max_num_messages=limit)
    return _numbered(first, answer.get("watch", []))


def _numbered(first: int, messages: Iterable[Any]) -> list[_Message]:
    return [_Message(first + index, json.dumps(value, ensure_ascii=False)) for index, value in enumerate(messages)]


def _with_problem(title: str, error: KacheryError) -> str:
    return f"<div>{title}: {text(error)}</div>"
