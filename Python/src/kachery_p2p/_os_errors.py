"""Errors of the operating system as errors of this package."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from ._errors import DiskFull, KacheryError, PermissionDenied, StorageFailed


@contextmanager
def translated(action: str, path: str, remedy: str) -> Iterator[None]:
    """Raises ``PermissionDenied``, ``DiskFull`` or ``StorageFailed`` in place of an ``OSError``.

    Other libraries take an ``OSError`` to mean that there is no such file.

    Args:
        action: What is done to ``path``, such as "read".
        path: The file or folder.
        remedy: A sentence that says what to do about a failure other than these two: no permission, or a full disk.
    """
    try:
        yield
    except KacheryError:
        raise
    except PermissionError as error:
        raise PermissionDenied(f"You may not {action} {path} ({error}); ask its owner for permission.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"The disk of {path} is full; free some space and try again.") from error
        raise StorageFailed(f"Could not {action} {path} ({error}). {remedy}") from error
