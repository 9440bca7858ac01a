"""Loading files, text, JSON, arrays and pickles."""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from . import _environment
from ._errors import BadContent, BadRequest, IsAFolder, MissingFile, missing
from ._locate import Sources, Unavailable, locate, reading
from ._os_errors import translated
from ._text import path_text, printable

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

_MAPPED_FOR_READING = (None, "r", "c")


def load_file(
    uri: str,
    dest: str | None = None,
    p2p: bool = True,
    from_node: str | None = None,
    from_channel: str | None = None,
    *,
    strict: bool | None = None,
) -> str | None:
    """Loads a file from the local store, or from a node of a joined channel, and returns its path.

    Args:
        uri: ``sha1://…``, ``sha1dir://…/path/inside``, or the path of a local file.
        dest: Where to write a copy. If it is given, its path is returned. A file that is there keeps its permissions, a
            symbolic link stays one, and a pipe or device is written to.
        p2p: Whether to ask other nodes for a file that is not on this one.
        from_node: The ID of the only node to ask.
        from_channel: The only channel to ask on.
        strict: Whether to raise if the file is unavailable; the default is ``KACHERY_STRICT``.

    Returns:
        The path, or ``None`` if the file is unavailable. The reason is logged and printed on standard error.

    Example:
        >>> uri = kp.store_text("Mouse 4 was in a good mood.")
        >>> path = kp.load_file(uri)  # read-only, in the storage directory
        >>> kp.load_file(uri, "copy.txt")  # a copy of your own
        'copy.txt'
    """
    if dest is not None:
        check_destination(dest)
    path = _find(uri, Sources(p2p, from_node, from_channel), strict, all_of_it=dest is not None)
    return path if path is None or dest is None else copy_file(path, dest)


def _find(uri: str, sources: Sources, strict: bool | None, *, all_of_it: bool = True) -> str | None:
    return unless_absent(uri, strict, lambda: locate(uri, sources, all_of_it=all_of_it))


def load_text(
    uri: str,
    p2p: bool = True,
    from_node: str | None = None,
    from_channel: str | None = None,
    *,
    strict: bool | None = None,
) -> str | None:
    """Loads text. The arguments are those of ``load_file``.

    Example:
        >>> kp.load_text(kp.store_text("Mouse 4 was in a good mood."))
        'Mouse 4 was in a good mood.'
    """
    path = _find(uri, Sources(p2p, from_node, from_channel), strict)
    if path is None:
        return None
    with reading(path), open(path, encoding="utf-8", newline="") as file:
        try:
            return file.read()
        except UnicodeDecodeError as error:
            raise BadContent(f"{printable(uri)} is not text in UTF-8: {error}.") from error


def load_json(
    uri: str,
    p2p: bool = True,
    from_node: str | None = None,
    from_channel: str | None = None,
    *,
    strict: bool | None = None,
) -> Any:
    """Loads a JSON value. The arguments are those of ``load_file``.

    Example:
        >>> kp.load_json(kp.store_json({"mouse": 4, "moods": ["good"]}))
        {'mouse': 4, 'moods': ['good']}
    """
    text = load_text(uri, p2p, from_node, from_channel, strict=strict)
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadContent(f"{printable(uri)} cannot be read as JSON: {error}.") from error


def load_object(
    uri: str,
    p2p: bool = True,
    from_node: str | None = None,
    from_channel: str | None = None,
    *,
    strict: bool | None = None,
) -> Any:
    """The old name of ``load_json``.

    Example:
        >>> kp.load_object(kp.store_object({"mouse": 4}))
        {'mouse': 4}
    """
    return load_json(uri, p2p, from_node, from_channel, strict=strict)


def load_npy(
    uri: str,
    p2p: bool = True,
    from_node: str | None = None,
    from_channel: str | None = None,
    *,
    mmap_mode: str | None = None,
    strict: bool | None = None,
) -> np.ndarray[Any, Any] | None:
    """Loads a NumPy array. Raises for an array of Python objects. The other arguments are those of ``load_file``.

    Args:
        mmap_mode: ``"r"`` maps the stored file into memory, and the operating system reads the parts that are used.
            ``"c"`` also allows writing to the array in memory; the stored file never changes. A file that is not on
            this node is first fetched in full.

    Example:
        >>> uri = kp.store_npy(np.arange(6.0).reshape(2, 3))
        >>> kp.load_npy(uri, mmap_mode="r")[1].tolist()
        [3.0, 4.0, 5.0]
    """
    if mmap_mode not in _MAPPED_FOR_READING:
        raise BadRequest(
            f"A stored file cannot be mapped with mmap_mode={mmap_mode!r}: use 'r', or 'c' to write in memory."
        )
    path = _find(uri, Sources(p2p, from_node, from_channel), strict, all_of_it=mmap_mode is None)
    if path is None:
        return None
    from . import _npy

    with reading(path):
        return _npy.load(path, mmap_mode)


def load_pkl(
    uri: str,
    p2p: bool = True,
    from_node: str | None = None,
    from_channel: str | None = None,
    *,
    strict: bool | None = None,
) -> Any:
    """Loads what ``store_pkl`` stored: plain data and arrays. The arguments are those of ``load_file``.

    A pickle that names anything else, code in particular, is refused before any of it runs.

    Example:
        >>> kp.load_pkl(kp.store_pkl({"mice": {4, 7}, "gain": 2 + 1j}))
        {'mice': {4, 7}, 'gain': (2+1j)}
    """
    from . import _pickle

    path = _find(uri, Sources(p2p, from_node, from_channel), strict)
    if path is None:
        return None
    with reading(path), open(path, "rb") as file:
        return _pickle.load(file)


def unless_absent(uri: str, strict: bool | None, find: Callable[[], T]) -> T | None:
    """The result of ``find``. If the file is unavailable, logs a warning and returns ``None``; ``strict`` raises."""
    try:
        return find()
    except Unavailable as failure:
        if _environment.is_strict(strict):
            raise missing(failure.reason) from failure.reason.__cause__
        import logging

        # If the program has not configured logging, Python prints warnings on standard error.
        logging.getLogger("kachery_p2p").warning("kachery: %s: %s", printable(uri), printable(failure.reason))
        return None


def check_destination(dest: str) -> None:
    """Raises if no file can have this path."""
    dest = path_text(dest)
    if not dest:
        raise BadRequest("The destination is empty; name the file to write.")
    if os.path.isdir(dest) or dest.endswith("/"):
        raise IsAFolder(f"{dest} is a folder; name the file to write.")
    folder = os.path.dirname(os.path.realpath(dest))
    if not os.path.isdir(folder):
        raise MissingFile(f"There is no folder {folder} to write {os.path.basename(dest)} to; create it first.")


def copy_file(path: str, dest: str) -> str:
    """Copies to ``dest``, which appears complete or not at all, unless it is a pipe, a socket or a device.

    A linked file that is copied onto itself stays as it is: a copy would have another time and so break the link.
    """
    check_destination(dest)
    with translated("write to", path_text(dest), "Check the disk, or choose another destination."):
        present = _status(dest)
        if present is not None and not stat.S_ISREG(present.st_mode):
            _write_to(path, dest)
        elif not _is_same_file(path, dest):
            _replace(path, os.path.realpath(dest), 0o666 & ~_umask() if present is None else present.st_mode)
    return dest


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _write_to(path: str, dest: str) -> None:
    import shutil

    with open(path, "rb") as source, open(dest, "wb") as file:
        shutil.copyfileobj(source, file)


def _replace(path: str, dest: str, mode: int) -> None:
    import shutil
    import tempfile

    descriptor, temporary = tempfile.mkstemp(prefix=".kachery-", dir=os.path.dirname(dest))
    os.close(descriptor)
    try:
        shutil.copyfile(path, temporary)
        os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, dest)
    except BaseException:
        os.unlink(temporary)
        raise


def _is_same_file(path: str, dest: str) -> bool:
    if not os.path.isfile(dest) or not os.path.samefile(path, dest):
        return False
    # A hard link to a stored file is replaced by a copy, so that writing to it cannot alter the stored file.
    is_stored = re.fullmatch("[0-9a-f]{40}", os.path.basename(path)) is not None
    return not is_stored or os.path.realpath(path) == os.path.realpath(dest)


def _umask() -> int:
    # It cannot be read without being set.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
