"""Temporary folders, in the place that the environment selects."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from . import _environment
from ._errors import PermissionDenied, StorageFailed


def temporary_directory() -> str:
    """The folder for temporary folders, created if necessary.

    This is ``KACHERY_TEMP_DIR``, or else a private folder of this user in the offline storage directory or in the
    system's temporary folder.
    """
    import tempfile

    named = named_directory()
    if named is not None:
        return named
    base = _environment.offline_storage_directory() or tempfile.gettempdir()
    return _private_folder(base, f"kachery-tmp-{os.geteuid()}")


def named_directory() -> str | None:
    """``KACHERY_TEMP_DIR``, created if necessary; ``None`` if it is not set."""
    named = _environment.temporary_directory()
    if named is not None:
        try:
            os.makedirs(named, exist_ok=True)
        except OSError as error:
            raise StorageFailed(f"KACHERY_TEMP_DIR is {named}, which cannot be created ({error}).") from error
    return named


def _private_folder(base: str, name: str) -> str:
    """A folder that only this user can enter.

    Its name is predictable, so another user may have put something else there. That is refused.
    """
    path = os.path.join(base, name)
    remedy = "Set KACHERY_TEMP_DIR to a folder of your own."
    try:
        os.makedirs(base, exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise PermissionDenied(f"{path} cannot be used for temporary files: it is not a folder of yours. {remedy}")
        if stat.S_IMODE(status.st_mode) != 0o700:
            os.chmod(path, 0o700)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be used for temporary files ({error}). {remedy}") from error
    return path


class TemporaryDirectory:
    """A folder that is removed at the end of its ``with`` block, unless ``KACHERY_KEEP_TEMP_FILES=1`` is set.

    Example:
        >>> with kp.TemporaryDirectory(prefix="analysis") as folder:
        ...     path = kp.load_file(kp.store_text("to be edited"), f"{folder}/mine.txt")
    """

    def __init__(self, *, remove: bool = True, prefix: str = "tmp") -> None:
        self._remove = remove
        self._prefix = prefix
        self._path = ""

    def __enter__(self) -> str:
        import tempfile

        self._path = tempfile.mkdtemp(prefix=f"{self._prefix}_", dir=temporary_directory())
        return self._path

    def __exit__(self, *_: object) -> None:
        import shutil

        if self._remove and not _environment.keeps_temporary_files():
            shutil.rmtree(self._path)

    def path(self) -> str:
        """The folder's path; empty before the block is entered."""
        return self._path
