"""Whether a file that is here still has the bytes that were stored: its mode keeps neither root nor its owner from
writing to it."""

from __future__ import annotations

import hashlib
import os
from typing import Dict, Optional, Tuple

from ._daemon import Daemon
from ._errors import AlreadyRunning, FileChanged, HashMismatch, KacheryError, NotFound
from ._local_store import CHUNK_SIZE, LocalStore

_BLOCK = 1 << 20
_HASHED_HERE = 1 << 20  # bytes up to which to hash a file takes no longer than to ask the daemon
_HASHED_ALONE = CHUNK_SIZE  # bytes up to which a file is hashed where no daemon can be asked
_MAXIMUM_KNOWN = 10_000

_Stamp = Tuple[int, int, int, int]
_known: Dict[Tuple[str, str], _Stamp] = {}


def is_whole(store: LocalStore, daemon: Optional[Daemon], sha1: str, path: str, all_of_it: bool) -> bool:
    """Whether the file at ``path`` may be given out; false where it has just gone.

    Small files are hashed here. Of a larger one the daemon knows how it looked when it was stored, and hashes it if it
    looks different. Without a daemon it is hashed only if ``all_of_it`` is about to be read anyway. What was found
    right is not looked at again by this process as long as it looks the same.

    Raises ``HashMismatch`` for a stored file that was altered, ``FileChanged`` for a linked one.
    """
    try:
        stamp = _stamp(path)
        if _known.get((path, sha1)) == stamp:
            return True
        size = stamp[1]
        if size > _HASHED_HERE and daemon is not None and not daemon.is_remote:
            answer = _ask(daemon, sha1)
            if answer is not None:
                return answer
        if size > _HASHED_ALONE and not all_of_it:
            return True
        if _hash(path) != sha1:
            raise _altered(store, sha1, path)
    except FileNotFoundError:
        return False
    except OSError:
        # Reading it, which comes next, fails for the same reason and names it.
        return True
    if len(_known) >= _MAXIMUM_KNOWN:
        _known.clear()
    _known[(path, sha1)] = stamp
    return True


def _stamp(path: str) -> _Stamp:
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _ask(daemon: Daemon, sha1: str) -> Optional[bool]:
    """Has the daemon look at the file, as it does whenever it gives one out; ``None`` where it cannot be asked."""
    request = {"fileKey": {"sha1": sha1}, "startByte": 0, "endByte": 0}
    try:
        with daemon.download("/downloadFileData", request) as read:
            read(1)
    except (HashMismatch, FileChanged, AlreadyRunning):
        raise
    except NotFound:
        return False
    except KacheryError:
        return None
    return True


def _hash(path: str) -> str:
    digest = hashlib.sha1()
    with open(path, "rb") as file:
        while True:
            block = file.read(_BLOCK)
            if not block:
                return digest.hexdigest()
            digest.update(block)


def _altered(store: LocalStore, sha1: str, path: str) -> KacheryError:
    if path != store.path(sha1):
        store.set_aside(sha1, ".link")
        return FileChanged(f"{path} was altered since it was linked as {sha1}; link it again.")
    place = store.set_aside(sha1)
    what = f"it was set aside as {place}" if place is not None else "'kachery verify' sets it aside"
    return HashMismatch(
        f"The stored file {sha1} was altered since it was stored, so it is not given out; {what}. "
        "Load it again from another node, or store it again."
    )
