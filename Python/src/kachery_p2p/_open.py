"""Stored files as file objects that fetch only what is read."""

from __future__ import annotations

import io
from typing import IO, Any

from ._errors import BadRequest
from ._locate import Sources, or_raise, reading
from ._ranges import ChunkedFile, Content, find_content

_BUFFER = 256 << 10


def open(
    uri: str,
    mode: str = "rb",
    p2p: bool = True,
    from_node: str | None = None,
    from_channel: str | None = None,
    *,
    encoding: str | None = None,
) -> IO[Any]:
    """Opens a file for reading: ``"rb"`` for bytes, ``"r"`` for text (UTF-8 unless ``encoding`` says otherwise).

    The file object can seek. If a large file is not on this node, only the chunks that are read are fetched. An
    unavailable file raises, either here or when it is read. The other arguments are those of ``load_file``.
    """
    if mode not in ("r", "rt", "rb"):
        raise BadRequest(f"A stored file never changes, so it cannot be opened with mode {mode!r}. Use 'rb' or 'r'.")
    sources = Sources(p2p, from_node, from_channel)
    binary = open_content(or_raise(lambda: find_content(uri, sources)))
    return binary if mode == "rb" else io.TextIOWrapper(binary, encoding or "utf-8")


def open_content(content: Content) -> io.BufferedReader:
    """Opens a file's bytes. If they cannot be read, this call or a later read raises a ``KacheryError``."""
    if isinstance(content, ChunkedFile):
        return _Buffered(_Chunks(content), content.size)
    with reading(content.path):
        return _Buffered(_LocalFile(content.path), content.size)


class _Buffered(io.BufferedReader):
    """A file object with a ``size``, which fsspec needs."""

    def __init__(self, raw: io.RawIOBase, size: int) -> None:
        super().__init__(raw, _BUFFER)
        self.size = size


class _LocalFile(io.FileIO):
    """A local file whose read errors are translated."""

    def readinto(self, buffer: Any) -> int | None:
        with reading(str(self.name)):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with reading(str(self.name)):
            return super().readall()


class _Chunks(io.RawIOBase):
    """Reads a file chunk by chunk."""

    def __init__(self, content: ChunkedFile) -> None:
        self._content = content
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._content.size}[whence]
        if base + offset < 0:
            raise ValueError(f"Position {base + offset} is before the beginning of the file.")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        end = min(self._position + len(buffer), self._content.size)
        if end <= self._position:
            return 0
        data = or_raise(lambda: self._content.read(self._position, end))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
