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


def token_file() -> Optional[str]:
    """The file of the token for a daemon on another machine."""
    return _first("KACHERY_API_TOKEN_FILE")


def certificate_file() -> Optional[str]:
    """The file of the certificate of a daemon on another machine, which then speaks TLS."""
    return _first("KACHERY_API_CERTIFICATE_FILE")


def cache_directory() -> str:
    """Where the files lie that came from a daemon on another machine. It may be emptied at any time."""
    base = _first("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return _first("KACHERY_CACHE_DIR") or os.path.join(base, "kachery")


def temporary_directory() -> Optional[str]:
    """Where temporary files go; ``None`` means the system's own place."""
    return _first("KACHERY_TEMP_DIR")


def is_strict(strict: Optional[bool]) -> bool:
    """Whether a load that fails raises: what the caller says, or else KACHERY_STRICT."""
    return _is_on("KACHERY_STRICT") if strict is None else strict


def is_quiet() -> bool:
    """Whether progress is shown nowhere."""
    return _is_on("KACHERY_QUIET")


def keeps_temporary_files() -> bool:
    """Whether temporary folders are left, to look into."""
    return _is_on("KACHERY_KEEP_TEMP_FILES")


def _is_on(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true", "yes")
