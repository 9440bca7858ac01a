"""Finding a file's bytes: in the store, or through the daemon on a node that has them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, TypeVar, Union

from . import _remote
from ._checking import is_whole
from ._daemon import Daemon
from ._directory import resolve_directory_uri
from ._errors import (
    AlreadyRunning,
    Disconnected,
    FileChanged,
    HashMismatch,
    KacheryError,
    NotFound,
    PermissionDenied,
    ProtocolViolation,
    StorageFailed,
    error_for,
)
from ._local_store import LocalStore
from ._place import find_place
from ._progress import Progress
from ._uri import KacheryURI, parse_uri


T = TypeVar("T")


class Sources(NamedTuple):
    """Who may be asked for what is not here: nobody, everybody, one node, or the nodes of one channel."""

    p2p: bool = True
    node: Optional[str] = None
    channel: Optional[str] = None


class CannotBeHad(Exception):
    """The file cannot be had: what ``load_*`` answer with ``None``, unlike a mistake of the caller's or a daemon that
    does not work."""

    def __init__(self, reason: KacheryError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def or_raise(find: Callable[[], T]) -> T:
    """What ``find`` answers; where the file cannot be had, the reason is raised."""
    try:
        return find()
    except CannotBeHad as failure:
        raise failure.reason from failure.reason.__cause__


def locate(uri: str, sources: Sources, *, all_of_it: bool = False) -> str:
    """The path of a file with these bytes, fetched first where they are not here.

    ``all_of_it`` says that the whole file is about to be read.
    """
    parsed = resolve(uri, sources)
    return parsed if isinstance(parsed, str) else locate_parsed(parsed, sources, all_of_it=all_of_it)


def resolve(uri: str, sources: Sources) -> Union[str, KacheryURI]:
    """What a name stands for: the path of a local file, or the URI of a stored one."""
    if uri.startswith("sha1dir://"):
        uri = _resolve_in_directory(uri, sources)
    if uri.startswith("sha1://"):
        return parse_uri(uri)
    if not os.path.isfile(uri):
        raise NotFound(f"'{uri}' is neither a kachery URI nor a file on this machine.")
    return uri


def locate_parsed(uri: KacheryURI, sources: Sources, *, all_of_it: bool = False) -> str:
    """The path of a file with these bytes, fetched first where they are not here."""
    store, daemon = find_place()
    path = store.find(uri.sha1)
    try:
        if path is not None and is_whole(store, daemon, uri.sha1, path, all_of_it):
            return path
    except (HashMismatch, FileChanged, AlreadyRunning) as reason:
        # From a daemon elsewhere it simply comes once more.
        if daemon is None or not daemon.is_remote:
            raise CannotBeHad(reason) from reason
    return _fetch(store, daemon, uri, sources)


def read_bytes(uri: str, sources: Sources) -> bytes:
    """All bytes of a file."""
    path = locate(uri, sources, all_of_it=True)
    with reading(path), open(path, "rb") as file:
        return file.read()


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Says what is wrong with a file that is here and cannot be read. Other libraries take an ``OSError`` to mean that
    there is no such file."""
    try:
        yield
    except PermissionError as error:
        raise PermissionDenied(f"You may not read {path}; ask its owner for access.") from error
    except OSError as error:
        raise StorageFailed(f"{path} could not be read ({error}). Check the disk, then load the file again.") from error


def _resolve_in_directory(uri: str, sources: Sources) -> str:
    try:
        return resolve_directory_uri(uri, lambda document: read_bytes(document, sources))
    except NotFound as reason:
        raise CannotBeHad(reason) from reason


def _fetch(store: LocalStore, daemon: Optional[Daemon], uri: KacheryURI, sources: Sources) -> str:
    if daemon is None:
        raise CannotBeHad(
            NotFound(
                f"{store.directory} does not hold the file, and no daemon is asked in offline mode. Start a daemon, and "
                "unset KACHERY_OFFLINE_STORAGE_DIR, to ask other nodes."
            )
        )
    if not sources.p2p:
        if daemon.is_remote:
            return _fetch_what_is_there(store, daemon, uri)
        raise CannotBeHad(
            NotFound("This node does not hold the file, and p2p=False forbids asking others; leave it out.")
        )
    path = _ask_daemon(daemon, uri, sources)
    if daemon.is_remote:
        return _remote.fetch(store, daemon, uri)
    if not isinstance(path, str) or not os.path.isfile(path):
        raise NotFound(
            f"The daemon has loaded the file to {path}, which cannot be seen from here. Check its mount and permissions."
        )
    return path


def _fetch_what_is_there(store: LocalStore, daemon: Daemon, uri: KacheryURI) -> str:
    try:
        return _remote.fetch(store, daemon, uri)
    except NotFound as reason:
        raise CannotBeHad(reason) from reason


def _ask_daemon(daemon: Daemon, uri: KacheryURI, sources: Sources) -> Any:
    request: Dict[str, Any] = {
        "fileKey": uri.file_key, "fromNode": sources.node, "fromChannel": sources.channel, "reportWaiting": True,
    }  # fmt: skip
    with daemon.stream("/loadFile", request) as messages, Progress(str(uri)) as progress:
        for message in messages:
            kind = message.get("type")
            if kind == "progress":
                progress.report(message)
            elif kind == "waiting":
                progress.report_wait(message)
            elif kind == "finished":
                next(messages, None)  # the end of the answer: the connection can serve again
                return message.get("localFilePath")
            elif kind == "error":
                next(messages, None)
                raise CannotBeHad(error_for(message.get("code"), str(message.get("error")), NotFound))
            else:
                raise ProtocolViolation(f"The daemon sent a message of the unknown type {kind!r}.")
    raise Disconnected(f"The daemon hung up before {uri} was loaded; load it again.")
