"""Folders: ``sha1dir://HASH[.label]/path/inside``, whose HASH names a JSON document of files and folders."""

from __future__ import annotations

from typing import Any, Callable

from ._errors import NotFound
from ._uri import parse_directory_uri


def resolve_directory_uri(uri: str, read: Callable[[str], Any]) -> str:
    """The ``sha1://`` URI of a file inside a folder; ``read`` gives the JSON document behind a URI."""
    sha1, path = parse_directory_uri(uri)
    folder = read(f"sha1://{sha1}")
    *folders, name = [part for part in path.split("/") if part] or [""]
    for part in folders:
        folder = _entry(folder, "dirs", part, uri)
    digest = _entry(folder, "files", name, uri).get("sha1")
    if not isinstance(digest, str):
        raise NotFound(f"{uri} names a file without a SHA-1.")
    return f"sha1://{digest}/{name}"


def _entry(folder: Any, kind: str, name: str, uri: str) -> Any:
    entries = folder.get(kind) if isinstance(folder, dict) else None
    entry = entries.get(name) if isinstance(entries, dict) else None
    if not isinstance(entry, dict):
        what = "folder" if kind == "dirs" else "file"
        raise NotFound(f"There is no {what} '{name}' in {uri}.")
    return entry
