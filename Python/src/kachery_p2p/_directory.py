"""Folders as documents: ``sha1dir://HASH[.label]/path/inside``, whose HASH names JSON of files and folders."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Dict, Iterator, Tuple

from ._errors import BadFolder, NotInFolder
from ._uri import escape_label, parse_directory_uri

MAXIMUM_DEPTH = 30  # of folders in one another
_MAXIMUM_NAME = 255  # bytes; Linux has no longer ones
_MAXIMUM_DOCUMENT = 64 << 20  # bytes

Read = Callable[[str], bytes]
Folder = Dict[str, Dict[str, Any]]  # {"files": {NAME: {"size", "sha1"}}, "dirs": {NAME: Folder}}


def resolve_directory_uri(uri: str, read: Read) -> str:
    """The ``sha1://`` URI of a file inside a folder; ``read`` gives the document behind a URI."""
    entry, path = find_entry(uri, read)
    if "sha1" not in entry:
        raise NotInFolder(f"{uri} is a folder, no file.")
    return f"sha1://{entry['sha1']}/{escape_label(path.rpartition('/')[2])}"


def find_entry(uri: str, read: Read) -> Tuple[Dict[str, Any], str]:
    """What lies at the path of the URI, a folder or ``{"size", "sha1"}``, and that path."""
    sha1, path = parse_directory_uri(uri)
    return find_in(parse_folder(read(f"sha1://{sha1}")), path, uri)


def find_in(folder: Folder, path: str, uri: str) -> Tuple[Dict[str, Any], str]:
    """What lies at a path inside a folder, and that path without empty names. ``uri`` is for the error."""
    entry: Dict[str, Any] = folder
    names = [name for name in path.split("/") if name]
    for index, name in enumerate(names):
        is_last = index == len(names) - 1
        found = entry["dirs"].get(name) or (entry["files"].get(name) if is_last else None)
        if found is None:
            raise NotInFolder(f"There is no {'file or folder' if is_last else 'folder'} '{name}' in {uri}.")
        entry = found
    return entry, "/".join(names)


def parse_folder(content: bytes) -> Folder:
    """Reads a document, which anybody may have written. What it names can be written to a disk as it stands."""
    if len(content) > _MAXIMUM_DOCUMENT:
        raise BadFolder(f"The folder's document has more than {_MAXIMUM_DOCUMENT} bytes.")
    try:
        return _folder(json.loads(content, object_pairs_hook=_distinct), 0)
    except (ValueError, RecursionError) as error:
        raise BadFolder(f"The folder's document is not JSON: {error}.") from error


def write_folder(folder: Folder) -> bytes:
    """The document of a folder: members in this order and names by their bytes, so that its hash is the same
    wherever it is stored."""
    return json.dumps(_ordered(folder), separators=(",", ":")).encode()


def check_name(name: str) -> None:
    """Refuses a name that cannot be a file's or folder's."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise BadFolder(f"The folder holds the name {os.fsencode(name)!r}, which is not UTF-8.") from error
    if name in ("", ".", "..") or "/" in name or "\0" in name or size > _MAXIMUM_NAME:
        raise BadFolder(f"The folder holds the name {name[:300]!r}, which cannot be one of its own.")


def all_files(folder: Folder, prefix: str = "") -> Iterator[Tuple[str, Dict[str, Any]]]:
    """Every file below a folder, with its path from there."""
    for name, file in folder["files"].items():
        yield prefix + name, file
    for name, inner in folder["dirs"].items():
        yield from all_files(inner, f"{prefix}{name}/")


def all_folders(folder: Folder, prefix: str = "") -> Iterator[str]:
    """The path of every folder below one, each before those in it."""
    for name, inner in folder["dirs"].items():
        yield prefix + name
        yield from all_folders(inner, f"{prefix}{name}/")


def _ordered(folder: Folder) -> Folder:
    files, dirs = folder["files"], folder["dirs"]
    return {
        "files": {name: {"size": files[name]["size"], "sha1": files[name]["sha1"]} for name in _by_bytes(files)},
        "dirs": {name: _ordered(dirs[name]) for name in _by_bytes(dirs)},
    }


def _by_bytes(names: Dict[str, Any]) -> "list[str]":
    return sorted(names, key=str.encode)


def _distinct(members: "list[tuple[str, Any]]") -> Dict[str, Any]:
    names = dict(members)
    if len(names) != len(members):
        raise BadFolder("The folder's document holds one name twice.")
    return names


def _folder(value: Any, depth: int) -> Folder:
    if depth > MAXIMUM_DEPTH:
        raise BadFolder(f"The folder holds folders more than {MAXIMUM_DEPTH} deep in one another.")
    if not isinstance(value, dict) or not ("files" in value or "dirs" in value):
        raise BadFolder("The document is no folder: it has neither files nor dirs.")
    files, dirs = ({} if value.get(kind) is None else value[kind] for kind in ("files", "dirs"))
    if not isinstance(files, dict) or not isinstance(dirs, dict) or files.keys() & dirs.keys():
        raise BadFolder("The folder's files and dirs are not objects of distinct names.")
    for name in (*files, *dirs):
        check_name(name)
    return {
        "files": {name: _file(name, file) for name, file in files.items()},
        "dirs": {name: _folder(inner, depth + 1) for name, inner in dirs.items()},
    }


def _file(name: str, value: Any) -> Dict[str, Any]:
    size, sha1 = (value.get("size"), value.get("sha1")) if isinstance(value, dict) else (None, None)
    is_hash = isinstance(sha1, str) and len(sha1) == 40 and all(digit in "0123456789abcdefABCDEF" for digit in sha1)
    if not is_hash or type(size) is not int or size < 0:
        raise BadFolder(f"The folder's file {name!r} lacks its size or its sha1.")
    return {"size": size, "sha1": str(sha1).lower()}
