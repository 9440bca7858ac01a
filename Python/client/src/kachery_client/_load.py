"""Loading, with this package's arguments: other nodes are asked only where a channel is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional

import kachery_p2p as kp

if TYPE_CHECKING:
    import numpy as np


def _sources(channel: Optional[str], local_only: bool = False) -> Dict[str, Any]:
    return {"p2p": channel is not None and not local_only, "from_channel": channel}


def load_file(
    uri: str,
    dest: Optional[str] = None,
    local_only: bool = False,
    channel: Optional[str] = None,
    *,
    strict: Optional[bool] = None,
) -> Optional[str]:
    """Loads a file from the local store, or from a node of a channel, and answers its path.

    Args:
        uri: ``sha1://…``, or the path of a local file.
        dest: Where to put a copy, which is then what is answered.
        local_only: Whether nobody is asked where the file is not here.
        channel: The channel on which other nodes are asked; nobody is where it is left out.
        strict: Whether to raise where the file cannot be had; ``KACHERY_STRICT=1`` where it is left out.

    Returns:
        The path, or ``None`` where the file cannot be had: the reason is logged.
    """
    return kp.load_file(uri, dest, strict=strict, **_sources(channel, local_only))


def load_bytes(
    uri: str,
    start: Optional[int],
    end: Optional[int],
    *,
    write_to_stdout: bool = False,
    channel: Optional[str] = None,
    strict: Optional[bool] = None,
) -> Optional[bytes]:
    """Loads the bytes from ``start`` (inclusive) to ``end`` (exclusive) of a file."""
    return kp.load_bytes(uri, start, end, write_to_stdout, strict=strict, **_sources(channel))


def load_text(uri: str, *, channel: Optional[str] = None, strict: Optional[bool] = None) -> Optional[str]:
    """Loads text. The arguments are those of ``load_file``."""
    return kp.load_text(uri, strict=strict, **_sources(channel))


def load_json(uri: str, *, channel: Optional[str] = None, strict: Optional[bool] = None) -> Any:
    """Loads what JSON holds. The arguments are those of ``load_file``."""
    return kp.load_json(uri, strict=strict, **_sources(channel))


def load_npy(
    uri: str, *, channel: Optional[str] = None, strict: Optional[bool] = None
) -> Optional["np.ndarray[Any, Any]"]:
    """Loads a NumPy array. The arguments are those of ``load_file``."""
    return kp.load_npy(uri, strict=strict, **_sources(channel))


def load_pkl(uri: str, *, channel: Optional[str] = None, strict: Optional[bool] = None) -> Any:
    """Loads what ``store_pkl`` stored: plain data and arrays, never code. The arguments are those of ``load_file``."""
    return kp.load_pkl(uri, strict=strict, **_sources(channel))
