"""The calls of ``kachery_p2p`` for asyncio.

Each call takes the arguments of the call with the same name in ``kachery_p2p``. Files are stored and loaded on threads.
Waiting for messages needs no thread, so thousands of tasks can wait concurrently.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import kachery_p2p as kp

from . import _aio_http, _feed_calls
from ._feed_calls import Message

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")

_STREAM_WAIT_MSEC = 5000  # of one long poll of a message stream


def _on_thread(function: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    @functools.wraps(function)
    async def call(*arguments: P.args, **options: P.kwargs) -> T:
        return await _aio_http.to_thread(function, *arguments, **options)

    return call


load_bytes = _on_thread(kp.load_bytes)
load_dir = _on_thread(kp.load_dir)
load_file = _on_thread(kp.load_file)
load_json = _on_thread(kp.load_json)
load_npy = _on_thread(kp.load_npy)
load_pkl = _on_thread(kp.load_pkl)
load_text = _on_thread(kp.load_text)
read_dir = _on_thread(kp.read_dir)

link_file = _on_thread(kp.link_file)
store_dir = _on_thread(kp.store_dir)
store_file = _on_thread(kp.store_file)
store_json = _on_thread(kp.store_json)
store_npy = _on_thread(kp.store_npy)
store_pkl = _on_thread(kp.store_pkl)
store_text = _on_thread(kp.store_text)

replicate = _on_thread(kp.replicate)

get_channels = _on_thread(kp.get_channels)
get_node_id = _on_thread(kp.get_node_id)
get_node_info = _on_thread(kp.get_node_info)
delete = _on_thread(kp.delete)
get = _on_thread(kp.get)
get_string = _on_thread(kp.get_string)
set = _on_thread(kp.set)

create_feed = _on_thread(kp.create_feed)
delete_feed = _on_thread(kp.delete_feed)
get_feed_id = _on_thread(kp.get_feed_id)
load_feed = _on_thread(kp.load_feed)
load_subfeed = _on_thread(kp.load_subfeed)


async def find_file(uri: str, timeout_sec: float = 5) -> AsyncIterator[dict[str, Any]]:
    """Yields ``{"nodeId", "fileKey", "fileSize"}`` for each node that has a file, as it answers.

    Example:
        >>> async def first_holder(uri):
        ...     async for found in aio.find_file(uri):
        ...         return found["nodeId"]
        >>> asyncio.run(first_holder(kp.store_text("hello"))) == kp.get_node_id()
        True
    """
    found = await _aio_http.to_thread(lambda: iter(kp.find_file(uri, timeout_sec)))
    while True:
        node = await _aio_http.to_thread(next, found, None)
        if node is None:
            return
        yield node


async def append_messages(subfeed: kp.Subfeed, messages: list[Message]) -> None:
    """Appends messages to a subfeed; they are on the node's disk when this returns.

    Example:
        >>> subfeed = kp.load_feed("asynchronous", create=True).get_subfeed("main")
        >>> asyncio.run(aio.append_messages(subfeed, [{"number": 1}, {"number": 2}]))
    """
    await _aio_http.to_thread(subfeed.append_messages, messages)


async def watch_for_new_messages(
    subfeed_watches: Mapping[str, Mapping[str, Any]],
    *,
    wait_msec: float,
    signed: bool = False,
    channel: str | None = None,
    max_num_messages: int = 0,
) -> dict[str, list[Message]]:
    """Waits for messages from any of several subfeeds. See ``kachery_p2p.watch_for_new_messages``.

    Example:
        >>> feed = kp.load_feed("asynchronous alarms", create=True)
        >>> feed.get_subfeed("door").append_message({"is": "open"})
        >>> watch = {"feedId": feed.get_feed_id(), "subfeedName": "door", "position": 0}
        >>> asyncio.run(aio.watch_for_new_messages({"door": watch}, wait_msec=10_000))
        {'door': [{'is': 'open'}]}
    """
    request = _feed_calls.watch_request(subfeed_watches, wait_msec, channel, signed, max_num_messages)
    answer = await _aio_http.call("/feed/watchForNewMessages", request, wait_msec / 1000)
    return dict(_feed_calls.require_success(answer, "watchForNewMessages").get("messages") or {})


async def message_stream(subfeed: kp.Subfeed, *, signed: bool = False) -> AsyncGenerator[Message, None]:
    """Yields every message of a subfeed and waits for new ones; a snapshot's messages end.

    The subfeed's position advances with each message.

    Example:
        >>> async def first(subfeed):
        ...     async for message in aio.message_stream(subfeed):
        ...         return message
        >>> subfeed = kp.load_feed("streamed", create=True).get_subfeed("main")
        >>> subfeed.append_message({"number": 1})
        >>> asyncio.run(first(subfeed))
        {'number': 1}
    """
    if subfeed.is_snapshot():
        for message in subfeed.message_stream(signed=signed):
            yield message
        return
    while True:
        watch = {
            "feedId": subfeed.get_feed_id(),
            "subfeedHash": subfeed.get_subfeed_hash(),
            "position": subfeed.get_position(),
        }
        answer = await watch_for_new_messages(
            {"watch": watch}, wait_msec=_STREAM_WAIT_MSEC, signed=signed, channel=subfeed.get_channel()
        )
        for message in answer.get("watch", []):
            subfeed.set_position(subfeed.get_position() + 1)
            yield message
