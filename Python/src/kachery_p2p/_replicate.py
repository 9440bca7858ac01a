"""Copies of this node's files at other nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ._directory import all_files, find_entry
from ._errors import BadRequest, Disconnected, KacheryError, NotFound, error_for
from ._locate import Sources, Unavailable, or_raise, read_bytes, resolve
from ._place import require_daemon
from ._uri import parse_directory_uri

_MAXIMUM_HASHES = 100_000  # of one request to the daemon


class Copy(NamedTuple):
    """A copy of a file that another node keeps. ``label`` is that node's name.

    Example:
        >>> kp.Copy("88" * 20, "ab" * 32, "lab-server").label
        'lab-server'
    """

    sha1: str
    node_id: str
    label: str


def replicate(uri: str, node: str | None = None, channel: str | None = None) -> list[Copy]:
    """Asks other nodes to keep copies of a file or folder of this node, so that it can be loaded when this node is off.

    Those members of its channels are asked that relay files for others, and each keeps what its owner's
    ``--replica-limit`` allows. Returns the copies, once they are made. Raises if a file has got none.

    Args:
        uri: A file, ``sha1://…``, or a folder, ``sha1dir://…``, with its document and every file below it.
        node: Ask only this node, by its ID.
        channel: Ask only the members of this channel.

    Example:
        >>> uri = kp.store_file("recording.dat")
        >>> try:
        ...     print([copy.label for copy in kp.replicate(uri)])
        ... except kp.NoMemberOnline:
        ...     print("Nobody keeps copies for our channel.")
        Nobody keeps copies for our channel.
    """
    hashes = or_raise(lambda: list(dict.fromkeys(_hashes(uri))))
    daemon = require_daemon("Replicating files")
    copies: list[Copy] = []
    failures: list[KacheryError] = []
    for start in range(0, len(hashes), _MAXIMUM_HASHES):
        request: dict[str, Any] = {"sha1s": hashes[start : start + _MAXIMUM_HASHES]}
        request.update({name: value for name, value in (("node", node), ("channel", channel)) if value is not None})
        with daemon.stream("/v1/replicate", request) as messages:
            _receive(messages, copies, failures)
    if failures:
        others = len(failures) - 1
        more = f" {others} other {'file has' if others == 1 else 'files have'} no copy either." if others else ""
        raise error_for(failures[0].code, f"{failures[0]}{more}")
    return copies


def _hashes(uri: str) -> Iterator[str]:
    """The hashes of what the URI names, all of them on this node."""
    here = Sources(p2p=False)
    if not uri.startswith("sha1dir://"):
        named = resolve(uri, here)
        if isinstance(named, str):
            raise BadRequest(f"'{uri}' is a file on this machine, not a URI; store it first.")
        yield named.sha1
        return
    try:
        entry, _ = find_entry(uri, lambda document: read_bytes(document, here))
    except NotFound as reason:
        raise Unavailable(reason) from reason
    if "files" not in entry:
        yield entry["sha1"]
        return
    yield parse_directory_uri(uri)[0]
    for _, file in all_files(entry):
        yield file["sha1"]


def _receive(messages: Iterator[dict[str, Any]], copies: list[Copy], failures: list[KacheryError]) -> None:
    for message in messages:
        kind = message.get("type")
        if kind == "finished":
            return
        sha1, node, label = (str(message.get(field) or "") for field in ("sha1", "nodeId", "label"))
        if kind == "answer" and message.get("state") == "kept":
            copies.append(Copy(sha1, node, label))
        elif kind == "failed":
            reason = str(message.get("reason") or f"No other node keeps {sha1}.")
            failures.append(error_for(message.get("code"), reason, NotFound))
        elif kind == "error":
            raise error_for(message.get("code"), str(message.get("error")))
    raise Disconnected("The daemon went away; call replicate again for the remaining files.")
