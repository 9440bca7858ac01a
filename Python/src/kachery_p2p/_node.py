"""This node: its ID, its channels, and the search for nodes that have a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

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


class Peer(NamedTuple):
    """Another node that this one is linked to. ``path`` says how: ``lan``, ``direct``, ``relayed`` and so on."""

    node_id: str
    label: str
    path: str


class NodeInfo(NamedTuple):
    """This node at one moment. A notebook shows it as a table.

    Example:
        >>> node = kp.get_node_info()
        >>> [peer.label for peer in node.peers if peer.path == "relayed"]
        []
    """

    node_id: str
    label: str
    version: str
    storage_directory: str
    channels: tuple[str, ...]
    peers: tuple[Peer, ...]

    def _repr_html_(self) -> str:
        from . import _display

        facts = [
            ("node", self.label),
            ("ID", self.node_id),
            ("version", self.version),
            ("storage directory", self.storage_directory),
            *(("channel", channel) for channel in self.channels),
        ]
        shown = _display.table((), facts)
        if not self.peers:
            return f"{shown}<div>linked to no other node</div>"
        return shown + _display.table(("linked to", "over", "ID"), [(peer[1], peer[2], peer[0]) for peer in self.peers])


def get_node_info(api_port: int | None = None) -> NodeInfo:
    """This node, its channels, and the nodes that it is linked to. A notebook shows the result as a table.

    ``api_port`` is the daemon's port if it is not the usual one.

    Example:
        >>> node = kp.get_node_info()
        >>> node.label, node.channels
        ('lab-server', ('our-lab-x7k2',))
        >>> [peer.label for peer in node.peers]
        []
    """
    daemon = require_daemon("The description of the node", api_port)
    probe, linked = daemon.get("/probe"), daemon.get("/v1/peers")
    channels = tuple(str(channel["channelConfigUrl"]) for channel in probe.get("joinedChannels") or [])
    peers = tuple(_peer(peer) for peer in linked.get("peers") or [])
    return NodeInfo(
        daemon.node_id,
        str(linked.get("nodeLabel") or ""),
        str(probe.get("daemonVersion") or ""),
        daemon.storage_directory,
        channels,
        peers,
    )


def _peer(answer: dict[str, Any]) -> Peer:
    paths = answer.get("paths") or [{}]
    return Peer(str(answer.get("nodeId")), str(answer.get("label") or ""), str(paths[0].get("kind") or ""))


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
        >>> first = next(kp.find_file(uri))
        >>> first["nodeId"] == kp.get_node_id()
        True
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
