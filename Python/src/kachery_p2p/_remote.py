"""Files of a daemon on another machine, whose storage directory is not seen from here: streamed, and verified."""

from __future__ import annotations

from typing import Callable, Iterator

from ._daemon import Daemon
from ._errors import Disconnected
from ._local_store import LocalStore
from ._uri import KacheryURI

_BLOCK = 256 << 10


def fetch(store: LocalStore, daemon: Daemon, uri: KacheryURI) -> str:
    """Streams a file that the daemon holds into ``store``; it has its name there only once its hash is right."""
    with daemon.download("/downloadFileData", {"fileKey": uri.file_key}) as read:
        return store.receive(uri.sha1, _blocks(daemon, read))


def _blocks(daemon: Daemon, read: Callable[[int], bytes]) -> Iterator[bytes]:
    import http.client

    try:
        yield from iter(lambda: read(_BLOCK), b"")
    except (OSError, http.client.HTTPException) as error:
        # Said here: to the store any such error would be one of its disk.
        raise Disconnected(f"The connection to the daemon at {daemon.endpoint} broke; load the file again.") from error
