"""Streams and verifies files of a daemon whose storage directory this process cannot read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable

from ._daemon import Daemon
from ._errors import Disconnected
from ._local_store import LocalStore
from ._uri import KacheryURI

_BLOCK = 256 << 10


def fetch(store: LocalStore, daemon: Daemon, uri: KacheryURI) -> str:
    """Streams a file that the daemon has into ``store``. It gets its name there only when its hash is verified."""
    with daemon.download("/downloadFileData", {"fileKey": uri.file_key}) as read:
        return store.receive(uri.sha1, _blocks(daemon, read))


def _blocks(daemon: Daemon, read: Callable[[int], bytes]) -> Iterator[bytes]:
    import http.client

    try:
        yield from iter(lambda: read(_BLOCK), b"")
    except (OSError, http.client.HTTPException) as error:
        # Translated here, because the store would take it for an error of its disk.
        raise Disconnected(f"The connection to the daemon at {daemon.endpoint} broke; load the file again.") from error
