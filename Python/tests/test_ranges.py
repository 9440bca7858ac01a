"""Parts of files, file objects and mapped arrays, with whole files and with chunks only."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import sys
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

import kachery_p2p as kp
from kachery_p2p import _local_store, _open, _ranges
from storage_layout import stored_path

CHUNK_SIZE = 20_000  # bytes; manifests list the sizes of their chunks, and small chunks keep the files small
ABSENT = "sha1://" + "0" * 40


@pytest.fixture
def large(offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, str]:
    """The bytes and the URI of a file with three chunks."""
    monkeypatch.setattr(_local_store, "CHUNK_SIZE", CHUNK_SIZE)
    monkeypatch.setattr(_open, "_BUFFER", 1000)
    content = os.urandom(50_001)
    path = tmp_path / "large.bin"
    path.write_bytes(content)
    return content, kp.store_file(str(path))


@pytest.fixture
def in_chunks(
    large: tuple[bytes, str], offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[bytes, str]:
    """The same file, of which only the manifest and the chunks are stored, each as a file of its own."""
    content, uri = large
    manifest = kp.load_text("sha1://" + uri[-40:])
    assert manifest is not None
    monkeypatch.setenv("KACHERY_OFFLINE_STORAGE_DIR", str(tmp_path / "chunks"))
    kp.store_text(manifest)
    for start in range(0, len(content), CHUNK_SIZE):
        piece = tmp_path / "piece"
        piece.write_bytes(content[start : start + CHUNK_SIZE])
        kp.store_file(str(piece))
    return content, uri


@pytest.mark.parametrize("kind", ["large", "in_chunks"])
def test_ranges_are_those_of_the_file(kind: str, request: pytest.FixtureRequest) -> None:
    content, uri = request.getfixturevalue(kind)
    edges = [0, 1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE, len(content) - 1, len(content)]
    for start in edges:
        for end in edges:
            if start <= end:
                assert kp.load_bytes(uri, start, end) == content[start:end]
    assert kp.load_bytes(uri, None, 3) == content[:3]
    assert kp.load_bytes(uri, len(content) - 3, None) == content[-3:]
    for start, end in ((-1, 1), (2, 1), (0, len(content) + 1)):
        with pytest.raises(kp.BadRequest, match="range"):
            kp.load_bytes(uri, start, end)


def test_ranges_of_what_is_absent_are_none(offline: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert kp.load_bytes(ABSENT, 0, 1) is None
    assert ABSENT in caplog.text
    with pytest.raises(kp.NotFound):
        kp.load_bytes(ABSENT, 0, 1, strict=True)


def test_a_chunk_that_is_absent_is_none(in_chunks: tuple[bytes, str], tmp_path: Path) -> None:
    content, uri = in_chunks
    digest = hashlib.sha1(content[CHUNK_SIZE : 2 * CHUNK_SIZE]).hexdigest()
    stored_path(tmp_path / "chunks", digest).unlink()
    assert kp.load_bytes(uri, 0, 10) == content[:10]
    assert kp.load_bytes(uri, CHUNK_SIZE - 1, CHUNK_SIZE + 1) is None
    with kp.open(uri) as file:
        file.seek(CHUNK_SIZE)
        with pytest.raises(kp.NotFound):
            file.read(1)


def test_ranges_go_to_standard_output(large: tuple[bytes, str], monkeypatch: pytest.MonkeyPatch) -> None:
    content, uri = large
    monkeypatch.setattr(_ranges, "_BLOCK", 7_000)
    written = io.BytesIO()
    output = io.TextIOWrapper(written)
    monkeypatch.setattr(sys, "stdout", output)
    assert kp.load_bytes(uri, 10, 30_000, write_to_stdout=True) is None
    assert written.getvalue() == content[10:30_000]


@pytest.mark.parametrize("kind", ["large", "in_chunks"])
def test_a_file_object_seeks_and_reads_as_a_file(kind: str, request: pytest.FixtureRequest) -> None:
    content, uri = request.getfixturevalue(kind)
    generator, reference = random.Random(20261121), io.BytesIO(content)
    with kp.open(uri) as file:
        assert file.seekable() and file.readable() and not file.writable()
        for _ in range(200):
            place = (
                (generator.randint(0, len(content)), 0) if generator.random() < 0.7 else (-generator.randint(0, 9), 2)
            )
            assert file.seek(*place) == reference.seek(*place)
            count = generator.choice([0, 1, 10, 30_000])
            assert file.read(count) == reference.read(count)
            assert file.tell() == reference.tell()
        file.seek(0)
        assert hashlib.sha1(file.read()).digest() == hashlib.sha1(content).digest()


def test_a_text_is_read_line_by_line(offline: Path) -> None:
    uri = kp.store_text("größer\n✓\n")
    with kp.open(uri, "r") as file:
        assert list(file) == ["größer\n", "✓\n"]
    with pytest.raises(kp.BadRequest, match="mode"):
        kp.open(uri, "w")
    with pytest.raises(kp.NotFound):
        kp.open(ABSENT)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.update(sha1="1" * 40), lambda manifest: manifest.update(size=1),
        lambda manifest: manifest.pop("chunks"), lambda manifest: manifest["chunks"].pop(0),
        lambda manifest: manifest["chunks"][1].update(start=5), lambda manifest: manifest["chunks"][0].update(end="x"),
        lambda manifest: manifest.update(chunks=None),
    ],
)  # fmt: skip
def test_a_manifest_that_lies_is_refused(in_chunks: tuple[bytes, str], change: Callable[[Any], object]) -> None:
    _, uri = in_chunks
    manifest = kp.load_json("sha1://" + uri[-40:])
    change(manifest)
    digest = kp.store_json(manifest)[7:47]
    with pytest.raises(kp.BadManifest):
        kp.load_bytes(f"{uri[:-40]}{digest}", 0, 1)


def test_a_manifest_that_is_no_json_is_refused(in_chunks: tuple[bytes, str]) -> None:
    _, uri = in_chunks
    for text in ("", "[]", json.dumps({"size": 1})):
        with pytest.raises(kp.BadManifest):
            kp.load_bytes(f"{uri[:-40]}{kp.store_text(text)[7:47]}", 0, 1)


def test_an_array_is_mapped_and_never_written_to(offline: Path) -> None:
    uri = kp.store_npy(np.arange(1000.0))
    mapped = kp.load_npy(uri, mmap_mode="r")
    assert isinstance(mapped, np.memmap) and mapped[500] == 500.0
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1
    copy_on_write: Any = kp.load_npy(uri, mmap_mode="c")
    copy_on_write[0] = 7
    assert np.array_equal(kp.load_npy(uri), np.arange(1000.0))
    for mode in ("r+", "w+"):
        with pytest.raises(kp.BadRequest, match="mmap_mode"):
            kp.load_npy(uri, mmap_mode=mode)
