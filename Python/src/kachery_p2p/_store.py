"""Storing files, text, JSON and arrays."""

from __future__ import annotations

import hashlib
import io
import json
import os
from typing import IO, TYPE_CHECKING, Any, Dict, List, Optional, Union

from . import _environment
from ._daemon import Daemon
from ._errors import (
    BadRequest,
    FileChanged,
    HashMismatch,
    KacheryError,
    NotFound,
    PermissionDenied,
    StorageFailed,
    error_for,
)
from ._json_values import FILE, plain
from ._local_store import LocalStore, Stored
from ._place import find_place
from ._uri import KacheryURI, escape_label

if TYPE_CHECKING:
    import numpy as np

# Silence lasts as long as the daemon's reading and syncing of the file does.
_READING_TIMEOUT = 3600.0

Jsonable = Union[Dict[str, Any], List[Any], int, float, str]


def store_file(path: str, basename: Optional[str] = None) -> str:
    """Stores a file and answers its URI, under which every node of a joined channel can load it.

    Args:
        path: The file to store.
        basename: The name at the end of the URI, for people; the file's own if it is left out. What would end or
            break the URI is written as ``%XX`` there; slashes stay.
    """
    store, daemon = find_place()
    label = os.path.basename(path) if basename is None else basename
    with _open(path) as file:
        size = _size(file, path)
        stored = None
        if daemon is not None and daemon.endpoint.is_this_machine and not daemon.is_remote:
            stored = _let_daemon_read(daemon, path)
        if stored is None:
            stored = _store(file, size, store, daemon)
        if _size(file, path) != size:
            raise FileChanged(f"{path} changed while it was stored; store it again.")
    return _uri(stored, label)


def store_text(text: str, basename: Optional[str] = None) -> str:
    """Stores text, as UTF-8, and answers its URI."""
    if not isinstance(text, str):
        raise BadRequest(
            f"A {type(text).__qualname__} is no text: decode bytes, store_json what JSON can hold, and store_file files."
        )
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadRequest(
            f"This text cannot be stored: character {error.start} is half of a surrogate pair, which UTF-8 does not "
            "have. If it is the name of a file, store os.fsencode(x).decode(errors='replace')."
        ) from error
    return store_bytes(content, "file.txt" if basename is None else basename)


def store_json(
    object: Jsonable,
    basename: Optional[str] = None,
    separators: Any = (",", ":"),
    indent: Optional[int] = None,
) -> str:
    """Stores a dict, a list or anything else that JSON can hold, and answers its URI.

    Tuples come back as lists, named tuples as dicts, NumPy's scalars as numbers, and keys as strings. Anything that would
    come back as something else is refused: NaN, keys that are one as strings, bytes, sets, arrays, objects.
    """
    _check_form(separators, indent)
    text = json.dumps(plain(object, FILE), separators=separators, indent=indent, allow_nan=False)
    return store_text(text, "file.json" if basename is None else basename)


def _check_form(separators: Any, indent: Any) -> None:
    """That what lies between values leaves them JSON."""
    if separators is not None and [text.strip(" \t\r\n") for text in separators] != [",", ":"]:
        raise BadRequest(f"JSON is separated by ',' and ':', with white space around them at most, not {separators!r}.")
    if isinstance(indent, str) and indent.strip(" \t\r\n"):
        raise BadRequest(f"JSON is indented by white space, not {indent!r}.")


def store_object(object: Dict[str, Any], basename: Optional[str] = None) -> str:
    """The old name of ``store_json``."""
    return store_json(object, basename)


def store_npy(array: "np.ndarray[Any, Any]", basename: Optional[str] = None) -> str:
    """Stores a NumPy array, in the .npy format, and answers its URI.

    Values, type, shape and order come back as they were; a memmap, matrix or recarray comes back as a plain array. What the
    format does not keep is refused: Python objects, masks, labels, and types that are not NumPy's own, such as bfloat16.
    """
    import tempfile

    from . import _npy

    with tempfile.TemporaryFile(dir=_environment.temporary_directory()) as file:
        _npy.save(array, file)
        size = file.tell()
        file.seek(0)
        return _uri(_store(file, size, *find_place()), "file.npy" if basename is None else basename)


def store_pkl(x: Any, basename: Optional[str] = None) -> str:
    """Stores plain data and NumPy arrays, as a pickle, and answers its URI.

    Plain data is None, bool, int, float, complex, str, bytes, list, tuple, dict, set, range and slice, and what holds
    only these. Anything else is refused: a pickle of it could run code where it is loaded.
    """
    import tempfile

    from . import _pickle

    with tempfile.TemporaryFile(dir=_environment.temporary_directory()) as file:
        _pickle.dump(x, file)
        size = file.tell()
        file.seek(0)
        return _uri(_store(file, size, *find_place()), "file.pkl" if basename is None else basename)


def link_file(path: str, basename: Optional[str] = None) -> str:
    """Makes a file known where it lies, and answers its URI: it is not copied, and served while it does not change."""
    store, daemon = find_place()
    label = os.path.basename(path) if basename is None else basename
    with _open(path) as file:
        size, status = _size(file, path), os.fstat(file.fileno())
        if daemon is None:
            return _uri(store.link(file, path, status), label)
        if daemon.is_remote:
            raise BadRequest(
                f"{path} cannot be linked: the daemon at {daemon.endpoint} runs on another machine. Store it."
            )
        request = {"localFilePath": os.path.abspath(path), "size": size, "mtime": status.st_mtime}
        stored = _receipt(daemon.call("/linkFile", request, timeout=_READING_TIMEOUT))
    if store.find(stored.sha1) is None:
        raise StorageFailed(f"The daemon has linked {path}, but no link is to be seen in {store.directory}.")
    return _uri(stored, label)


def store_bytes(content: bytes, label: str) -> str:
    """Stores bytes and answers their URI."""
    return _uri(_store(io.BytesIO(content), len(content), *find_place()), label)


def _store(file: IO[bytes], size: int, store: LocalStore, daemon: Optional[Daemon]) -> Stored:
    if daemon is None:
        return store.store(file)

    body = _Hashing(file)
    stored = _receipt(daemon.upload("/store", body.from_the_start, size))
    if stored.sha1 != body.sha1:
        raise HashMismatch(f"The daemon has stored {stored.sha1} where {body.sha1} was sent; store it again.")
    if not daemon.is_remote:
        _check_presence(store, stored, size)
    return stored


class _Hashing:
    """A file that is hashed as it is sent, to compare with what the daemon says of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha1()

    def from_the_start(self) -> "_Hashing":
        self._file.seek(0)
        self._digest = hashlib.sha1()
        return self

    def read(self, count: int = -1) -> bytes:
        block = self._file.read(count)
        self._digest.update(block)
        return block

    @property
    def sha1(self) -> str:
        return self._digest.hexdigest()


def _let_daemon_read(daemon: Daemon, path: str) -> Optional[Stored]:
    """Lets the daemon read the file itself, which spares a copy; ``None`` where it may not or cannot."""
    try:
        return _receipt(daemon.call("/storeFile", {"localFilePath": os.path.abspath(path)}, timeout=_READING_TIMEOUT))
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
    name = "/".join(escape_label(part) for part in label.split("/"))
    return str(KacheryURI(stored.sha1, name, stored.manifest))
