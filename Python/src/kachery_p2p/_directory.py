"""Folders as documents: in ``sha1dir://HASH[.label]/path/inside``, HASH names JSON that lists files and folders."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, Callable, Dict, Iterable

from ._errors import BadFolder, IsAFolder, NotInFolder
from ._uri import decode_name, escape_label, parse_directory_uri, paths_in_directory_uri

MAXIMUM_DEPTH = 30  # of nested folders
_MAXIMUM_NAME = 255  # bytes; the limit of Linux file systems
_MAXIMUM_DOCUMENT = 64 << 20  # bytes

Read = Callable[[str], bytes]
Folder = Dict[str, Dict[str, Any]]  # {"files": {NAME: {"size", "sha1"}}, "dirs": {NAME: Folder}}
# The names in a folder that a part of a path may mean, in the order in which to look for them.
Spellings = Callable[[Folder, str], Iterable[str]]


def resolve_directory_uri(uri: str, read: Read) -> str:
    """The ``sha1://`` URI of a file inside a folder. ``read`` returns the document that a URI names."""
    entry, path = find_entry(uri, read)
    if "sha1" not in entry:
        raise IsAFolder(f"{uri} is a folder, not a file.")
    return f"sha1://{entry['sha1']}/{escape_label(path.rpartition('/')[2])}"


def find_entry(uri: str, read: Read) -> tuple[dict[str, Any], str]:
    """The entry at the URI's path, a folder or ``{"size", "sha1"}``, and that path.

    The path is percent-encoded. If there is no entry with the decoded name, the name is as the URI spells it.
    """
    sha1, _ = parse_directory_uri(uri)
    return find_in(parse_folder(read(f"sha1://{sha1}")), paths_in_directory_uri(uri), uri, _spellings_in_uri)


def _spellings_in_uri(_: Folder, part: str) -> Iterable[str]:
    return dict.fromkeys((decode_name(part), part))


def find_in(folder: Folder, paths: Sequence[str], uri: str, spellings: Spellings) -> tuple[dict[str, Any], str]:
    """The entry at the first of these paths that exists in a folder, and its path. ``uri`` is for the error message."""
    reason: NotInFolder | None = None
    for path in paths:
        try:
            entry, names = _descend(folder, [part for part in path.split("/") if part], uri, spellings)
        except NotInFolder as error:
            reason = error
        else:
            return entry, "/".join(names)
    raise reason or NotInFolder(f"{uri} names nothing.")


def _descend(folder: Folder, parts: list[str], uri: str, spellings: Spellings) -> tuple[dict[str, Any], list[str]]:
    if not parts:
        return folder, []
    reason: NotInFolder | None = None
    for name in spellings(folder, parts[0]):
        if name in folder["dirs"]:
            try:
                entry, names = _descend(folder["dirs"][name], parts[1:], uri, spellings)
            except NotInFolder as error:
                reason = reason or error
            else:
                return entry, [name, *names]
        elif len(parts) == 1 and name in folder["files"]:
            return folder["files"][name], [name]
    kind = "file or folder" if len(parts) == 1 else "folder"
    raise reason or NotInFolder(f"There is no {kind} '{decode_name(parts[0])}' in {uri}.")


def parse_folder(content: bytes) -> Folder:
    """Parses an untrusted document. Every name in the result is safe to write to a disk."""
    if len(content) > _MAXIMUM_DOCUMENT:
        raise BadFolder(f"The folder's document has more than {_MAXIMUM_DOCUMENT} bytes.")
    try:
        return _folder(json.loads(content, object_pairs_hook=_distinct), 0)
    except (ValueError, RecursionError) as error:
        raise BadFolder(f"The folder's document is not JSON: {error}.") from error


def write_folder(folder: Folder) -> bytes:
    """The document of a folder.

    Members have a fixed order and names are sorted by their bytes, so every client computes the same hash.
    """
    return json.dumps(_ordered(folder), separators=(",", ":")).encode()


def check_name(name: str) -> None:
    """Raises ``BadFolder`` for a name that no file or folder can have."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise BadFolder(f"The folder contains the name {os.fsencode(name)!r}, which is not UTF-8.") from error
    if name in ("", ".", "..") or "/" in name or "\0" in name or size > _MAXIMUM_NAME:
        raise BadFolder(f"The folder contains {name[:300]!r}, which is not a valid file name.")


def all_files(folder: Folder, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every file below a folder, with its relative path."""
    for name, file in folder["files"].items():
        yield prefix + name, file
    for name, inner in folder["dirs"].items():
        yield from all_files(inner, f"{prefix}{name}/")


def all_folders(folder: Folder, prefix: str = "") -> Iterator[str]:
    """The relative path of every folder below a folder, parents first."""
    for name, inner in folder["dirs"].items():
        yield prefix + name
        yield from all_folders(inner, f"{prefix}{name}/")


def _ordered(folder: Folder) -> Folder:
    files, dirs = folder["files"], folder["dirs"]
    return {
        "files": {name: {"size": files[name]["size"], "sha1": files[name]["sha1"]} for name in _by_bytes(files)},
        "dirs": {name: _ordered(dirs[name]) for name in _by_bytes(dirs)},
    }


def _by_bytes(names: dict[str, Any]) -> list[str]:
    return sorted(names, key=str.encode)


def _distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(members)
    if len(names) != len(members):
        raise BadFolder("The folder's document contains a name twice.")
    return names


def _folder(value: Any, depth: int) -> Folder:
    if depth > MAXIMUM_DEPTH:
        raise BadFolder(f"Folders are nested more than {MAXIMUM_DEPTH} levels deep.")
    if not isinstance(value, dict) or not ("files" in value or "dirs" in value):
        raise BadFolder("The document is not a folder: it has neither files nor dirs.")
    files, dirs = ({} if value.get(kind) is None else value[kind] for kind in ("files", "dirs"))
    if not isinstance(files, dict) or not isinstance(dirs, dict) or files.keys() & dirs.keys():
        raise BadFolder("The folder's files and dirs must be objects, and no name may be in both.")
    for name in (*files, *dirs):
        check_name(name)
    return {
        "files": {name: _file(name, file) for name, file in files.items()},
        "dirs": {name: _folder(inner, depth + 1) for name, inner in dirs.items()},
    }


def _file(name: str, value: Any) -> dict[str, Any]:
    size, sha1 = (value.get("size"), value.get("sha1")) if isinstance(value, dict) else (None, None)
    is_hash = isinstance(sha1, str) and len(sha1) == 40 and all(digit in "0123456789abcdefABCDEF" for digit in sha1)
    if not is_hash or type(size) is not int or size < 0:
        raise BadFolder(f"The folder's file {name!r} lacks its size or its sha1.")
    return {"size": size, "sha1": str(sha1).lower()}
