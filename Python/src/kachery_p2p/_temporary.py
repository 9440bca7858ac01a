"""Temporary folders where the environment wants them."""

from __future__ import annotations

import os

from . import _environment


def temporary_directory() -> str:
    """The folder for temporary folders: ``KACHERY_TEMP_DIR``, or ``kachery-tmp`` in the offline storage directory or in
    the system's own place. Made if need be."""
    import tempfile

    base = _environment.offline_storage_directory() or tempfile.gettempdir()
    path = _environment.temporary_directory() or os.path.join(base, "kachery-tmp")
    os.makedirs(path, exist_ok=True)
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
