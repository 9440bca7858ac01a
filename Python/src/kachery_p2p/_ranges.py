"""Parts of files: local files, and remote files of which only the chunks that are read are fetched."""

from __future__ import annotations

import bisect
import json
import os
import sys
from functools import partial
from typing import Any, Callable, NamedTuple, Union

from ._errors import BadManifest, BadRequest, FileChanged
from ._load import unless_absent
from ._locate import Sources, locate_parsed, read_bytes, reading, resolve
from ._place import find_place
from ._uri import ChunkLocation, KacheryURI

_BLOCK = 1 << 20


def load_bytes(
    uri: str,
    start: int | None,
    end: int | None,
    write_to_stdout: bool = False,
    p2p: bool = True,
    from_node: str | None = None,
    from_channel: str | None = None,
    *,
    strict: bool | None = None,
) -> bytes | None:
    """Loads the bytes from ``start`` (inclusive) to ``end`` (exclusive) of a file.

    If the file is not on this node and its URI names a manifest, only the chunks with these bytes are fetched.
    ``write_to_stdout`` writes the bytes to standard output, block by block, and returns ``None``. The other arguments
    are those of ``load_file``.

    Example:
        >>> kp.load_bytes(kp.store_file("recording.dat"), 100, 104)
        b'defg'
    """
    sources = Sources(p2p, from_node, from_channel)
    content = unless_absent(uri, strict, lambda: find_content(uri, sources))
    if content is None:
        return None
    first, last = 0 if start is None else start, content.size if end is None else end
    if not 0 <= first <= last <= content.size:
        raise BadRequest(f"{uri} has {content.size} bytes, so it has no range from {start} to {end}.")
    if not write_to_stdout:
        return unless_absent(uri, strict, lambda: content.read(first, last))
    for position in range(first, last, _BLOCK):
        block = unless_absent(uri, strict, partial(content.read, position, min(last, position + _BLOCK)))
        if block is None:
            break
        sys.stdout.buffer.write(block)
    sys.stdout.flush()
    return None


class WholeFile(NamedTuple):
    """A file on this machine."""

    path: str

    @property
    def size(self) -> int:
        """The size in bytes."""
        with reading(self.path):
            return os.path.getsize(self.path)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` to ``end``."""
        with reading(self.path), open(self.path, "rb") as file:
            file.seek(start)
            data = file.read(end - start)
        if len(data) != end - start:
            raise FileChanged(
                f"{self.path} ends before byte {end}, so it has changed or is damaged. Run kachery verify, then load "
                "the file again."
            )
        return data


class Chunk(NamedTuple):
    """A manifest's entry for one chunk."""

    start: int
    end: int
    sha1: str


class ChunkedFile:
    """A file whose chunks are fetched when they are first read. Each chunk is verified by its own hash."""

    def __init__(self, uri: KacheryURI, size: int, chunks: list[Chunk], find: Callable[[KacheryURI], str]) -> None:
        self.size = size
        self._uri = uri
        self._chunks = chunks
        self._starts = [chunk.start for chunk in chunks]
        self._find = find

    def read(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` to ``end``."""
        parts = []
        while start < end:
            chunk = self._chunks[bisect.bisect_right(self._starts, start) - 1]
            stop = min(end, chunk.end)
            parts.append(WholeFile(self._path(chunk)).read(start - chunk.start, stop - chunk.start))
            start = stop
        return b"".join(parts)

    def _path(self, chunk: Chunk) -> str:
        location = ChunkLocation(self._uri.sha1, chunk.start, chunk.end)
        return self._find(KacheryURI(chunk.sha1, chunk=location))


Content = Union[WholeFile, ChunkedFile]


def find_content(uri: str, sources: Sources) -> Content:
    """A file's content. With a manifest, chunks are fetched as they are read, otherwise the whole file."""
    parsed = resolve(uri, sources)
    if isinstance(parsed, str):
        return WholeFile(parsed)
    store, _ = find_place()
    path = store.find(parsed.sha1)
    if path is None and parsed.manifest is not None:
        manifest = read_bytes(f"sha1://{parsed.manifest}", sources)
        return _chunked(parsed, manifest, lambda chunk: locate_parsed(chunk, sources))
    return WholeFile(locate_parsed(parsed, sources))


def _chunked(uri: KacheryURI, content: bytes, find: Callable[[KacheryURI], str]) -> ChunkedFile:
    try:
        manifest: Any = json.loads(content)
        chunks = [Chunk(int(item["start"]), int(item["end"]), str(item["sha1"])) for item in manifest["chunks"]]
        size, sha1 = int(manifest["size"]), manifest["sha1"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadManifest(
            f"The manifest {uri.manifest} is malformed ({error!r}). Get the URI again from its source."
        ) from error
    edges = [0, *(chunk.end for chunk in chunks)]
    fits = all(chunk.start == edge < chunk.end for chunk, edge in zip(chunks, edges))
    if sha1 != uri.sha1 or not fits or edges[-1] != size:
        raise BadManifest(f"The manifest {uri.manifest} does not describe {uri}. Get the URI again from its source.")
    return ChunkedFile(uri, size, chunks, find)
