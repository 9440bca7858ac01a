"""Storing and loading whole folders."""

from __future__ import annotations

import os
from typing import Any, Dict, Optional

from ._directory import MAXIMUM_DEPTH, Folder, all_files, all_folders, check_name, find_entry, write_folder
from ._errors import BadFolder, BadRequest, NotFound
from ._load import copy_file, unless_absent
from ._locate import CannotBeHad, Sources, locate, read_bytes
from ._store import store_bytes, store_file
from ._uri import escape_label, parse_uri

_THREADS = 8  # that load the files of a folder: enough to keep the daemon busy with small ones


def store_dir(path: str, label: Optional[str] = None) -> str:
    """Stores all files in a folder and below it, and answers a URI for the whole: ``sha1dir://HASH.label``.

    Names and contents are kept; times, owners and permissions are not. Links are followed.

    Args:
        path: The folder.
        label: The name behind the hash, for people; the folder's own where it is left out.
    """
    if not os.path.isdir(path):
        raise NotFound(f"There is no folder {path}.")
    name = escape_label(_name_of(path) if label is None else label)
    document = store_bytes(write_folder(_store_folder(path, 0)), "folder.json")
    return f"sha1dir://{parse_uri(document).sha1}" + (f".{name}" if name else "")


def read_dir(
    uri: str,
    p2p: bool = True,
    from_node: Optional[str] = None,
    from_channel: Optional[str] = None,
    *,
    strict: Optional[bool] = None,
) -> Optional[Dict[str, Any]]:
    """What a stored folder holds: ``{"files": {NAME: {"size", "sha1"}}, "dirs": {NAME: …}}``.

    The arguments are those of ``load_file``; the URI may go on with a path inside the folder.
    """
    return unless_absent(uri, strict, lambda: _find_folder(uri, Sources(p2p, from_node, from_channel)))


def load_dir(
    uri: str,
    dest: str,
    p2p: bool = True,
    from_node: Optional[str] = None,
    from_channel: Optional[str] = None,
    *,
    strict: Optional[bool] = None,
) -> Optional[str]:
    """Loads a stored folder to ``dest``, which is made if need be, and answers ``dest``.

    Nothing is written before everything has been loaded. The other arguments are those of ``load_file``.
    """
    if os.path.exists(dest) and not os.path.isdir(dest):
        raise BadRequest(f"{dest} is no folder; name one to load to.")
    return unless_absent(uri, strict, lambda: _load(uri, dest, Sources(p2p, from_node, from_channel)))


def _find_folder(uri: str, sources: Sources) -> Folder:
    if not uri.startswith("sha1dir://"):
        raise BadRequest(f"'{uri}' is no URI of a folder: it does not begin with sha1dir://.")
    try:
        entry, _ = find_entry(uri, lambda document: read_bytes(document, sources))
    except NotFound as reason:
        raise CannotBeHad(reason) from reason
    if "files" not in entry:
        raise CannotBeHad(NotFound(f"{uri} is a file, no folder."))
    return entry


def _load(uri: str, dest: str, sources: Sources) -> str:
    from concurrent.futures import ThreadPoolExecutor

    folder = _find_folder(uri, sources)
    files = list(all_files(folder))
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            paths = list(pool.map(lambda file: locate(f"sha1://{file[1]['sha1']}", sources, all_of_it=True), files))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    os.makedirs(dest, exist_ok=True)
    for path in all_folders(folder):
        os.makedirs(os.path.join(dest, path), exist_ok=True)
    for (path, _), source in zip(files, paths):
        copy_file(source, os.path.join(dest, path))
    return dest


def _name_of(path: str) -> str:
    name = os.path.basename(path.rstrip("/"))
    return name if name not in ("", ".", "..") else os.path.basename(os.path.realpath(path))


def _store_folder(path: str, depth: int) -> Folder:
    if depth > MAXIMUM_DEPTH:
        raise BadFolder(f"{path} lies more than {MAXIMUM_DEPTH} folders deep; does a link lead back to its own folder?")
    folder: Folder = {"files": {}, "dirs": {}}
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            check_name(entry.name)
            if entry.is_dir():
                folder["dirs"][entry.name] = _store_folder(entry.path, depth + 1)
            elif entry.is_file():
                sha1 = parse_uri(store_file(entry.path, "")).sha1
                folder["files"][entry.name] = {"size": entry.stat().st_size, "sha1": sha1}
            else:
                raise BadFolder(f"{entry.path} is neither a file nor a folder, so the folder cannot be stored.")
    return folder
