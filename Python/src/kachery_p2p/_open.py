"""Stored files as file objects that fetch only what is read."""

from __future__ import annotations

import io
from typing import IO, Any, Callable

from ._errors import BadRequest
from ._locate import Sources, or_raise, reading
from ._ranges import ChunkedFile, find_content
from ._text import path_text

_BUFFER = 256 << 10  # bytes to read ahead


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
    unavailable file raises, either here or when it is read. Text keeps its line ends, as with ``load_text``. A file
    object can be pickled, and continues at its position. The other arguments are those of ``load_file``.

    Example:
        >>> with kp.open(kp.store_file("recording.dat")) as file:
        ...     _ = file.seek(100)
        ...     file.read(4)
        b'defg'
    """
    if mode not in ("r", "rt", "rb"):
        raise BadRequest(f"A stored file never changes, so it cannot be opened with mode {mode!r}. Use 'rb' or 'r'.")
    sources = Sources(p2p, from_node, from_channel)
    binary = _open_bytes(path_text(uri), sources)
    return binary if mode == "rb" else _Text(binary, encoding or "utf-8")


def _open_bytes(uri: str, sources: Sources, position: int = 0) -> _Buffered:
    content = or_raise(lambda: find_content(uri, sources))
    if isinstance(content, ChunkedFile):
        read = content.read
        file = _Buffered(
            Chunks(content.size, lambda start, end: or_raise(lambda: read(start, end))), content.size, uri, sources
        )
    else:
        with reading(content.path):
            file = _Buffered(LocalFile(content.path), content.size, uri, sources)
    if position:
        file.seek(position)
    return file


def _open_text(uri: str, sources: Sources, encoding: str, position: int) -> _Text:
    file = _Text(_open_bytes(uri, sources), encoding)
    file.seek(position)
    return file


class _Buffered(io.BufferedReader):
    """A file object with a ``size``, which can be pickled."""

    def __init__(self, raw: io.RawIOBase, size: int, uri: str, sources: Sources) -> None:
        super().__init__(raw, _BUFFER)
        self.size = size
        self.origin = (uri, sources)

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_bytes, (*self.origin, self.tell())


class _Text(io.TextIOWrapper):
    """A text whose line ends stay as they are, which can be pickled."""

    def __init__(self, binary: _Buffered, encoding: str) -> None:
        super().__init__(binary, encoding, newline="")
        self._origin = binary.origin

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_text, (*self._origin, self.encoding, self.tell())


class LocalFile(io.FileIO):
    """A local file whose read errors are translated."""

    def readinto(self, buffer: Any) -> int | None:
        with reading(str(self.name)):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with reading(str(self.name)):
            return super().readall()


class Chunks(io.RawIOBase):
    """Reads a file chunk by chunk, with a function for the bytes from one position to another."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self._size = size
        self._read = read
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"Position {base + offset} is before the beginning of the file.")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        end = min(self._position + len(buffer), self._size)
        if end <= self._position:
            return 0
        data = self._read(self._position, end)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
