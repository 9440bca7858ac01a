"""The folder that ``load_dir`` writes. However a load ends, a folder that lacks files does not look whole.

A new folder is written beside its place and renamed when everything is in it. A folder that exists contains a marker
until everything is in it. The commands use the same names, and continue what Python began.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import time
from typing import Any

from ._directory import Folder, all_files, write_folder
from ._errors import BadRequest

_SUFFIX = ".kachery-partial"
_BLOCK = 1 << 20
_MARK = b"kachery is loading files to this folder, or was interrupted: load the folder again to finish it.\n"


class FolderDestination:
    """Where to write a folder's files: ``place``. Other processes that write the same folder wait."""

    def __init__(self, dest: str, folder: Folder) -> None:
        self._folder = folder
        self._path = _without_slashes(dest)
        self._lock: int | None = None
        self._marker = os.path.join(self._path, f"unfinished-{_digits(folder)}{_SUFFIX}")
        if os.path.isdir(self._path):
            self.place = self._path
            with open(self._marker, "wb") as file:
                file.write(_MARK)
        else:
            self.place = _hidden(self._path, folder)
            self._lock = _locked(self.place)

    def __enter__(self) -> FolderDestination:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def contains(self, paths: set[str]) -> bool:
        """Whether these files, which ``written_files`` has returned, are still in it."""
        return all(os.path.exists(os.path.join(self.place, path)) for path in paths)

    def finish(self) -> bool:
        """Ends when every file is in it. ``False`` if the folder has appeared meanwhile: write the files there."""
        if self._lock is None:
            os.unlink(self._marker)
            return True
        _keep_only(self._folder, self.place)
        try:
            os.rename(self.place, self._path)
        except OSError:
            if not os.path.isdir(self._path):
                raise
            return False
        return True

    def remove_hidden(self) -> None:
        """Removes the folder beside the destination."""
        import shutil

        if self._lock is not None:
            shutil.rmtree(self.place)


def written_files(dest: str, folder: Folder) -> set[str]:
    """The files that an interrupted load has written to the folder beside the destination."""
    path = _without_slashes(dest)
    hidden = _hidden(path, folder)
    if os.path.exists(path) or not os.path.isdir(hidden):
        return set()
    return {name for name, file in all_files(folder) if _holds(os.path.join(hidden, name), file)}


def _without_slashes(path: str) -> str:
    """The path without slashes, and names of the folder itself, at its end."""
    while len(path) > 1 and path.endswith(("/", "/.")):
        path = path[: path.rindex("/")] or "/"
    return path


def _digits(folder: Folder) -> str:
    return hashlib.sha1(write_folder(folder)).hexdigest()[:10]


def _hidden(path: str, folder: Folder) -> str:
    parent, name = os.path.split(path)
    end = f".{_digits(folder)}{_SUFFIX}"
    if len(os.fsencode(name)) + len(end) >= 255:
        name = "folder"
    return os.path.join(parent or ".", f".{name}{end}")


def _locked(hidden: str) -> int:
    """Creates the folder if it is missing, and waits for its lock."""
    while True:
        os.makedirs(hidden, exist_ok=True)
        status = os.lstat(hidden)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise BadRequest(f"{hidden} belongs to someone else; choose another destination.")
        descriptor = os.open(hidden, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _wait_for_lock(descriptor)
            # The process that held the lock may have given the folder its name.
            if os.path.isdir(hidden) and os.path.samestat(os.lstat(hidden), os.fstat(descriptor)):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _wait_for_lock(descriptor: int) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.1)
        except OSError:
            return  # some network file systems cannot lock a folder


def _holds(path: str, file: dict[str, Any]) -> bool:
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size != file["size"]:
            return False
        digest = hashlib.sha1()
        with open(path, "rb") as content:
            while block := content.read(_BLOCK):
                digest.update(block)
    except OSError:
        return False
    return digest.hexdigest() == str(file["sha1"])


def _keep_only(folder: Folder, place: str) -> None:
    """Removes what interrupted loads have left."""
    import shutil

    with os.scandir(place) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in folder["dirs"]:
                    shutil.rmtree(entry.path)
            elif entry.name not in folder["files"]:
                os.unlink(entry.path)
    for name, inner in folder["dirs"].items():
        _keep_only(inner, os.path.join(place, name))
