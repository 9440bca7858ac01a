"""Stored files and folders for fsspec, and so for pandas, xarray, Zarr and Dask: ``sha1://…`` and ``sha1dir://…``.

The package declares both to fsspec, which finds them by the beginning of a URI; nothing needs to be imported. Options
(``storage_options``) are ``p2p``, ``from_node`` and ``from_channel``, as those of ``load_file``.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

from fsspec.spec import AbstractFileSystem

from ._directory import Folder, parse_folder
from ._errors import BadRequest, NotFound
from ._locate import Sources, or_raise, read_bytes
from ._open import open_binary
from ._ranges import Content, find_content
from ._uri import parse_directory_uri, parse_uri

Info = Dict[str, Any]


class _ReadOnlyFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """What both have in common: nothing can be written, and what is there never changes."""

    cachable = True
    root_marker = ""

    def __init__(
        self,
        p2p: bool = True,
        from_node: Optional[str] = None,
        from_channel: Optional[str] = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._sources = Sources(p2p, from_node, from_channel)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode != "rb":
            raise OSError(errno.EROFS, "What is stored in kachery never changes", path)
        with _as_file_errors(path):
            return open_binary(self._uri(path), self._sources)

    def cat_file(self, path: str, start: Optional[int] = None, end: Optional[int] = None, **_: Any) -> bytes:
        """The bytes from ``start`` to ``end``; negative ones count from the end, as in a slice."""
        with _as_file_errors(path):
            content = self._content(path)
            first, last, _step = slice(start, end).indices(content.size)
            return or_raise(lambda: content.read(first, max(first, last)))

    def ls(self, path: str, detail: bool = True, **_: Any) -> Union[List[Info], List[str]]:
        """What lies in a folder; of a file, itself."""
        entries = self._entries(self._strip_protocol(path))
        return entries if detail else [entry["name"] for entry in entries]

    def checksum(self, path: str) -> int:
        """A number that is the same for the same content."""
        return int(self.info(path)["sha1"], 16)

    def ukey(self, path: str) -> str:
        """The content's hash."""
        return str(self.info(path)["sha1"])

    def _content(self, path: str) -> Content:
        uri = self._uri(path)
        return or_raise(lambda: find_content(uri, self._sources))

    def _uri(self, path: str) -> str:
        return f"{self.protocol}://{self._strip_protocol(path)}"

    def _entries(self, path: str) -> List[Info]:
        raise NotImplementedError


class KacheryFileSystem(_ReadOnlyFileSystem):
    """Single files: ``sha1://HASH/name?manifest=…``."""

    protocol = "sha1"

    def info(self, path: str, **_: Any) -> Info:
        """``{"name", "size", "type", "sha1"}``."""
        name = self._strip_protocol(path)
        with _as_file_errors(path):
            return {
                "name": name,
                "size": self._content(path).size,
                "type": "file",
                "sha1": parse_uri(self._uri(path)).sha1,
            }

    def glob(self, path: str, maxdepth: Optional[int] = None, **_: Any) -> Any:
        """The path itself: the question mark of a URI is no pattern."""
        return [self._strip_protocol(path)] if self.exists(path) else []

    def _entries(self, path: str) -> List[Info]:
        return [self.info(path)]


class KacheryFolderFileSystem(_ReadOnlyFileSystem):
    """Folders: ``sha1dir://HASH.label/path/inside``."""

    protocol = "sha1dir"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._folders: Dict[str, Folder] = {}

    def info(self, path: str, **_: Any) -> Info:
        """``{"name", "size", "type"}``, and ``sha1`` of a file."""
        name = self._strip_protocol(path)
        with _as_file_errors(path):
            return _info(name, self._find(name)[1])

    def _content(self, path: str) -> Content:
        uri, entry = self._find(self._strip_protocol(path))
        if "sha1" not in entry:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), uri)
        return or_raise(lambda: find_content(f"sha1://{entry['sha1']}", self._sources))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        with _as_file_errors(path):
            uri, entry = self._find(self._strip_protocol(path))
        if mode == "rb" and "sha1" not in entry:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), uri)
        return super()._open(path, mode, **options)

    def _entries(self, path: str) -> List[Info]:
        with _as_file_errors(path):
            _, entry = self._find(path)
        if "sha1" in entry:
            return [_info(path, entry)]
        inside = {**entry["dirs"], **entry["files"]}
        return [_info(f"{path}/{name}", inside[name]) for name in sorted(inside)]

    def _find(self, path: str) -> Tuple[str, Dict[str, Any]]:
        """What lies at a path, a folder or ``{"size", "sha1"}``; a folder's document is read once."""
        uri = f"sha1dir://{path}"
        sha1, inner = parse_directory_uri(uri)
        if sha1 not in self._folders:
            document = or_raise(lambda: read_bytes(f"sha1://{sha1}", self._sources))
            self._folders[sha1] = parse_folder(document)
        entry: Dict[str, Any] = self._folders[sha1]
        for name in filter(None, inner.split("/")):
            found = entry["dirs"].get(name) or entry["files"].get(name) if "dirs" in entry else None
            if found is None:
                raise NotFound(f"There is no '{name}' in {uri}.")
            entry = found
        return uri, entry


def _info(name: str, entry: Dict[str, Any]) -> Info:
    if "sha1" in entry:
        return {"name": name, "size": entry["size"], "type": "file", "sha1": entry["sha1"]}
    return {"name": name, "size": 0, "type": "directory"}


@contextmanager
def _as_file_errors(path: str) -> Iterator[None]:
    """What cannot be had is what fsspec expects of a file that is absent. Anything else keeps its reason."""
    try:
        yield
    except (NotFound, BadRequest) as error:
        raise FileNotFoundError(errno.ENOENT, str(error), path) from error
