"""A storage directory as this process sees it: finds files in it, and stores files if there is no daemon."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import IO, Any, Callable, NamedTuple

from ._errors import FileChanged, HashMismatch, WrongStorageDirectory
from ._os_errors import translated

CHUNK_SIZE = 20_000_000  # bytes of a chunk in a manifest; a file larger than one chunk gets a manifest
_BLOCK = 1 << 20
_FILE_MODE = 0o444  # read-only, because clients get the paths of stored files
_LINK_MODE = 0o644
_OWN = "kachery-node"  # the folder of what only this software knows
_MAXIMUM_PLACES = 32  # further places at which one content may be linked
_CHECK = "Check the disk and its mount."
_MTIME_TOLERANCE = 0.002  # seconds; other software rounds the times that it records


class Stored(NamedTuple):
    """The hash of a stored file, and that of its manifest if the file is large."""

    sha1: str
    manifest: str | None


class LocalStore:
    """A storage directory, in the layout that all kachery software shares."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._home = _home_of_files(directory)

    def path(self, sha1: str) -> str:
        """The path of the stored file with this hash, whether or not it exists."""
        return os.path.join(self._home, "sha1", sha1[0:2], sha1[2:4], sha1[4:6], sha1)

    def find(self, sha1: str) -> str | None:
        """The path of the file's bytes: the stored file, or the target of a valid link; or ``None``."""
        path = self.path(sha1)
        if _is_file(path):
            return path
        if not _is_file(path + ".link"):
            return None
        links = (path + ".link", *self._places(sha1))
        return next((target for target in map(_follow_link, links) if target is not None), None)

    def quarantine(self, sha1: str, suffix: str = "") -> str | None:
        """Moves a damaged file, or with ``".link"`` the link to one, to a folder from which nothing is served.

        Returns:
            The new path, or ``None`` if this user may not move it.
        """
        folder = os.path.join(self._home, _OWN, "damaged")
        place = os.path.join(folder, sha1 + suffix)
        try:
            self._make_folder(folder)
            os.rename(self.path(sha1) + suffix, place)
        except OSError:
            return None
        return place

    def store(self, source: IO[bytes]) -> Stored:
        """Stores all bytes of ``source`` in one pass. The file gets its name when it is complete and on the disk."""
        with self._writing(), self._temporary_file() as file:
            digest = _digest(source, file.write)
            self._admit(file, digest.sha1)
        return self._with_manifest(digest)

    def link(self, source: IO[bytes], path: str, status: os.stat_result) -> Stored:
        """Records the path of a file without copying it. ``status`` must be from before ``source`` was read."""
        digest = _digest(source, lambda _: None)
        stored = self._with_manifest(digest)
        if os.path.isfile(self.path(stored.sha1)):
            return stored
        if (digest.size, status.st_mtime) != (status.st_size, os.stat(path).st_mtime):
            raise FileChanged(f"{path} changed while it was linked; link it again.")
        link = {
            "path": os.path.abspath(path),
            "manifestSha1": stored.manifest,
            "stat": {"size": status.st_size, "mtime": status.st_mtime},
        }
        with self._writing(), self._temporary_file() as file:
            file.write(json.dumps(link, separators=(",", ":")).encode())
            self._keep_place(stored.sha1, str(link["path"]))
            self._place(file, self.path(stored.sha1) + ".link", _LINK_MODE)
        return stored

    def _places(self, sha1: str) -> list[str]:
        """The link documents of the further places at which a content is linked."""
        folder = os.path.join(self._home, _OWN, "links", sha1)
        try:
            names = sorted(name for name in os.listdir(folder) if name.startswith(sha1) and name.endswith(".link"))
        except OSError:
            return []
        return [os.path.join(folder, name) for name in names[: 2 * _MAXIMUM_PLACES]]

    def _place_of(self, sha1: str, target: str) -> str:
        name = f"{sha1}-{hashlib.sha1(os.fsencode(target)).hexdigest()[:16]}.link"
        return os.path.join(self._home, _OWN, "links", sha1, name)

    def _keep_place(self, sha1: str, new_target: str) -> None:
        """Keeps the old place of a content as a further one, unless something else is there now."""
        link = self.path(sha1) + ".link"
        target = _target(link)
        is_kept = target is not None and (_follow_link(link) is not None or not os.path.exists(target))
        if target is not None and target != new_target and is_kept and len(self._places(sha1)) < _MAXIMUM_PLACES:
            with open(link, "rb") as old, self._temporary_file() as file:
                file.write(old.read())
                self._place(file, self._place_of(sha1, target), _LINK_MODE)
        _ignoring_absence(lambda: os.unlink(self._place_of(sha1, new_target)))

    def _with_manifest(self, digest: _Digest) -> Stored:
        if digest.size <= CHUNK_SIZE:
            return Stored(digest.sha1, None)
        manifest = {"size": digest.size, "sha1": digest.sha1, "chunks": digest.chunks}
        return Stored(digest.sha1, self._store_manifest(manifest))

    def receive(self, sha1: str, blocks: Iterator[bytes]) -> str:
        """Stores bytes that must have this hash, and returns their path."""
        with self._writing(), self._temporary_file() as file:
            digest = hashlib.sha1()
            for block in blocks:
                digest.update(block)
                file.write(block)
            if digest.hexdigest() != sha1:
                raise HashMismatch(
                    f"The received bytes have the hash {digest.hexdigest()}, not {sha1}, and were discarded. Load the "
                    "file again."
                )
            self._admit(file, sha1)
        return self.path(sha1)

    def _store_manifest(self, manifest: dict[str, Any]) -> str:
        # These exact bytes matter: every client that stores the same file must get the same URI.
        content = json.dumps(manifest, separators=(",", ":")).encode()
        sha1 = hashlib.sha1(content).hexdigest()
        with self._writing(), self._temporary_file() as file:
            file.write(content)
            self._admit(file, sha1)
        return sha1

    def _writing(self) -> AbstractContextManager[None]:
        return translated("write to", self.directory, _CHECK)

    @contextmanager
    def _temporary_file(self) -> Iterator[IO[bytes]]:
        """A new, locked temporary file. A starting daemon removes only temporary files that no process has locked."""
        folder = os.path.join(self._home, _OWN, "temporary")
        self._make_folder(folder)
        path = os.path.join(folder, f"{os.getpid()}-{secrets.token_hex(8)}")
        with open(path, "xb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield file
            finally:
                _ignoring_absence(lambda: os.unlink(path))

    def _make_folder(self, path: str) -> None:
        """Creates a folder for those who may use the storage directory, whatever the umask of this process."""
        if os.path.isdir(path):
            return
        parent = os.path.dirname(path)
        if path == self._home:
            os.makedirs(path, exist_ok=True)
            return
        self._make_folder(parent)
        root, above = os.stat(self._home), os.stat(parent)
        mode = stat.S_IMODE(root.st_mode) & 0o777 | 0o700
        if os.path.dirname(parent) == self._home and os.path.basename(parent) == _OWN:
            # Only for those who may write: these folders contain unfinished and removed files.
            mode = 0o700 | (0o070 if mode & 0o020 else 0) | (0o007 if mode & 0o002 else 0)
        try:
            os.mkdir(path, mode)
        except FileExistsError:  # another process has just created it
            return
        made = os.stat(path)
        if made.st_gid != above.st_gid:
            with suppress(PermissionError):  # of a group that this user is not in
                os.chown(path, -1, above.st_gid)
        os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) & 0o7000 | mode)

    def _admit(self, file: IO[bytes], sha1: str) -> None:
        final = self.path(sha1)
        # ``file`` has the right hash; the file that is already there may have been altered.
        if not _is_known_whole(final, sha1):
            self._place(file, final)

    def _place(self, file: IO[bytes], final: str, mode: int = _FILE_MODE) -> None:
        file.flush()
        os.fsync(file.fileno())
        folder = os.path.dirname(final)
        self._make_folder(folder)
        os.fchmod(file.fileno(), mode)
        os.rename(file.name, final)
        _sync_folder(folder)


def _home_of_files(directory: str) -> str:
    """The storage directory that contains the files: this one, or the one to whose ``sha1`` its own is a link."""
    files = os.path.join(directory, "sha1")
    if not os.path.islink(files):
        return directory
    if not os.path.isdir(files):
        raise WrongStorageDirectory(
            f"{files} is a symbolic link to a missing folder; mount that folder, or correct the link."
        )
    home, name = os.path.split(os.path.realpath(files))
    return home if name == "sha1" else directory


class _Digest(NamedTuple):
    sha1: str
    size: int
    chunks: list[dict[str, Any]]


def _digest(source: IO[bytes], write: Callable[[bytes], Any]) -> _Digest:
    """Reads ``source`` to its end. Hashes all of it, and each chunk."""
    whole = hashlib.sha1()
    chunks: list[dict[str, Any]] = []
    chunk, start, position = hashlib.sha1(), 0, 0
    while True:
        block = source.read(min(_BLOCK, start + CHUNK_SIZE - position))
        whole.update(block)
        chunk.update(block)
        write(block)
        position += len(block)
        if position > start and (not block or position == start + CHUNK_SIZE):
            chunks.append({"start": start, "end": position, "sha1": chunk.hexdigest()})
            chunk, start = hashlib.sha1(), position
        if not block:
            return _Digest(whole.hexdigest(), position, chunks)


def _follow_link(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            link = json.load(file)
        target, recorded = link["path"], link["stat"]
        actual = os.stat(target)
        same = actual.st_size == recorded["size"] and abs(actual.st_mtime - recorded["mtime"]) <= _MTIME_TOLERANCE
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return target if same and os.path.isfile(target) else None


def _is_file(path: str) -> bool:
    """Whether the file exists. Raises if that cannot be determined."""
    with translated("access", path, _CHECK):
        try:
            return stat.S_ISREG(os.stat(path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False


def _is_known_whole(path: str, sha1: str) -> bool:
    """Whether the file exists and has its hash; false if it is too large to check cheaply."""
    try:
        with open(path, "rb") as file:
            return os.fstat(file.fileno()).st_size <= _BLOCK and hashlib.sha1(file.read()).hexdigest() == sha1
    except OSError:
        return False


def _target(path: str) -> str | None:
    """The target of a link, whether or not the link is still valid."""
    try:
        with open(path, encoding="utf-8") as file:
            target = json.load(file)["path"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return target if isinstance(target, str) else None


def _sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _ignoring_absence(action: Callable[[], None]) -> None:
    with suppress(FileNotFoundError):
        action()
