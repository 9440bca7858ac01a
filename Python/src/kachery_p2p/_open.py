"""Stored files as file objects, of which what is read is fetched."""

from __future__ import annotations

import io
from typing import IO, Any, Optional

from ._errors import BadRequest
from ._locate import Sources, or_raise, reading
from ._ranges import ChunkedFile, Content, find_content

_BUFFER = 256 << 10


def open(
    uri: str,
    mode: str = "rb",
    p2p: bool = True,
    from_node: Optional[str] = None,
    from_channel: Optional[str] = None,
    *,
    encoding: Optional[str] = None,
) -> IO[Any]:
    """Opens a file for reading: ``"rb"`` gives bytes, ``"r"`` text (UTF-8 unless ``encoding`` says otherwise).

    The object can seek. Of a large file that is not here, only the chunks that are read are fetched. A file that cannot
    be had raises, here or when it is read. The other arguments are those of ``load_file``.
    """
    if mode not in ("r", "rt", "rb"):
        raise BadRequest(f"A stored file cannot be opened with mode {mode!r}: it never changes. Use 'rb' or 'r'.")
    sources = Sources(p2p, from_node, from_channel)
    binary = open_content(or_raise(lambda: find_content(uri, sources)))
    return binary if mode == "rb" else io.TextIOWrapper(binary, encoding or "utf-8")


def open_content(content: Content) -> io.BufferedReader:
    """Opens a file's bytes. What cannot be read raises a ``KacheryError``, also later."""
    if isinstance(content, ChunkedFile):
        return _Buffered(_Chunks(content), content.size)
    with reading(content.path):
        return _Buffered(_LocalFile(content.path), content.size)


class _Buffered(io.BufferedReader):
    """A file object with its ``size``, which fsspec asks for."""

    def __init__(self, raw: io.RawIOBase, size: int) -> None:
        super().__init__(raw, _BUFFER)
        self.size = size


class _LocalFile(io.FileIO):
    """A file that is here, and whose disk may fail."""

    def readinto(self, buffer: Any) -> Optional[int]:
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
            raise ValueError(f"There is no position {base + offset}.")
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
