"""What is in a storage directory and in a stored folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import kachery_p2p as kp
from kachery_p2p import _local_store


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


def store_in_chunks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, str, list[str]]:
    """Stores a file as chunks, and not as a whole: its bytes, its URI, and the paths of the chunks."""
    content, uri = store_with_manifest(folder, monkeypatch)
    manifest = kp.load_text("sha1://" + uri[-40:])
    assert manifest is not None
    monkeypatch.setenv("KACHERY_OFFLINE_STORAGE_DIR", str(folder / "chunks"))
    kp.store_text(manifest)
    paths = []
    for start in range(0, len(content), _local_store.CHUNK_SIZE):
        (folder / "piece").write_bytes(content[start : start + _local_store.CHUNK_SIZE])
        paths.append(load_path(kp.store_file(str(folder / "piece"))))
    return content, uri, paths


def store_with_manifest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, str]:
    """Stores a file of three small chunks, the last of them shorter: its bytes and its URI."""
    monkeypatch.setattr(_local_store, "CHUNK_SIZE", 1000)
    content = os.urandom(2500)
    (folder / "large.dat").write_bytes(content)
    return content, kp.store_file(str(folder / "large.dat"))
