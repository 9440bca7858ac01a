"""Temporary folders where the environment wants them."""

from __future__ import annotations

import os
import stat

from . import _environment
from ._errors import PermissionDenied, StorageFailed


def temporary_directory() -> str:
    """The folder for temporary folders: ``KACHERY_TEMP_DIR``, or a private one of this user's in the offline storage
    directory or in the system's own place. Made if need be."""
    import tempfile

    named = _environment.temporary_directory()
    if named is not None:
        os.makedirs(named, exist_ok=True)
        return named
    base = _environment.offline_storage_directory() or tempfile.gettempdir()
    return _private_folder(base, f"kachery-tmp-{os.geteuid()}")


def _private_folder(base: str, name: str) -> str:
    """A folder that only this user can enter. Its name can be foreseen, so another user may have put something else
    there: that is refused."""
    path = os.path.join(base, name)
    remedy = "Set KACHERY_TEMP_DIR to a folder of your own."
    try:
        os.makedirs(base, exist_ok=True)
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise PermissionDenied(f"{path} is not used for temporary files: it is no folder of yours. {remedy}")
        if stat.S_IMODE(status.st_mode) != 0o700:
            os.chmod(path, 0o700)
    except OSError as error:
        raise StorageFailed(f"There can be no temporary files in {path} ({error}). {remedy}") from error
    return path


class TemporaryDirectory:
    """A folder that lasts as long as its ``with`` block; ``KACHERY_KEEP_TEMP_FILES=1`` leaves it."""

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
        """The folder's path; empty before the block was entered."""
        return self._path
