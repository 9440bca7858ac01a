"""This node: its ID, its channels, and the search for nodes that have a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._daemon import Daemon
from ._errors import BadRequest
from ._locate import Sources, or_raise, resolve
from ._place import require_daemon


def get_node_id(api_port: int | None = None) -> str:
    """This node's ID. ``api_port`` is the daemon's port if it is not the usual one.

    Example:
        >>> len(kp.get_node_id())
        64
    """
    return require_daemon("The node ID", api_port).node_id


def get_channels() -> list[dict[str, Any]]:
    """The channels that this node has joined: a list of ``{"channelConfigUrl", "isMessageProxy", …}``.

    Example:
        >>> [channel["channelConfigUrl"] for channel in kp.get_channels()]
        ['our-lab-x7k2']
    """
    return require_daemon("The list of channels").channels()


def find_file(uri: str, timeout_sec: float = 5) -> Iterator[dict[str, Any]]:
    """Yields ``{"nodeId", "fileKey", "fileSize"}`` for each node that has a file, as it answers; this node is first.

    Example:
        >>> uri = kp.store_file("recording.dat")
        >>> [found["nodeId"] == kp.get_node_id() for found in kp.find_file(uri, timeout_sec=1)]
        [True]
    """
    named = or_raise(lambda: resolve(uri, Sources()))
    if isinstance(named, str):
        raise BadRequest(f"'{uri}' is a file on this machine, not a URI.")
    key = named.file_key
    daemon = require_daemon("Finding a file")
    return _find(daemon, {"fileKey": key, "timeoutMsec": round(timeout_sec * 1000)})


def _find(daemon: Daemon, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with daemon.stream("/findFile", request) as messages:
        yield from messages
