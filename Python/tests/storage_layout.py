"""What is in a storage directory and in a stored folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kachery_p2p as kp


def stored_path(directory: Path, sha1: str) -> Path:
    """The path of the stored file with this hash."""
    return directory / "sha1" / sha1[:2] / sha1[2:4] / sha1[4:6] / sha1


def read_folder(uri: str) -> dict[str, Any]:
    """The contents of a stored folder, which must be available."""
    content = kp.read_dir(uri, strict=True)
    assert content is not None
    return content


def load_path(uri: str) -> str:
    """The path of a stored file, which must be available."""
    path = kp.load_file(uri, strict=True)
    assert path is not None
    return path
