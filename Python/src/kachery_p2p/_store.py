"""Storing files, text, JSON and arrays."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
from typing import IO, TYPE_CHECKING, Any, Callable, Dict, List, Union

from ._daemon import Daemon
from ._errors import (
    BadRequest,
    FileChanged,
    HashMismatch,
    IsAFolder,
    KacheryError,
    MissingFile,
    NotFound,
    PermissionDenied,
    StorageFailed,
    error_for,
)
from ._json_values import FILE, plain
from ._local_store import LocalStore, Stored
from ._os_errors import translated
from ._place import find_place
from ._temporary import named_directory
from ._text import is_text, path_text
from ._uri import KacheryURI, escape_label

if TYPE_CHECKING:
    import numpy as np

# The daemon answers only after it has read and synced the file.
_READING_TIMEOUT = 3600.0

Jsonable = Union[Dict[str, Any], List[Any], int, float, str]


def store_file(path: str, basename: str | None = None) -> str:
    """Stores a file and returns its URI, with which every node of a joined channel can load it.

    Args:
        path: The file to store.
        basename: A name for people at the end of the URI; the default is the file's name. Characters that would end
            or break the URI are written as ``%XX``; slashes stay.

    Example:
        >>> kp.store_file("notes.txt")
        'sha1://b56398a89f7f53e862d3832d2d14bbf976db6ce7/notes.txt'
        >>> kp.store_file("notes.txt", basename="mouse 4")
        'sha1://b56398a89f7f53e862d3832d2d14bbf976db6ce7/mouse%204'
    """
    path = path_text(path)
    label = os.path.basename(path) if basename is None else basename
    return _uri(store_path(path, label), label)


def store_path(path: str, name: str) -> Stored:
    """Stores the file at a path. The daemon lists it under ``name``."""
    with _open(path) as file:
        store, daemon = find_place()
        size = _size(file, path)
        stored = None
        if daemon is not None and daemon.endpoint.is_this_machine and not daemon.is_remote and is_text(path):
            stored = _let_daemon_read(daemon, path, name)
        if stored is None:
            stored = _store(file, size, store, daemon, name)
            if file.tell() != size:  # the kernel makes up such files, in /proc
                raise FileChanged(f"{path} is longer than its size says; store it when no program is writing to it.")
        if _size(file, path) != size:
            raise FileChanged(f"{path} changed while it was stored; store it again.")
    return stored


def store_text(text: str, basename: str | None = None) -> str:
    """Stores text as UTF-8 and returns its URI.

    Example:
        >>> kp.store_text("hello", basename="greeting.txt")
        'sha1://aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d/greeting.txt'
    """
    if not isinstance(text, str):
        raise BadRequest(
            f"A {type(text).__qualname__} is not text: decode bytes, use store_json for JSON "
            "values, and store_file for files."
        )
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadRequest(
            f"This text cannot be stored: character {error.start} is half of a surrogate pair, which UTF-8 cannot "
            "encode. If the text is a file name, store os.fsencode(x).decode(errors='replace')."
        ) from error
    return store_bytes(content, "file.txt" if basename is None else basename)


def store_json(
    object: Jsonable,
    basename: str | None = None,
    separators: Any = (",", ":"),
    indent: int | None = None,
) -> str:
    """Stores a dict, a list or any other JSON value, and returns its URI.

    Tuples come back as lists, named tuples as dicts, NumPy scalars as numbers, and keys as strings. Anything that would
    come back as something else is refused: NaN, keys that become the same string, bytes, sets, arrays, objects.

    Example:
        >>> kp.store_json({"mouse": 4}, basename="mouse.json")
        'sha1://0ccebd25570c5790fa5170a4dedd1dea30c51798/mouse.json'
        >>> kp.store_json({"gain": float("nan")})
        Traceback (most recent call last):
        kachery_p2p._errors.BadRequest: ...
    """
    _check_form(separators, indent)
    try:
        text = json.dumps(plain(object, FILE), separators=separators, indent=indent, allow_nan=False)
    except RecursionError as error:
        raise BadRequest("This cannot be stored as JSON: its lists or dicts are nested too deeply.") from error
    return store_text(text, "file.json" if basename is None else basename)


def _check_form(separators: Any, indent: Any) -> None:
    """Checks that separators and indentation produce valid JSON."""
    if separators is not None and [text.strip(" \t\r\n") for text in separators] != [",", ":"]:
        raise BadRequest(f"JSON separators are ',' and ':' with optional white space, not {separators!r}.")
    if isinstance(indent, str) and indent.strip(" \t\r\n"):
        raise BadRequest(f"JSON is indented with white space, not {indent!r}.")


def store_object(object: dict[str, Any], basename: str | None = None) -> str:
    """The old name of ``store_json``.

    Example:
        >>> kp.store_object({"mouse": 4}) == kp.store_json({"mouse": 4})
        True
    """
    return store_json(object, basename)


def store_npy(array: np.ndarray[Any, Any], basename: str | None = None) -> str:
    """Stores a NumPy array in the .npy format and returns its URI.

    Values, type, shape and order are preserved; a memmap, matrix or recarray comes back as a plain array. What the
    format cannot represent is refused: Python objects, masks, labels, and types that are not NumPy's own, such as
    bfloat16.

    Example:
        >>> kp.store_npy(np.zeros(3), basename="zeros.npy")
        'sha1://6de99ed269cb179888822debc848950ba12528d7/zeros.npy'
    """
    from . import _npy

    return _store_written(lambda file: _npy.save(array, file), "file.npy" if basename is None else basename)


def store_pkl(x: Any, basename: str | None = None) -> str:
    """Stores plain data and NumPy arrays as a pickle and returns its URI.

    Plain data is None, bool, int, float, complex, str, bytes, range, slice, and lists, tuples, dicts and sets of these.
    Anything else is refused, because loading a pickle of it could run code.

    Example:
        >>> uri = kp.store_pkl({"traces": np.zeros((2, 3)), "window": range(0, 100)})
        >>> kp.load_pkl(uri)["window"]
        range(0, 100)
    """
    from . import _pickle

    return _store_written(lambda file: _pickle.dump(x, file), "file.pkl" if basename is None else basename)


def _store_written(write: Callable[[IO[bytes]], None], label: str) -> str:
    """Stores what ``write`` writes to a temporary file, and returns its URI."""
    import tempfile

    folder = named_directory()
    with tempfile.TemporaryFile(dir=folder) as file:
        with translated("write to", folder or tempfile.gettempdir(), "Set KACHERY_TEMP_DIR to another folder."):
            write(file)
            size = file.tell()
        file.seek(0)
        return _uri(_store(file, size, *find_place(), label), label)


def link_file(path: str, basename: str | None = None) -> str:
    """Shares a file without copying it, and returns its URI. It is served as long as it does not change.

    Example:
        >>> kp.link_file("recording.dat")
        'sha1://4db96121b29822369e89d5e17ff2582fc47e10a2/recording.dat'
    """
    path = path_text(path)
    label = os.path.basename(path) if basename is None else basename
    if not is_text(path):
        raise BadRequest(f"{os.fsencode(path)!r} is not UTF-8, so no other program could follow the link; rename it.")
    with _open(path) as file:
        store, daemon = find_place()
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
        raise StorageFailed(
            f"The daemon linked {path}, but {store.directory} contains no link that this process can see."
        )
    return _uri(stored, label)


def store_bytes(content: bytes, label: str) -> str:
    """Stores bytes and returns their URI."""
    return _uri(_store(io.BytesIO(content), len(content), *find_place(), label), label)


def _store(file: IO[bytes], size: int, store: LocalStore, daemon: Daemon | None, name: str) -> Stored:
    if daemon is None:
        return store.store(file)

    body = _Hashing(file)
    stored = _receipt(daemon.upload("/store", body.from_the_start, size, name))
    if stored.sha1 != body.sha1:
        raise HashMismatch(f"The daemon stored {stored.sha1}, but {body.sha1} was sent; store it again.")
    if not daemon.is_remote:
        _check_presence(store, stored, size)
    return stored


class _Hashing:
    """A file that is hashed while it is sent, to compare with the daemon's hash."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha1()

    def from_the_start(self) -> _Hashing:
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


def _let_daemon_read(daemon: Daemon, path: str, name: str) -> Stored | None:
    """Lets the daemon read the file itself, which avoids a copy. ``None`` if it may not or cannot."""
    try:
        request = {"localFilePath": os.path.abspath(path), "name": name if is_text(name) else ""}
        return _receipt(daemon.call("/storeFile", request, timeout=_READING_TIMEOUT))
    except (PermissionDenied, NotFound):
        return None
    except KacheryError as error:
        # Without a detailed code, the file may be one that only this user can read.
        if error.code == StorageFailed.code:
            return None
        raise


def _receipt(answer: dict[str, Any]) -> Stored:
    if not answer.get("success"):
        raise error_for(answer.get("code"), f"The daemon could not store this: {answer.get('error')}", StorageFailed)
    return Stored(answer["sha1"], answer.get("manifestSha1") or None)


def _check_presence(store: LocalStore, stored: Stored, size: int) -> None:
    """Checks that this process sees the stored file, which a shared file system may not show yet."""
    path = store.find(stored.sha1)
    if path is None or os.path.getsize(path) != size:
        raise StorageFailed(
            f"The daemon stored {stored.sha1}, but this process does not see all of {store.path(stored.sha1)}. "
            "Is the storage directory a mount that lags behind?"
        )


def _open(path: str) -> IO[bytes]:
    """Opens a regular file. Opening a pipe would wait, and opening a device could change it."""
    try:
        with translated("read", path, "Check the disk, then store the file again."):
            _require_regular(os.stat(path), path)
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                _require_regular(os.fstat(descriptor), path)
                return os.fdopen(descriptor, "rb")
            except BaseException:
                os.close(descriptor)
                raise
    except StorageFailed as error:
        if isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError)):
            raise MissingFile(f"There is no file {path}.") from error.__cause__
        raise


def _require_regular(status: os.stat_result, path: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsAFolder(f"{path} is a folder; store it with kachery_p2p.store_dir.")
    if not stat.S_ISREG(status.st_mode):
        raise BadRequest(f"{path} is a device, pipe or socket; only regular files can be stored.")


def _size(file: IO[bytes], path: str) -> int:
    if not os.path.isfile(path):
        raise FileChanged(f"{path} was removed while it was read.")
    return os.fstat(file.fileno()).st_size


def _uri(stored: Stored, label: str) -> str:
    name = "/".join(escape_label(part) for part in label.split("/"))
    return str(KacheryURI(stored.sha1, name, stored.manifest))
