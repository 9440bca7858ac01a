"""Where files are kept: with a running daemon, or in a directory without one."""

from __future__ import annotations

from typing import Optional, Tuple

from . import _environment
from ._daemon import Daemon
from ._errors import NoDaemon
from ._local_store import LocalStore


def find_place() -> Tuple[LocalStore, Optional[Daemon]]:
    """The store to look in first, and the daemon to ask after it; none in offline mode. The store of a daemon on
    another machine is a cache of this user's.

    ``KACHERY_OFFLINE_STORAGE_DIR`` decides for a directory alone; so does ``KACHERY_STORAGE_DIR`` where no daemon
    answers. With neither, a daemon is needed.
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


def require_daemon(purpose: str, port: Optional[int] = None, *, fresh: bool = False) -> Daemon:
    """The daemon, for what cannot be done without one."""
    if _environment.offline_storage_directory() is not None:
        raise NoDaemon(f"{purpose} needs a daemon: unset KACHERY_OFFLINE_STORAGE_DIR to use one.")
    return Daemon.find(port, fresh=fresh)


def storage_directory() -> Optional[str]:
    """The storage directory in use; ``None`` where there is no daemon and none is named."""
    try:
        return find_place()[0].directory
    except NoDaemon:
        return None
