"""Storing files, text, JSON and arrays."""

from __future__ import annotations

import io
import ipaddress
import json
import os
import tempfile
from typing import IO, TYPE_CHECKING, Any, Dict, List, Optional, Union

from . import _environment
from ._daemon import Daemon
from ._errors import BadRequest, FileChanged, KacheryError, NotFound, PermissionDenied, StorageFailed, error_for
from ._local_store import LocalStore, Stored
from ._place import find_place
from ._uri import KacheryURI

if TYPE_CHECKING:
    import numpy as np

Jsonable = Union[Dict[str, Any], List[Any], int, float, str]


def store_file(path: str, basename: Optional[str] = None) -> str:
    """Stores a file and answers its URI, under which every node of a joined channel can load it.

    Args:
        path: The file to store.
        basename: The name at the end of the URI, for people; the file's own where it is left out.
    """
    store, daemon = find_place()
    label = os.path.basename(path) if basename is None else basename
    with _open(path) as file:
        size = _size(file, path)
        stored = None
        if daemon is not None and _is_this_machine(daemon):
            stored = _let_daemon_read(daemon, path)
        if stored is None:
            stored = _store(file, size, store, daemon)
        if _size(file, path) != size:
            raise FileChanged(f"{path} changed while it was stored; store it again.")
    return _uri(stored, label)


def store_text(text: str, basename: Optional[str] = None) -> str:
    """Stores text, as UTF-8, and answers its URI."""
    return _store_bytes(text.encode("utf-8"), "file.txt" if basename is None else basename)


def store_json(
    object: Jsonable,
    basename: Optional[str] = None,
    separators: Any = (",", ":"),
    indent: Optional[int] = None,
) -> str:
    """Stores a dict, a list or anything else that JSON can hold, and answers its URI."""
    try:
        text = json.dumps(object, separators=separators, indent=indent, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"This cannot be stored as JSON: {error}.") from error
    return store_text(text, "file.json" if basename is None else basename)


def store_npy(array: "np.ndarray", basename: Optional[str] = None) -> str:
    """Stores a NumPy array, in the .npy format, and answers its URI. An array of Python objects is refused."""
    import numpy as np

    with tempfile.TemporaryFile(dir=_environment.temporary_directory()) as file:
        try:
            np.save(file, array, allow_pickle=False)
        except ValueError as error:
            raise BadRequest(f"This array cannot be stored: {error}.") from error
        size = file.tell()
        file.seek(0)
        return _uri(_store(file, size, *find_place()), "file.npy" if basename is None else basename)


def _store_bytes(content: bytes, label: str) -> str:
    return _uri(_store(io.BytesIO(content), len(content), *find_place()), label)


def _store(file: IO[bytes], size: int, store: LocalStore, daemon: Optional[Daemon]) -> Stored:
    if daemon is None:
        return store.store(file)

    def from_the_start() -> IO[bytes]:
        file.seek(0)
        return file

    stored = _receipt(daemon.upload("/store", from_the_start, size))
    _check_presence(store, stored, size)
    return stored


def _let_daemon_read(daemon: Daemon, path: str) -> Optional[Stored]:
    """Lets the daemon read the file itself, which spares a copy; ``None`` where it may not or cannot."""
    try:
        # Silence lasts as long as reading and syncing the file does.
        return _receipt(daemon.call("/storeFile", {"localFilePath": os.path.abspath(path)}, timeout=3600))
    except (PermissionDenied, NotFound):
        return None
    except KacheryError as error:
        # A daemon that gives no code may have met a file that only this user can read.
        if error.code == StorageFailed.code:
            return None
        raise


def _receipt(answer: Dict[str, Any]) -> Stored:
    if not answer.get("success"):
        raise error_for(answer.get("code"), f"The daemon could not store this: {answer.get('error')}", StorageFailed)
    return Stored(answer["sha1"], answer.get("manifestSha1") or None)


def _check_presence(store: LocalStore, stored: Stored, size: int) -> None:
    """On a shared file system what the daemon wrote may be unseen here; better to say so than to load nothing later."""
    path = store.find(stored.sha1)
    if path is None or os.path.getsize(path) != size:
        raise StorageFailed(
            f"The daemon has stored {stored.sha1}, but {store.path(stored.sha1)} is not to be seen whole from here. "
            "Is the storage directory a mount that lags behind?"
        )


def _is_this_machine(daemon: Daemon) -> bool:
    host = daemon.endpoint.host
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _open(path: str) -> IO[bytes]:
    try:
        return open(path, "rb")
    except IsADirectoryError as error:
        raise BadRequest(f"{path} is a folder; store its files one by one.") from error
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {path}.") from error
    except PermissionError as error:
        raise PermissionDenied(f"You may not read {path}.") from error


def _size(file: IO[bytes], path: str) -> int:
    status = os.fstat(file.fileno())
    if not os.path.isfile(path):
        raise BadRequest(f"{path} is not a regular file.")
    return status.st_size


def _uri(stored: Stored, label: str) -> str:
    return str(KacheryURI(stored.sha1, label, stored.manifest))
