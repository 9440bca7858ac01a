"""Settings from environment variables. Each call reads them again, so a notebook can change them."""

from __future__ import annotations

import os

from ._errors import BadRequest

DEFAULT_PORT = 20431


def _first(*names: str) -> str | None:
    for name in names:
        value = os.environ.get(name)
        if value:
            return value
    return None


def daemon_host() -> str:
    """The daemon's host."""
    return _first("KACHERY_P2P_API_HOST", "KACHERY_DAEMON_HOST") or "localhost"


def daemon_port() -> int:
    """The daemon's port."""
    text = _first("KACHERY_P2P_API_PORT", "KACHERY_DAEMON_PORT")
    if text is None:
        return DEFAULT_PORT
    try:
        port = int(text)
    except ValueError:
        port = 0
    if not 0 < port < 65536:
        raise BadRequest(f"KACHERY_P2P_API_PORT or KACHERY_DAEMON_PORT is '{text}', which is not a port number.")
    return port


def offline_storage_directory() -> str | None:
    """The storage directory to use without a daemon."""
    return _first("KACHERY_OFFLINE_STORAGE_DIR")


def storage_directory() -> str | None:
    """The directory that the daemon must use. If there is no daemon, it is used without one."""
    return _first("KACHERY_STORAGE_DIR")


def token_file() -> str | None:
    """The file with the token for a daemon on another machine."""
    return _first("KACHERY_API_TOKEN_FILE")


def certificate_file() -> str | None:
    """The file with the certificate of a daemon on another machine. If it is set, connections use TLS."""
    return _first("KACHERY_API_CERTIFICATE_FILE")


def cache_directory() -> str:
    """The cache for files from a daemon on another machine. Users may empty it at any time."""
    named = _first("KACHERY_CACHE_DIR")
    if named is not None:
        return named
    base = _first("XDG_CACHE_HOME")
    if base is None or not os.path.isabs(base):
        base = os.path.join(home(), ".cache")
    return os.path.join(base, "kachery")


def home() -> str:
    """The user's home folder: ``HOME`` if it is an absolute path below the root, or else the account's."""
    import pwd

    account = [entry.pw_dir for entry in pwd.getpwall() if entry.pw_uid == os.geteuid()]
    for path in (_first("HOME"), *account):
        if path is not None and os.path.isabs(path) and path.strip("/"):
            return path
    raise BadRequest("There is no home folder for the cache; set KACHERY_CACHE_DIR to a folder of yours.")


def temporary_directory() -> str | None:
    """Where temporary files go; ``None`` means the system's temporary folder."""
    return _first("KACHERY_TEMP_DIR")


def is_strict(strict: bool | None) -> bool:
    """Whether a failed load raises: the caller's choice, or else KACHERY_STRICT."""
    return _is_on("KACHERY_STRICT") if strict is None else strict


def is_quiet() -> bool:
    """Whether progress is hidden."""
    return _is_on("KACHERY_QUIET")


def keeps_temporary_files() -> bool:
    """Whether temporary folders are kept for inspection."""
    return _is_on("KACHERY_KEEP_TEMP_FILES")


def _is_on(name: str) -> bool:
    return os.environ.get(name, "").lower() in ("1", "true", "yes")
