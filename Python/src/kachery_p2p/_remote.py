"""Files of a daemon on another machine, whose storage directory is not seen from here: streamed, and verified."""

from __future__ import annotations

from ._daemon import Daemon
from ._local_store import LocalStore
from ._uri import KacheryURI

_BLOCK = 256 << 10


def fetch(store: LocalStore, daemon: Daemon, uri: KacheryURI) -> str:
    """Streams a file that the daemon holds into ``store``; it has its name there only once its hash is right."""
    with daemon.download("/downloadFileData", {"fileKey": uri.file_key}) as read:
        return store.receive(uri.sha1, iter(lambda: read(_BLOCK), b""))
