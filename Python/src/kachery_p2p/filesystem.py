"""Stored files and folders for fsspec, and so for pandas, xarray, Zarr and Dask: ``sha1://…`` and ``sha1dir://…``.

The package registers both schemes with fsspec, so nothing needs to be imported. The options (``storage_options``) are
``p2p``, ``from_node`` and ``from_channel``, as for ``load_file``.

fsspec and the libraries that use it take some exceptions to mean that a file is absent, and they read an absent chunk
of an array as fill values; Zarr 2 does so for every ``OSError``. Therefore the only such errors that this module raises
when it reads are ``FileNotFoundError``, if the folder's document does not list the name, and ``IsADirectoryError``. A
listed file that is unavailable raises a ``KacheryError``, which is neither an ``OSError`` nor a ``KeyError``.

Paths are those of fsspec: names as they are, not percent-encoded. A URI is decoded when its protocol is stripped.
"""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Dict, NoReturn

from fsspec.spec import AbstractFileSystem
from fsspec.utils import stringify_path

from . import _open
from ._directory import Folder, find_in, parse_folder
from ._errors import HashMismatch, KacheryError, NeverChanges, NotInFolder, StorageFailed
from ._locate import Sources, or_raise, read_bytes
from ._open import Chunks, LocalFile
from ._ranges import ChunkedFile, Content, find_content
from ._uri import decode_name, escape_label, parse_directory_uri, parse_uri

Info = Dict[str, Any]

_ABSENT = (FileNotFoundError, IsADirectoryError)
_QUERY = re.compile(r"(.*)(\?(?:manifest|chunkOf)=[0-9a-fA-F]{40}[^/]*)\Z", re.DOTALL)


class _ReadOnlyFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The common part of both: nothing can be written, and contents never change."""

    cachable = True
    root_marker = ""

    def __init__(
        self,
        p2p: bool = True,
        from_node: str | None = None,
        from_channel: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._sources = Sources(p2p, from_node, from_channel)

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **_: Any) -> Any:
        if mode != "rb":
            _never(path)
        content = self._content(path)
        with _as_kachery_errors(self._uri(path)):
            return _File(self, path, content, block_size or _open._BUFFER)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """The bytes from ``start`` to ``end``. Negative values count from the end, as in a slice."""
        content = self._content(path)
        with _as_kachery_errors(self._uri(path)):
            first, last, _step = slice(start, end).indices(content.size)
            return or_raise(lambda: content.read(first, max(first, last)))

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **options: Any) -> Any:
        """The bytes of one file, or of several files by their paths.

        ``on_error="omit"`` and ``"return"`` apply only to names that the folder does not list. An unavailable file
        always raises: fsspec's mapper, and so Zarr before 2.18, would omit a file whose exception is returned.
        """
        paths = self.expand_path(path, recursive=recursive)
        if isinstance(path, str) and paths == [self._strip_protocol(path)]:
            return self.cat_file(paths[0], **options)
        found: dict[str, Any] = {}
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
        self, paths: Any, starts: Any, ends: Any, max_gap: int | None = None, on_error: str = "return", **_: Any
    ) -> list[Any]:
        """The bytes of several ranges. ``on_error`` is as in ``cat``."""
        starts = starts if isinstance(starts, list) else [starts] * len(paths)
        ends = ends if isinstance(ends, list) else [ends] * len(paths)
        if not len(paths) == len(starts) == len(ends):
            raise ValueError("Each path needs a start and an end.")
        found: list[Any] = []
        for path, start, end in zip(paths, starts, ends):
            try:
                found.append(self.cat_file(path, start, end))
            except _ABSENT as error:
                if on_error != "return":
                    raise
                found.append(error)
        return found

    def exists(self, path: str, **_: Any) -> bool:
        """Whether the name exists. Raises if the folder's document is unavailable, because then that is unknown."""
        return self._type(path) is not None

    def isfile(self, path: str) -> bool:
        """Whether the name is a file."""
        return self._type(path) == "file"

    def isdir(self, path: str) -> bool:
        """Whether the name is a folder."""
        return self._type(path) == "directory"

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Info] | list[str]:
        """The entries of a folder; for a file, the file itself."""
        entries = self._entries(self._strip_protocol(path))
        return entries if detail else [entry["name"] for entry in entries]

    def checksum(self, path: str) -> int:
        """A number that identifies the content."""
        return int(self.ukey(path), 16)

    def ukey(self, path: str) -> str:
        """The hash of the content."""
        info = self.info(path)
        if info["type"] == "directory":
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self._uri(path))
        return str(info["sha1"])

    def _type(self, path: str) -> str | None:
        try:
            return str(self.info(path)["type"])
        except FileNotFoundError:
            return None

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, (list, tuple)):
            return [cls._strip_protocol(one) for one in path]
        text = str(stringify_path(path))
        scheme = f"{cls.protocol}://"
        return (cls._path_of(text[len(scheme) :]) if text.startswith(scheme) else text).rstrip("/")

    @classmethod
    def _path_of(cls, place: str) -> str:
        """The path for what follows ``://`` in a URI."""
        raise NotImplementedError

    def unstrip_protocol(self, name: str) -> str:
        """The URI of a path. Two colons, which in fsspec separate URIs, are escaped as well."""
        scheme = f"{self.protocol}://"
        return scheme + self._uri(name)[len(scheme) :].replace("::", "%3A%3A")

    def _uri(self, path: str) -> str:
        first, *names = self._strip_protocol(path).split("/")
        return f"{self.protocol}://" + "/".join([first, *map(escape_label, names)])

    def mkdir(self, path: str, *_: Any, **__: Any) -> None:
        """Raises, as all that would write do: what is stored never changes."""
        _never(path)

    makedirs = rmdir = rm_file = _rm = touch = pipe_file = mkdir

    def rm(self, path: Any, *_: Any, **__: Any) -> None:
        """Raises: files are removed with the command kachery rm."""
        _never(path)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Raises."""
        _never(path2)

    def mv(self, path1: str, path2: str, *_: Any, **__: Any) -> None:
        """Raises."""
        _never(path1)

    def put_file(self, lpath: Any, rpath: str, *_: Any, **__: Any) -> None:
        """Raises: files are stored with ``kachery_p2p.store_file``."""
        _never(rpath)

    put = copy = put_file

    def _content(self, path: str) -> Content:
        raise NotImplementedError

    def _entries(self, path: str) -> list[Info]:
        raise NotImplementedError


class KacheryFileSystem(_ReadOnlyFileSystem):
    """Single files: ``sha1://HASH/name?manifest=…``. They always exist, because some node may have the file.
    Their paths, ``HASH?manifest=…/name``, end with the name, from which fsspec infers the compression.

    Example:
        >>> fsspec.filesystem("sha1").cat(kp.store_text("t,mood"))
        b't,mood'
    """

    protocol = "sha1"

    @classmethod
    def _path_of(cls, place: str) -> str:
        first, slash, label = place.partition("/")
        query = parameters = ""
        if "?" not in first:
            rest, query, parameters = place.partition("?")
            first, slash, label = rest.partition("/")
        return first + query + parameters + slash + "/".join(map(decode_name, label.split("/")))

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        stripped = super()._strip_protocol(path)
        if isinstance(stripped, list) or "?" in stripped.partition("/")[0]:
            return stripped
        # A path whose query has not moved: a URI without its scheme.
        parts = _QUERY.match(stripped)
        if parts is None:
            return stripped
        return cls._path_of(stripped)

    def _uri(self, path: str) -> str:
        first, slash, label = self._strip_protocol(path).partition("/")
        sha1, query, parameters = first.partition("?")
        name = "/".join(map(escape_label, label.split("/")))
        return f"{self.protocol}://{sha1}{slash}{name}{query}{parameters}"

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
        """The path itself: the question mark in a URI is not a pattern."""
        name = self._strip_protocol(path)
        return {name: self.info(name)} if options.get("detail") else [name]

    def _content(self, path: str) -> Content:
        uri = self._uri(path)
        with _as_kachery_errors(uri):
            return or_raise(lambda: find_content(uri, self._sources))

    def _entries(self, path: str) -> list[Info]:
        return [self.info(path)]


class KacheryFolderFileSystem(_ReadOnlyFileSystem):
    """Folders: ``sha1dir://HASH.label/path/inside``.

    Example:
        >>> sorted(fsspec.get_mapper(kp.store_dir("session7")))
        ['a.txt', 'b.txt']
    """

    protocol = "sha1dir"

    @classmethod
    def _path_of(cls, place: str) -> str:
        first, *names = place.split("/")
        return "/".join([first, *map(decode_name, names)])

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._folders: dict[str, Folder] = {}

    def info(self, path: str, **_: Any) -> Info:
        """``{"name", "size", "type"}``, and for a file also ``sha1``."""
        name = self._strip_protocol(path)
        return _info(name, self._find(name)[1])

    def glob(self, path: str, **options: Any) -> Any:
        """The paths that match a pattern. An existing path is not a pattern."""
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
                    f"The folder lists the file with {entry['size']} bytes, but it has {content.size} here. Run "
                    "kachery verify. If that finds no damage, ask the folder's author to store it again."
                )
            return content

    def _entries(self, path: str) -> list[Info]:
        _, entry = self._find(path)
        if "sha1" in entry:
            return [_info(path, entry)]
        inside = {**entry["dirs"], **entry["files"]}
        return [_info(f"{path}/{name}", inside[name]) for name in sorted(inside)]

    def _find(self, path: str) -> tuple[str, dict[str, Any]]:
        """The URI and the entry at a path: a folder or ``{"size", "sha1"}``. Each folder's document is read once."""
        uri = self._uri(path)
        sha1, _ = parse_directory_uri(uri)
        if sha1 not in self._folders:
            with _as_kachery_errors(uri):
                document = or_raise(lambda: read_bytes(f"sha1://{sha1}", self._sources))
                self._folders[sha1] = parse_folder(document)
        # A question mark begins a URI's query, but a name may also contain one.
        inner = path.partition("/")[2]
        paths = dict.fromkeys((inner, inner.rpartition("?")[0] or inner, inner.partition("?")[0]))
        try:
            return uri, find_in(self._folders[sha1], list(paths), uri, _spellings)[0]
        except NotInFolder as reason:
            raise FileNotFoundError(errno.ENOENT, str(reason), path) from reason


def _spellings(folder: Folder, part: str) -> Iterable[str]:
    """The name itself, or else one that its URI spells like a percent-encoded one."""
    yield part
    if part not in folder["files"] and part not in folder["dirs"]:
        for name in (*folder["dirs"], *folder["files"]):
            if "%" in name and decode_name(name) == part:
                yield name


def _never(path: Any) -> NoReturn:
    raise NeverChanges(f"{path} cannot be written: what is stored in kachery never changes. Store a new version of it.")


def _info(name: str, entry: dict[str, Any]) -> Info:
    if "sha1" in entry:
        return {"name": name, "size": entry["size"], "type": "file", "sha1": entry["sha1"]}
    return {"name": name, "size": 0, "type": "directory"}


class _File(io.BufferedReader):
    """An open file. It can be pickled, and then opens again elsewhere.

    fsspec's ``blockcache`` sets ``cache``, and then reads through it; when it has closed the file, it sets ``closed``.
    """

    def __init__(self, fs: _ReadOnlyFileSystem, path: str, content: Content, block_size: int) -> None:
        self.fs, self.path, self.blocksize, self.size = fs, path, block_size, content.size
        self.cache: Any = None
        self._content = content
        if isinstance(content, ChunkedFile):
            super().__init__(Chunks(self.size, self._through_cache), block_size)
        else:
            super().__init__(LocalFile(content.path), block_size)

    @property
    def closed(self) -> bool:
        return super().closed

    @closed.setter
    def closed(self, _: bool) -> None:
        pass

    def _through_cache(self, start: int, end: int) -> bytes:
        return self._fetch_range(start, end) if self.cache is None else bytes(self.cache._fetch(start, end))

    def _fetch_range(self, start: int, end: int) -> bytes:
        with _as_kachery_errors(self.fs.unstrip_protocol(self.path)):
            return or_raise(lambda: self._content.read(start, min(end, self.size)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_again, (self.fs, self.path, self.blocksize, self.tell())


def _open_again(fs: _ReadOnlyFileSystem, path: str, block_size: int, position: int) -> _File:
    file: _File = fs.open(path, block_size=block_size)
    file.seek(position)
    return file


@contextmanager
def _as_kachery_errors(uri: str) -> Iterator[None]:
    """Adds the URI to every error, and translates errors that would be taken for absence."""
    try:
        yield
    except KacheryError as error:
        if isinstance(error, (OSError, LookupError)):
            raise KacheryError(f"{uri}: {error}", error.code) from error
        raise type(error)(f"{uri}: {error}", error.code) from error
    except (OSError, LookupError) as error:
        raise StorageFailed(
            f"{uri} could not be read ({error!r}). Check the disk, then load the file again."
        ) from error
