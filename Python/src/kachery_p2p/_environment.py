"""What the environment says. Read anew at every call, so that a notebook may change it."""

from __future__ import annotations

import os
from typing import Optional

from ._errors import BadRequest

DEFAULT_PORT = 20431


def _first(*names: str) -> Optional[str]:
    for name in names:
        value = os.environ.get(name)
        if value:
            return value
    return None


def daemon_host() -> str:
    """The host to dial the daemon at."""
    return _first("KACHERY_P2P_API_HOST", "KACHERY_DAEMON_HOST") or "localhost"


def daemon_port() -> int:
    """The port to dial the daemon at."""
    text = _first("KACHERY_P2P_API_PORT", "KACHERY_DAEMON_PORT")
    if text is None:
        return DEFAULT_PORT
    try:
        port = int(text)
    except ValueError:
        port = 0
    if not 0 < port < 65536:
        raise BadRequest(f"KACHERY_P2P_API_PORT or KACHERY_DAEMON_PORT is '{text}', which is no port number.")
    return port


def offline_storage_directory() -> Optional[str]:
    """The directory to work in without asking any daemon."""
    return _first("KACHERY_OFFLINE_STORAGE_DIR")


def storage_directory() -> Optional[str]:
    """The directory that the daemon is expected to use, and that serves alone where there is no daemon."""
    return _first("KACHERY_STORAGE_DIR")


def temporary_directory() -> Optional[str]:
    """Where temporary files go; ``None`` means the system's own place."""
    return _first("KACHERY_TEMP_DIR")


def is_strict(strict: Optional[bool]) -> bool:
    """Whether a load that fails raises: what the caller says, or else KACHERY_STRICT."""
    if strict is not None:
        return strict
    return os.environ.get("KACHERY_STRICT", "").lower() in ("1", "true", "yes")
