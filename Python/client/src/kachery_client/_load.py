"""Loading with this package's arguments: other nodes are asked only if a channel is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kachery_p2p as kp

if TYPE_CHECKING:
    import numpy as np


def _sources(channel: str | None, local_only: bool = False) -> dict[str, Any]:
    return {"p2p": channel is not None and not local_only, "from_channel": channel}


def load_file(
    uri: str,
    dest: str | None = None,
    local_only: bool = False,
    channel: str | None = None,
    *,
    strict: bool | None = None,
) -> str | None:
    """Loads a file from the local store, or from a node of a channel, and returns its path.

    Args:
        uri: ``sha1://…``, or the path of a local file.
        dest: Where to write a copy. If it is given, its path is returned.
        local_only: Whether to ask no other node.
        channel: The channel on which to ask other nodes; by default none is asked.
        strict: Whether to raise if the file is unavailable; the default is ``KACHERY_STRICT``.

    Returns:
        The path, or ``None`` if the file is unavailable. The reason is logged.

    Example:
        >>> kc.load_file(kc.store_text("hello"), dest="greeting.txt")
        'greeting.txt'
    """
    return kp.load_file(uri, dest, strict=strict, **_sources(channel, local_only))


def load_bytes(
    uri: str,
    start: int | None,
    end: int | None,
    *,
    write_to_stdout: bool = False,
    channel: str | None = None,
    strict: bool | None = None,
) -> bytes | None:
    """Loads the bytes from ``start`` (inclusive) to ``end`` (exclusive) of a file.

    Example:
        >>> kc.load_bytes(kc.store_text("Mouse 4"), 0, 5)
        b'Mouse'
    """
    return kp.load_bytes(uri, start, end, write_to_stdout, strict=strict, **_sources(channel))


def load_text(uri: str, *, channel: str | None = None, strict: bool | None = None) -> str | None:
    """Loads text. The arguments are those of ``load_file``.

    Example:
        >>> kc.load_text(kc.store_text("hello"), channel="our-lab-x7k2")
        'hello'
    """
    return kp.load_text(uri, strict=strict, **_sources(channel))


def load_json(uri: str, *, channel: str | None = None, strict: bool | None = None) -> Any:
    """Loads a JSON value. The arguments are those of ``load_file``.

    Example:
        >>> kc.load_json(kc.store_json([4, 7]))
        [4, 7]
    """
    return kp.load_json(uri, strict=strict, **_sources(channel))


def load_npy(uri: str, *, channel: str | None = None, strict: bool | None = None) -> np.ndarray[Any, Any] | None:
    """Loads a NumPy array. The arguments are those of ``load_file``.

    Example:
        >>> kc.load_npy(kc.store_npy(np.arange(3))).tolist()
        [0, 1, 2]
    """
    return kp.load_npy(uri, strict=strict, **_sources(channel))


def load_pkl(uri: str, *, channel: str | None = None, strict: bool | None = None) -> Any:
    """Loads what ``store_pkl`` stored: plain data and arrays, never code. The arguments are those of ``load_file``.

    Example:
        >>> kc.load_pkl(kc.store_pkl({"mice": (4, 7)}))
        {'mice': (4, 7)}
    """
    return kp.load_pkl(uri, strict=strict, **_sources(channel))
