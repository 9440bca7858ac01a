"""Loading files, text, JSON and arrays."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, Dict, Optional

from . import _environment
from ._daemon import Daemon
from ._directory import resolve_directory_uri
from ._errors import BadRequest, Disconnected, KacheryError, NotFound, ProtocolViolation, error_for
from ._place import find_place
from ._progress import Progress
from ._uri import KacheryURI, parse_uri

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger("kachery_p2p")


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
    try:
        path = _locate(uri, p2p, from_node, from_channel)
    except _CannotBeHad as failure:
        if _environment.is_strict(strict):
            raise failure.reason from failure.reason.__cause__
        # Where nobody configured logging, Python itself prints a warning on standard error.
        log.warning("kachery: %s: %s", uri, failure.reason)
        return None
    return path if dest is None else _copy(path, dest)


def load_text(
    uri: str,
    p2p: bool = True,
    from_node: Optional[str] = None,
    from_channel: Optional[str] = None,
    *,
    strict: Optional[bool] = None,
) -> Optional[str]:
    """Loads text. The arguments are those of ``load_file``."""
    path = load_file(uri, None, p2p, from_node, from_channel, strict=strict)
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


def load_npy(
    uri: str,
    p2p: bool = True,
    from_node: Optional[str] = None,
    from_channel: Optional[str] = None,
    *,
    strict: Optional[bool] = None,
) -> Optional["np.ndarray"]:
    """Loads a NumPy array. The arguments are those of ``load_file``. An array of Python objects is refused."""
    import numpy as np

    path = load_file(uri, None, p2p, from_node, from_channel, strict=strict)
    return None if path is None else np.load(path, allow_pickle=False)


class _CannotBeHad(Exception):
    """The file cannot be had: what ``load_*`` answer with ``None``, unlike a mistake of the caller's or a daemon that
    does not work."""

    def __init__(self, reason: KacheryError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _locate(uri: str, p2p: bool, from_node: Optional[str], from_channel: Optional[str]) -> str:
    if uri.startswith("sha1dir://"):
        uri = _locate_in_directory(uri, p2p, from_node, from_channel)
    if not uri.startswith("sha1://"):
        if not os.path.isfile(uri):
            raise NotFound(f"'{uri}' is neither a kachery URI nor a file on this machine.")
        return uri
    parsed = parse_uri(uri)
    store, daemon = find_place()
    path = store.find(parsed.sha1)
    if path is not None:
        return path
    if daemon is None:
        raise _CannotBeHad(
            NotFound(f"{store.directory} does not hold the file, and no daemon is asked in offline mode.")
        )
    if not p2p:
        raise _CannotBeHad(NotFound("This node does not hold the file, and p2p=False forbids asking others."))
    return _fetch(daemon, uri, parsed, from_node, from_channel)


def _locate_in_directory(uri: str, p2p: bool, from_node: Optional[str], from_channel: Optional[str]) -> str:
    def read(document: str) -> Any:
        with open(_locate(document, p2p, from_node, from_channel), encoding="utf-8") as file:
            return json.load(file)

    try:
        return resolve_directory_uri(uri, read)
    except NotFound as reason:
        raise _CannotBeHad(reason) from reason


def _fetch(daemon: Daemon, uri: str, parsed: KacheryURI, from_node: Optional[str], from_channel: Optional[str]) -> str:
    request: Dict[str, Any] = {"fileKey": parsed.file_key, "fromNode": from_node, "fromChannel": from_channel}
    with daemon.stream("/loadFile", request) as messages, Progress(uri) as progress:
        for message in messages:
            kind = message.get("type")
            if kind == "progress":
                progress.report(message)
            elif kind == "finished":
                return _check_path(message.get("localFilePath"))
            elif kind == "error":
                raise _CannotBeHad(error_for(message.get("code"), str(message.get("error")), NotFound))
            else:
                raise ProtocolViolation(f"The daemon sent a message of the unknown type {kind!r}.")
    raise Disconnected(f"The daemon hung up before {uri} was loaded; load it again.")


def _check_path(path: Any) -> str:
    if not isinstance(path, str) or not os.path.isfile(path):
        raise NotFound(f"The daemon has loaded the file to {path}, which cannot be seen from here.")
    return path


def _copy(path: str, dest: str) -> str:
    """Copies to ``dest``, which appears whole or not at all."""
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


def _umask() -> int:
    # There is no way to read it without setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
