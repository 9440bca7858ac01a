"""Stored files and folders for fsspec, and so for pandas, xarray, Zarr and Dask: ``sha1://…`` and ``sha1dir://…``.

The package declares both to fsspec, which finds them by the beginning of a URI; nothing needs to be imported. Options
(``storage_options``) are ``p2p``, ``from_node`` and ``from_channel``, as those of ``load_file``.

fsspec, and what reads through it, take some exceptions for the absence of a file, and an absent chunk of an array for
fill values: Zarr 2 does so with every ``OSError``. So the only errors of that kind that leave here are
``FileNotFoundError``, where a folder's own document lacks the name, and ``IsADirectoryError``. What is named and cannot
be had is a ``KacheryError``, which is neither an ``OSError`` nor a ``KeyError``.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

from fsspec.spec import AbstractFileSystem

from ._directory import Folder, find_in, parse_folder
from ._errors import HashMismatch, KacheryError, NotInFolder, StorageFailed
from ._locate import Sources, or_raise, read_bytes
from ._open import open_content
from ._ranges import Content, find_content
from ._uri import parse_directory_uri, parse_uri

Info = Dict[str, Any]

_ABSENT = (FileNotFoundError, IsADirectoryError)


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
        content = self._content(path)
        with _as_kachery_errors(self._uri(path)):
            return open_content(content)

    def cat_file(self, path: str, start: Optional[int] = None, end: Optional[int] = None, **_: Any) -> bytes:
        """The bytes from ``start`` to ``end``; negative ones count from the end, as in a slice."""
        content = self._content(path)
        with _as_kachery_errors(self._uri(path)):
            first, last, _step = slice(start, end).indices(content.size)
            return or_raise(lambda: content.read(first, max(first, last)))

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **options: Any) -> Any:
        """The bytes of one file, or those of several by their paths.

        ``on_error="omit"`` and ``"return"`` are for names that a folder lacks. What cannot be had raises in any case:
        fsspec's mapper, and so Zarr before 2.18, leaves out whatever is returned as an exception.
        """
        paths = self.expand_path(path, recursive=recursive)
        if isinstance(path, str) and paths == [self._strip_protocol(path)]:
            return self.cat_file(paths[0], **options)
        found: Dict[str, Any] = {}
        for name in paths:
            if recursive and self.isdir(name):
                continue
            try:
                found[name] = self.cat_file(name, **options)
            except _ABSENT as error:
                if on_error == "raise":
                    raise
                if on_error == "return":
                    found[name] = error
        return found

    def cat_ranges(
        self, paths: Any, starts: Any, ends: Any, max_gap: Optional[int] = None, on_error: str = "return", **_: Any
    ) -> List[Any]:
        """The bytes of several ranges. ``on_error`` is that of ``cat``."""
        starts = starts if isinstance(starts, list) else [starts] * len(paths)
        ends = ends if isinstance(ends, list) else [ends] * len(paths)
        if not len(paths) == len(starts) == len(ends):
            raise ValueError("Each path needs a start and an end.")
        found: List[Any] = []
        for path, start, end in zip(paths, starts, ends):
            try:
                found.append(self.cat_file(path, start, end))
            except _ABSENT as error:
                if on_error != "return":
                    raise
                found.append(error)
        return found

    def exists(self, path: str, **_: Any) -> bool:
        """Whether there is such a name. A folder whose document cannot be had raises: nobody knows then."""
        return self._type(path) is not None

    def isfile(self, path: str) -> bool:
        """Whether there is such a file."""
        return self._type(path) == "file"

    def isdir(self, path: str) -> bool:
        """Whether there is such a folder."""
        return self._type(path) == "directory"

    def ls(self, path: str, detail: bool = True, **_: Any) -> Union[List[Info], List[str]]:
        """What lies in a folder; of a file, itself."""
        entries = self._entries(self._strip_protocol(path))
        return entries if detail else [entry["name"] for entry in entries]

    def checksum(self, path: str) -> int:
        """A number that is the same for the same content."""
        return int(self.ukey(path), 16)

    def ukey(self, path: str) -> str:
        """The content's hash."""
        info = self.info(path)
        if info["type"] == "directory":
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self._uri(path))
        return str(info["sha1"])

    def _type(self, path: str) -> Optional[str]:
        try:
            return str(self.info(path)["type"])
        except FileNotFoundError:
            return None

    def _uri(self, path: str) -> str:
        return f"{self.protocol}://{self._strip_protocol(path)}"

    def _content(self, path: str) -> Content:
        raise NotImplementedError

    def _entries(self, path: str) -> List[Info]:
        raise NotImplementedError


class KacheryFileSystem(_ReadOnlyFileSystem):
    """Single files: ``sha1://HASH/name?manifest=…``. Such a name is never absent: some node may have the file."""

    protocol = "sha1"

    def info(self, path: str, **_: Any) -> Info:
        """``{"name", "size", "type", "sha1"}``."""
        content = self._content(path)
        with _as_kachery_errors(self._uri(path)):
            size = content.size
        return {
            "name": self._strip_protocol(path),
            "size": size,
            "type": "file",
            "sha1": parse_uri(self._uri(path)).sha1,
        }

    def glob(self, path: str, **options: Any) -> Any:
        """The path itself: the question mark of a URI is no pattern."""
        name = self._strip_protocol(path)
        return {name: self.info(name)} if options.get("detail") else [name]

    def _content(self, path: str) -> Content:
        uri = self._uri(path)
        with _as_kachery_errors(uri):
            return or_raise(lambda: find_content(uri, self._sources))

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
        return _info(name, self._find(name)[1])

    def glob(self, path: str, **options: Any) -> Any:
        """The paths that fit a pattern. A path that a folder holds as it stands is no pattern."""
        name = self._strip_protocol(path)
        if not self.exists(name):
            return super().glob(path, **options)
        return {name: self.info(name)} if options.get("detail") else [name]

    def _content(self, path: str) -> Content:
        uri, entry = self._find(self._strip_protocol(path))
        if "sha1" not in entry:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), uri)
        with _as_kachery_errors(uri):
            content = or_raise(lambda: find_content(f"sha1://{entry['sha1']}", self._sources))
            if content.size != entry["size"]:
                raise HashMismatch(
                    f"The folder says that the file has {entry['size']} bytes, and it has {content.size} here. Run "
                    "kachery verify; if that finds nothing, ask for the folder to be stored again."
                )
            return content

    def _entries(self, path: str) -> List[Info]:
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
            with _as_kachery_errors(uri):
                document = or_raise(lambda: read_bytes(f"sha1://{sha1}", self._sources))
                self._folders[sha1] = parse_folder(document)
        # A question mark begins the query of a URI; it may be part of a name that `ls` answered.
        for candidate in (path.partition("/")[2], inner):
            try:
                return uri, find_in(self._folders[sha1], candidate, uri)[0]
            except NotInFolder as error:
                reason = error
        raise FileNotFoundError(errno.ENOENT, str(reason), path) from reason


def _info(name: str, entry: Dict[str, Any]) -> Info:
    if "sha1" in entry:
        return {"name": name, "size": entry["size"], "type": "file", "sha1": entry["sha1"]}
    return {"name": name, "size": 0, "type": "directory"}


@contextmanager
def _as_kachery_errors(uri: str) -> Iterator[None]:
    """Names the URI in every error, and lets out none that would be taken for absence."""
    try:
        yield
    except KacheryError as error:
        raise type(error)(f"{uri}: {error}", error.code) from error
    except (OSError, LookupError) as error:
        raise StorageFailed(
            f"{uri} could not be read ({error!r}). Check the disk, then load the file again."
        ) from error
