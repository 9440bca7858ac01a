"""Kachery URIs: ``sha1://HASH[/label][?manifest=HASH2]`` and ``sha1://HASH?chunkOf=PARENT~START~END``."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ._errors import BadRequest

_HASH = re.compile(r"[0-9a-fA-F]{40}\Z")
_POSITION = re.compile(r"[0-9]{1,20}\Z")
# The largest file that a file system supports, and the largest part that the daemon accepts.
_MAXIMUM_POSITION = 2**63 - 1
_MAXIMUM_PART = 1_000_000_000
# In a name that is not UTF-8, U+DC80 to U+DCFF stand for the invalid bytes (PEP 383).
_BREAKING = re.compile("[\x00-\x20\x7f%?#/\udc80-\udcff]")


class ChunkLocation(NamedTuple):
    """The bytes from ``start`` (inclusive) to ``end`` (exclusive) of another file."""

    parent: str
    start: int
    end: int


class KacheryURI(NamedTuple):
    """A file's hash, and hints for finding it."""

    sha1: str
    label: str = ""
    manifest: str | None = None
    chunk: ChunkLocation | None = None

    @property
    def file_key(self) -> dict[str, Any]:
        """The file key of the daemon's API."""
        key: dict[str, Any] = {"sha1": self.sha1}
        if self.manifest is not None:
            key["manifestSha1"] = self.manifest
        if self.chunk is not None:
            key["chunkOf"] = {
                "fileKey": {"sha1": self.chunk.parent},
                "startByte": self.chunk.start,
                "endByte": self.chunk.end,
            }
        return key

    @property
    def name(self) -> str:
        """The label as people read it."""
        if "%" not in self.label:
            return self.label
        from urllib.parse import unquote

        return unquote(self.label)

    def __str__(self) -> str:
        text = f"sha1://{self.sha1}"
        if self.label:
            text += f"/{self.label}"
        if self.chunk is not None:
            return f"{text}?chunkOf={self.chunk.parent}~{self.chunk.start}~{self.chunk.end}"
        return f"{text}?manifest={self.manifest}" if self.manifest is not None else text


def _parts(place: str) -> tuple[str, str, str]:
    """The hash, the label and the query. The label may also follow the query: ``HASH?manifest=HASH2/label``."""
    first, _, label = place.partition("/")
    name, _, query = first.partition("?")
    if query.startswith(("manifest=", "chunkOf=")):
        return name, label.partition("?")[0], query
    path, _, query = place.partition("?")
    name, _, label = path.partition("/")
    return name, label, query


def escape_label(name: str) -> str:
    """Escapes a name for the end of a URI: characters that would end or break the URI become ``%XX``."""
    return _BREAKING.sub(lambda match: f"%{ord(match[0]) & 0xFF:02X}", name)


def parse_uri(text: str) -> KacheryURI:
    """Parses a ``sha1://`` URI in any form that was ever published."""
    if not text.startswith("sha1://"):
        raise BadRequest(f"'{text}' is not a kachery URI: it does not begin with sha1://.")
    name, label, query = _parts(text[len("sha1://") :])
    # Old clients wrote an extension after the hash. It never had a meaning.
    sha1 = _hash(name.partition(".")[0], text)
    manifest: str | None = None
    chunk: ChunkLocation | None = None
    for parameter in query.split("&"):
        key, _, value = parameter.partition("=")
        if key == "manifest":
            manifest = _hash(value, text)
        elif key == "chunkOf":
            from urllib.parse import unquote

            chunk = _chunk(unquote(value), text)
    return KacheryURI(sha1, label, manifest, chunk)


def decode_name(part: str) -> str:
    """The name that a part of a path in a URI stands for; the part itself if it decodes to no name in UTF-8."""
    if "%" not in part:
        return part
    from urllib.parse import unquote_to_bytes

    try:
        name = unquote_to_bytes(part).decode()
    except UnicodeError:
        return part
    return part if "/" in name else name


def parse_directory_uri(text: str) -> tuple[str, str]:
    """The document's hash and the path inside the folder, from ``sha1dir://HASH[.label]/path/inside``.

    The path is as it is written.
    """
    name, _, path = text[len("sha1dir://") :].partition("?")[0].partition("/")
    return _hash(name.partition(".")[0], text), path


def paths_in_directory_uri(text: str) -> list[str]:
    """The paths that a folder's URI may mean, as they are written.

    A question mark begins a query, unless an entry has the name with it.
    """
    path = parse_directory_uri(text)[1]
    with_query = text[len("sha1dir://") :].partition("/")[2]
    return [with_query, path] if path and with_query != path else [path]


def is_hash(text: str) -> bool:
    """Whether this is a bare hash, which stands for the file."""
    return _HASH.match(text) is not None


def _hash(text: str, uri: str) -> str:
    if not _HASH.match(text):
        raise BadRequest(f"'{uri}' is not a kachery URI: '{text}' is not 40 hexadecimal digits.")
    return text.lower()


def _chunk(value: str, uri: str) -> ChunkLocation:
    parts = value.split("~")
    if len(parts) == 3 and _POSITION.match(parts[1]) and _POSITION.match(parts[2]):
        start, end = int(parts[1]), int(parts[2])
        if start <= end <= _MAXIMUM_POSITION and end - start <= _MAXIMUM_PART:
            return ChunkLocation(_hash(parts[0], uri), start, end)
    raise BadRequest(f"'{uri}' has a chunkOf that is not PARENT~START~END.")
