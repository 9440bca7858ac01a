"""Loading files, text, JSON, arrays and pickles."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

from . import _environment
from ._errors import BadRequest
from ._locate import CannotBeHad, Sources, locate, or_raise

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

_MAPPED_FOR_READING = (None, "r", "c")


def load_file(
    uri: str,
    dest: Optional[str] = None,
    p2p: bool = True,
    from_node: Optional[str] = None,
    from_channel: Optional[str] = None,
    *,
    strict: Optional[bool] = None,
) -> Optional[str]:
    """Loads a file from the local store, or from a node of a joined channel, and answers its path.

    Args:
        uri: ``sha1://…``, ``sha1dir://…/path/inside``, or the path of a local file.
        dest: Where to put a copy, which is then what is answered.
        p2p: Whether other nodes are asked where the file is not here.
        from_node: The ID of the only node to ask.
        from_channel: The only channel to ask on.
        strict: Whether to raise where the file cannot be had; ``KACHERY_STRICT=1`` where it is left out.

    Returns:
        The path, or ``None`` where the file cannot be had: the reason is logged and printed on standard error.
    """
    path = _find(uri, Sources(p2p, from_node, from_channel), strict, all_of_it=dest is not None)
    return path if path is None or dest is None else copy_file(path, dest)


def _find(uri: str, sources: Sources, strict: Optional[bool], *, all_of_it: bool = True) -> Optional[str]:
    return unless_absent(uri, strict, lambda: locate(uri, sources, all_of_it=all_of_it))


def load_text(
    uri: str,
    p2p: bool = True,
    from_node: Optional[str] = None,
    from_channel: Optional[str] = None,
    *,
    strict: Optional[bool] = None,
) -> Optional[str]:
    """Loads text. The arguments are those of ``load_file``."""
    path = _find(uri, Sources(p2p, from_node, from_channel), strict)
    if path is None:
        return None
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def load_json(
    uri: str,
    p2p: bool = True,
    from_node: Optional[str] = None,
    from_channel: Optional[str] = None,
    *,
    strict: Optional[bool] = None,
) -> Any:
    """Loads what JSON holds. The arguments are those of ``load_file``."""
    text = load_text(uri, p2p, from_node, from_channel, strict=strict)
    return None if text is None else json.loads(text)


def load_object(
    uri: str,
    p2p: bool = True,
    from_node: Optional[str] = None,
    from_channel: Optional[str] = None,
    *,
    strict: Optional[bool] = None,
) -> Any:
    """The old name of ``load_json``."""
    return load_json(uri, p2p, from_node, from_channel, strict=strict)


def load_npy(
    uri: str,
    p2p: bool = True,
    from_node: Optional[str] = None,
    from_channel: Optional[str] = None,
    *,
    mmap_mode: Optional[str] = None,
    strict: Optional[bool] = None,
) -> Optional["np.ndarray[Any, Any]"]:
    """Loads a NumPy array. The other arguments are those of ``load_file``. An array of Python objects is refused.

    Args:
        mmap_mode: ``"r"`` maps the stored file, of which the operating system reads what is touched; ``"c"`` likewise,
            and what is written stays in memory. A file that is not here is fetched whole first. A stored file is
            never written to.
    """
    if mmap_mode not in _MAPPED_FOR_READING:
        raise BadRequest(
            f"A stored file cannot be mapped with mmap_mode={mmap_mode!r}: use 'r', or 'c' to write in memory."
        )
    path = _find(uri, Sources(p2p, from_node, from_channel), strict, all_of_it=mmap_mode is None)
    if path is None:
        return None
    from . import _npy

    return _npy.load(path, mmap_mode)


def load_pkl(
    uri: str,
    p2p: bool = True,
    from_node: Optional[str] = None,
    from_channel: Optional[str] = None,
    *,
    strict: Optional[bool] = None,
) -> Any:
    """Loads what ``store_pkl`` stored: plain data and arrays. The arguments are those of ``load_file``.

    A pickle that names anything else, code above all, is refused before anything of it runs.
    """
    from . import _pickle

    path = _find(uri, Sources(p2p, from_node, from_channel), strict)
    if path is None:
        return None
    with open(path, "rb") as file:
        return _pickle.load(file)


def unless_absent(uri: str, strict: Optional[bool], find: Callable[[], T]) -> Optional[T]:
    """What ``find`` answers; where the file cannot be had, ``None`` and a warning, or with ``strict`` the reason."""
    if _environment.is_strict(strict):
        return or_raise(find)
    try:
        return find()
    except CannotBeHad as failure:
        import logging

        # Where nobody configured logging, Python itself prints a warning on standard error.
        logging.getLogger("kachery_p2p").warning("kachery: %s: %s", uri, failure.reason)
        return None


def copy_file(path: str, dest: str) -> str:
    """Copies to ``dest``, which appears whole or not at all. A linked file that is to be copied to where it is stays as it
    is: a copy in its place would have another time, and end the link."""
    import shutil
    import tempfile

    if _is_same_file(path, dest):
        return dest
    folder = os.path.dirname(os.path.abspath(dest))
    if os.path.isdir(dest):
        raise BadRequest(f"{dest} is a folder; name the file to write.")
    descriptor, temporary = tempfile.mkstemp(prefix=".kachery-", dir=folder)
    os.close(descriptor)
    try:
        shutil.copyfile(path, temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, dest)
    except BaseException:
        os.unlink(temporary)
        raise
    return dest


def _is_same_file(path: str, dest: str) -> bool:
    if not os.path.isfile(dest) or not os.path.samefile(path, dest):
        return False
    # Another name of a stored file is replaced by a copy, so that writing to it writes to nothing that is stored.
    is_stored = re.fullmatch("[0-9a-f]{40}", os.path.basename(path)) is not None
    return not is_stored or os.path.realpath(path) == os.path.realpath(dest)


def _umask() -> int:
    # There is no way to read it without setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
