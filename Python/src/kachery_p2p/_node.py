"""This node: its ID, its channels, and the search for nodes that have a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ._daemon import Daemon
from ._directory import resolve_directory_uri
from ._locate import Sources, or_raise, read_bytes
from ._place import require_daemon
from ._uri import parse_uri


def get_node_id(api_port: int | None = None) -> str:
    """This node's ID. ``api_port`` is the daemon's port if it is not the usual one."""
    return require_daemon("The node ID", api_port).node_id


def get_channels() -> list[dict[str, Any]]:
    """The channels that this node has joined: a list of ``{"channelConfigUrl", "isMessageProxy", …}``."""
    return require_daemon("The list of channels").channels()


def find_file(uri: str, timeout_sec: float = 5) -> Iterator[dict[str, Any]]:
    """Yields ``{"nodeId", "fileKey", "fileSize"}`` for each node that has a file, as it answers; this node is first."""
    if uri.startswith("sha1dir://"):
        directory = uri
        uri = or_raise(lambda: resolve_directory_uri(directory, lambda document: read_bytes(document, Sources())))
    key = parse_uri(uri).file_key
    daemon = require_daemon("Finding a file")
    return _find(daemon, {"fileKey": key, "timeoutMsec": round(timeout_sec * 1000)})


def _find(daemon: Daemon, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with daemon.stream("/findFile", request) as messages:
        yield from messages
