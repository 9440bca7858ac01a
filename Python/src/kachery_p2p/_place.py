"""The place where files are stored: a running daemon, or a directory without one."""

from __future__ import annotations

from . import _environment
from ._daemon import Daemon
from ._errors import NoDaemon
from ._local_store import LocalStore


def find_place() -> tuple[LocalStore, Daemon | None]:
    """The store to search first, and the daemon to ask next; no daemon in offline mode.

    ``KACHERY_OFFLINE_STORAGE_DIR`` selects a directory without a daemon. So does ``KACHERY_STORAGE_DIR`` if no daemon
    answers. Without either, a daemon is required. If the daemon is on another machine, the store is this user's cache.
    """
    offline = _environment.offline_storage_directory()
    if offline is not None:
        return LocalStore(offline), None
    try:
        daemon = Daemon.find()
    except NoDaemon:
        directory = _environment.storage_directory()
        if directory is None:
            raise
        return LocalStore(directory), None
    directory = _environment.cache_directory() if daemon.is_remote else daemon.storage_directory
    return LocalStore(directory), daemon


def require_daemon(purpose: str, port: int | None = None) -> Daemon:
    """The daemon, for an operation that needs one."""
    if _environment.offline_storage_directory() is not None:
        raise NoDaemon(f"{purpose} needs a daemon: unset KACHERY_OFFLINE_STORAGE_DIR to use one.")
    return Daemon.find(port)


def storage_directory() -> str | None:
    """The storage directory in use; ``None`` if there is no daemon and no directory is set."""
    try:
        return find_place()[0].directory
    except NoDaemon:
        return None
