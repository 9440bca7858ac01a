"""Finds a file's bytes: in the store, or through the daemon on another node."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any, Callable, NamedTuple, TypeVar

from . import _remote
from ._checking import is_whole
from ._daemon import Daemon
from ._directory import resolve_directory_uri
from ._errors import (
    AlreadyRunning,
    BadRequest,
    Disconnected,
    FileChanged,
    HashMismatch,
    IsAFolder,
    KacheryError,
    MissingFile,
    NotFound,
    ProtocolViolation,
    error_for,
)
from ._local_store import LocalStore
from ._os_errors import translated
from ._place import find_place
from ._progress import Progress
from ._text import path_text
from ._uri import KacheryURI, is_hash, parse_uri

T = TypeVar("T")


class _Sources(NamedTuple):
    p2p: bool = True
    node: str | None = None
    channel: str | None = None


class Sources(_Sources):
    """Which nodes to ask for a missing file: none, all, one node, or the nodes of one channel."""

    __slots__ = ()

    def __new__(cls, p2p: bool = True, node: str | None = None, channel: str | None = None) -> Sources:
        """Raises ``BadRequest`` for an empty name, which no channel has."""
        if channel == "":
            raise BadRequest("The channel's name is empty; leave the channel out to ask on every channel.")
        return super().__new__(cls, p2p, node, channel)


class Unavailable(Exception):
    """The file is unavailable, for which ``load_*`` return ``None``.

    Mistakes of the caller and failures of the daemon are other errors.
    """

    def __init__(self, reason: KacheryError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def or_raise(find: Callable[[], T]) -> T:
    """The result of ``find``. If the file is unavailable, raises the reason."""
    try:
        return find()
    except Unavailable as failure:
        raise failure.reason from failure.reason.__cause__


def locate(uri: str, sources: Sources, *, all_of_it: bool = False) -> str:
    """The path of a file with these bytes, which are fetched if this node lacks them.

    ``all_of_it`` says that the whole file is about to be read.
    """
    parsed = resolve(uri, sources)
    return parsed if isinstance(parsed, str) else locate_parsed(parsed, sources, all_of_it=all_of_it)


def resolve(uri: str, sources: Sources) -> str | KacheryURI:
    """The path of a local file, or the URI of a stored one, that a name stands for: a URI, a path or a bare hash."""
    uri = path_text(uri)
    if uri.startswith("sha1dir://"):
        uri = _resolve_in_directory(uri, sources)
    if uri.startswith("sha1://"):
        return parse_uri(uri)
    if os.path.isfile(uri):
        return uri
    if os.path.isdir(uri):
        raise IsAFolder(f"'{uri}' is a folder on this machine, not a file.")
    if is_hash(uri):
        return KacheryURI(uri.lower())
    if "://" in uri:
        raise BadRequest(f"'{uri}' is not a kachery URI, which begins with sha1:// or sha1dir://.")
    raise MissingFile(f"'{uri}' is neither a kachery URI nor a file on this machine.")


def locate_parsed(
    uri: KacheryURI, sources: Sources, *, all_of_it: bool = False, progress: Progress | None = None
) -> str:
    """The path of a file with these bytes, which are fetched if this node lacks them.

    ``progress`` is shown in place of a line of its own.
    """
    store, daemon = find_place()
    path = store.find(uri.sha1)
    try:
        if path is not None and is_whole(store, daemon, uri.sha1, path, all_of_it):
            return path
    except (HashMismatch, FileChanged, AlreadyRunning) as reason:
        # A daemon on another machine sends it again.
        if daemon is None or not daemon.is_remote:
            raise Unavailable(reason) from reason
    return _fetch(store, daemon, uri, sources, progress)


def read_bytes(uri: str, sources: Sources) -> bytes:
    """All bytes of a file."""
    path = locate(uri, sources, all_of_it=True)
    with reading(path), open(path, "rb") as file:
        return file.read()


def reading(path: str) -> AbstractContextManager[None]:
    """Translates the errors of reading a local file."""
    return translated("read", path, "Check the disk, then load the file again.")


def _resolve_in_directory(uri: str, sources: Sources) -> str:
    try:
        return resolve_directory_uri(uri, lambda document: read_bytes(document, sources))
    except (NotFound, IsAFolder) as reason:
        raise Unavailable(reason) from reason


def _fetch(
    store: LocalStore, daemon: Daemon | None, uri: KacheryURI, sources: Sources, progress: Progress | None
) -> str:
    if daemon is None:
        raise Unavailable(
            NotFound(
                f"{store.directory} does not contain the file, and offline mode asks no daemon. To ask other nodes, "
                "start a daemon and unset KACHERY_OFFLINE_STORAGE_DIR."
            )
        )
    if not sources.p2p:
        if daemon.is_remote:
            return _fetch_what_is_there(store, daemon, uri)
        raise Unavailable(
            NotFound("This node does not have the file, and p2p=False forbids asking other nodes; leave it out.")
        )
    path = _ask_daemon(daemon, uri, sources, progress or Progress(str(uri)))
    if daemon.is_remote:
        return _remote.fetch(store, daemon, uri)
    if not isinstance(path, str) or not os.path.isfile(path):
        raise NotFound(
            f"The daemon loaded the file to {path}, which this process cannot see. Check its mount and permissions."
        )
    return path


def _fetch_what_is_there(store: LocalStore, daemon: Daemon, uri: KacheryURI) -> str:
    try:
        return _remote.fetch(store, daemon, uri)
    except NotFound as reason:
        raise Unavailable(reason) from reason


def _ask_daemon(daemon: Daemon, uri: KacheryURI, sources: Sources, progress: Progress) -> Any:
    request: dict[str, Any] = {
        "fileKey": uri.file_key, "fromNode": sources.node, "fromChannel": sources.channel, "reportWaiting": True,
        "name": uri.name or None,
    }  # fmt: skip
    with daemon.stream("/loadFile", request) as messages, progress:
        for message in messages:
            kind = message.get("type")
            if kind == "progress":
                progress.report(message)
            elif kind == "waiting":
                progress.report_wait(message)
            elif kind == "finished":
                next(messages, None)  # the end of the answer, after which the connection can be reused
                return message.get("localFilePath")
            elif kind == "error":
                next(messages, None)
                raise Unavailable(error_for(message.get("code"), str(message.get("error")), NotFound))
            else:
                raise ProtocolViolation(f"The daemon sent a message of an unknown type, {kind!r}.")
    raise Disconnected(f"The daemon hung up before {uri} was loaded; load it again.")
