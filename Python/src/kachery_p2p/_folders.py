"""Storing and loading folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ._directory import MAXIMUM_DEPTH, Folder, all_files, all_folders, check_name, find_entry, write_folder
from ._errors import BadFolder, BadRequest, MissingFile, NotFound
from ._folder_destination import FolderDestination, written_files
from ._globs import GlobPattern
from ._load import copy_file, unless_absent
from ._locate import Sources, Unavailable, locate_parsed, read_bytes
from ._os_errors import translated
from ._progress import FileOfFolder, FolderProgress
from ._store import store_bytes, store_path
from ._text import path_text
from ._uri import KacheryURI, escape_label, parse_uri

_THREADS = 8  # that load the files of a folder: enough to keep the daemon busy with small files


def store_dir(path: str, label: str | None = None, exclude: Sequence[str] = ()) -> str:
    """Stores all files in a folder and its subfolders. Returns one URI for all of it: ``sha1dir://HASH.label``.

    Names and contents are stored; times, owners and permissions are not. Links are followed.

    Args:
        path: The folder.
        label: A name for people, after the hash; the default is the folder's name.
        exclude: Patterns of what to leave out, as for ``kachery store --exclude``: ``*.tmp``, ``.git/``, ``raw/**/x``.

    Example:
        >>> kp.store_dir("session7", exclude=["*.tmp"])
        'sha1dir://1339ef4a8fa77db4f97ce8b5ae43c1a5f9033694.session7'
    """
    if isinstance(exclude, str):
        raise BadRequest(f"exclude is a list of patterns: write [{exclude!r}].")
    path = path_text(path)
    if not os.path.isdir(path):
        reason = "is a file; store it with kachery_p2p.store_file" if os.path.exists(path) else "does not exist"
        raise MissingFile(f"The folder {path} {reason}.")
    given = _name_of(path) if label is None else label
    name = escape_label(given)
    patterns = [GlobPattern(pattern) for pattern in exclude]
    place = f"{given}/" if given else ""
    document = store_bytes(write_folder(_store_folder(path, place, "", patterns, 0)), place)
    return f"sha1dir://{parse_uri(document).sha1}" + (f".{name}" if name else "")


def read_dir(
    uri: str,
    p2p: bool = True,
    from_node: str | None = None,
    from_channel: str | None = None,
    *,
    strict: bool | None = None,
) -> dict[str, Any] | None:
    """The contents of a stored folder: ``{"files": {NAME: {"size", "sha1"}}, "dirs": {NAME: …}}``.

    The arguments are those of ``load_file``. The URI may end with a path inside the folder.

    Example:
        >>> sorted(kp.read_dir(kp.store_dir("session7"))["files"])
        ['a.txt', 'b.txt']
    """
    return unless_absent(uri, strict, lambda: _find_folder(uri, Sources(p2p, from_node, from_channel)))


def load_dir(
    uri: str,
    dest: str,
    p2p: bool = True,
    from_node: str | None = None,
    from_channel: str | None = None,
    *,
    strict: bool | None = None,
) -> str | None:
    """Loads a stored folder to ``dest``, creates ``dest`` if necessary, and returns it.

    Nothing is written until everything has been loaded. A new folder appears when all files are in it: until then it is
    a hidden folder beside ``dest``. In a folder that exists, files of the same name are replaced and other files stay;
    until all are in it, it contains a file ``unfinished-….kachery-partial``. After an interruption, the next call
    continues. The other arguments are those of ``load_file``.

    Example:
        >>> kp.load_dir(kp.store_dir("session7"), "copy-of-session7")
        'copy-of-session7'
    """
    dest = path_text(dest)
    if os.path.exists(dest) and not os.path.isdir(dest):
        raise BadRequest(f"{dest} is not a folder; name a folder to load to.")
    return unless_absent(uri, strict, lambda: _load(uri, dest, Sources(p2p, from_node, from_channel)))


def _find_folder(uri: str, sources: Sources) -> Folder:
    if not uri.startswith("sha1dir://"):
        raise BadRequest(f"'{uri}' is not a folder's URI: it does not begin with sha1dir://.")
    try:
        entry, _ = find_entry(uri, lambda document: read_bytes(document, sources))
    except NotFound as reason:
        raise Unavailable(reason) from reason
    if "files" not in entry:
        raise Unavailable(NotFound(f"{uri} is a file, not a folder."))
    return entry


def _load(uri: str, dest: str, sources: Sources) -> str:
    folder = _find_folder(uri, sources)
    while True:
        written = written_files(dest, folder)
        paths = _load_files(uri, folder, written, sources)
        with translated("write to", dest, "Check the disk, or choose another destination."):
            if _place(paths, written, dest, folder):
                return dest


def _place(paths: dict[str, str], written: set[str], dest: str, folder: Folder) -> bool:
    """Writes the folder from the copies at ``paths``. The files in ``written`` are there already.

    Returns ``False`` if they are there no longer: another process has finished the folder, so begin again.
    """
    with FolderDestination(dest, folder) as destination:
        if not destination.contains(written):
            destination.remove_hidden()
            return False
        _write(paths, destination.place, folder)
        if destination.finish():
            return True
        # The folder has appeared in the meantime, such as by another process.
        there = {path: os.path.join(destination.place, path) for path in written}
        with FolderDestination(dest, folder) as other:
            _write({**paths, **there}, other.place, folder)
            other.finish()
        destination.remove_hidden()
    return True


def _load_files(uri: str, folder: Folder, written: set[str], sources: Sources) -> dict[str, str]:
    """Loads the files that are not written yet. Returns where the bytes of each are."""
    from concurrent.futures import ThreadPoolExecutor

    label = _label_of(uri)
    files = list(all_files(folder))
    missing = [(path, file) for path, file in files if path not in written]
    with FolderProgress(uri, [file["size"] for _, file in files]) as progress, ThreadPoolExecutor(_THREADS) as pool:

        def load(name: str, file: dict[str, Any]) -> str:
            named = KacheryURI(file["sha1"], escape_label(label + name))
            path = locate_parsed(named, sources, all_of_it=True, progress=FileOfFolder(progress))
            progress.has(file["size"])
            return path

        for path, file in files:
            if path in written:
                progress.has(file["size"])
        loads = [pool.submit(load, path, file) for path, file in missing]
        try:
            return {path: found.result() for (path, _), found in zip(missing, loads)}
        except BaseException:
            for found in loads:
                found.cancel()
            raise


def _write(paths: dict[str, str], place: str, folder: Folder) -> None:
    for path in all_folders(folder):
        os.makedirs(os.path.join(place, path), exist_ok=True)
    for path, _ in all_files(folder):
        if path in paths:
            copy_file(paths[path], os.path.join(place, path))


def _label_of(uri: str) -> str:
    """What to write before the names of a folder's files."""
    from urllib.parse import unquote

    label = uri[len("sha1dir://") :].partition("/")[0].partition(".")[2]
    return f"{unquote(label)}/" if label else ""


def _name_of(path: str) -> str:
    name = os.path.basename(path.rstrip("/"))
    return name if name not in ("", ".", "..") else os.path.basename(os.path.realpath(path))


def _store_folder(path: str, place: str, below: str, exclude: list[GlobPattern], depth: int) -> Folder:
    """Stores the folder at ``path``, which is ``below`` in the whole one; the files are listed below ``place``."""
    if depth > MAXIMUM_DEPTH:
        raise BadFolder(
            f"{path} is more than {MAXIMUM_DEPTH} folders deep; does a link point to one of its own parents?"
        )
    folder: Folder = {"files": {}, "dirs": {}}
    with translated("read", path, "Check the disk, then store the folder again."), os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            check_name(entry.name)
            relative = below + entry.name
            if any(pattern.matches(relative, entry.is_dir()) for pattern in exclude):
                continue
            if entry.is_dir():
                folder["dirs"][entry.name] = _store_folder(entry.path, place, f"{relative}/", exclude, depth + 1)
            elif entry.is_file():
                sha1 = store_path(entry.path, place + relative).sha1
                folder["files"][entry.name] = {"size": entry.stat().st_size, "sha1": sha1}
            else:
                raise BadFolder(f"{entry.path} is neither a file nor a folder, so its folder cannot be stored.")
    return folder
