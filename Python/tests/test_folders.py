from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import kachery_p2p as kp
from storage_layout import read_folder, stored_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "recording"
    (root / "inner" / "größer ✓").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "b.txt").write_text("b")
    (root / "a\nb.txt").write_text("ab")
    (root / "inner" / "größer ✓" / "c.bin").write_bytes(b"\x00")
    return root


def names(root: Path) -> list[str]:
    return sorted(os.path.relpath(os.path.join(at, name), root) for at, ds, fs in os.walk(root) for name in ds + fs)


def test_a_folder_comes_back(offline: Path, folder: Path, tmp_path: Path) -> None:
    uri = kp.store_dir(str(folder))
    assert uri.startswith("sha1dir://") and uri.endswith(".recording")
    dest = tmp_path / "loaded"
    assert kp.load_dir(uri, str(dest)) == str(dest)
    assert names(dest) == names(folder)
    assert (dest / "a\nb.txt").read_text() == "ab"
    assert kp.load_text(f"{uri}/b.txt") == "b"
    assert kp.load_bytes(f"{uri}/inner/größer ✓/c.bin", 0, 1) == b"\x00"


def test_part_of_a_folder_is_loaded_into_one_that_exists(offline: Path, folder: Path, tmp_path: Path) -> None:
    uri = kp.store_dir(str(folder))
    (tmp_path / "kept.txt").write_text("kept")
    kp.load_dir(f"{uri}/inner", str(tmp_path))
    assert (tmp_path / "größer ✓" / "c.bin").exists() and (tmp_path / "kept.txt").read_text() == "kept"


def test_the_document_is_the_one_that_every_program_writes(offline: Path, folder: Path) -> None:
    uri = kp.store_dir(str(folder), label="")
    assert "." not in uri
    text = kp.load_text(uri.replace("sha1dir", "sha1"))
    assert text is not None
    document = json.loads(text)
    assert list(document) == ["files", "dirs"] and list(document["dirs"]) == ["empty", "inner"]
    assert list(document["files"]) == ["a\nb.txt", "b.txt"] and list(document["files"]["b.txt"]) == ["size", "sha1"]
    assert text == json.dumps(document, separators=(",", ":"))
    assert kp.read_dir(uri) == document
    assert kp.read_dir(f"{uri}/empty") == {"files": {}, "dirs": {}}


def test_what_is_not_in_a_folder_is_none(offline: Path, folder: Path, tmp_path: Path) -> None:
    uri = kp.store_dir(str(folder))
    assert kp.read_dir(f"{uri}/none") is None
    assert kp.read_dir(f"{uri}/b.txt") is None
    assert kp.load_dir(f"{uri}/none", str(tmp_path / "never")) is None
    assert kp.load_file(f"{uri}/inner") is None
    assert not (tmp_path / "never").exists()
    with pytest.raises(kp.NotFound, match="none"):
        kp.read_dir(f"{uri}/none", strict=True)
    with pytest.raises(kp.BadRequest, match="sha1dir"):
        kp.read_dir("sha1://" + "0" * 40)


def test_nothing_is_written_where_a_file_is_missing(offline: Path, folder: Path, tmp_path: Path) -> None:
    uri = kp.store_dir(str(folder))
    stored_path(offline, read_folder(uri)["files"]["b.txt"]["sha1"]).unlink()
    assert kp.load_dir(uri, str(tmp_path / "never")) is None
    assert not (tmp_path / "never").exists()


FILE = {"size": 1, "sha1": "1" * 40}


@pytest.mark.parametrize(
    "document",
    [
        {}, [], {"files": []}, {"files": {"..": FILE}}, {"files": {"a/b": FILE}}, {"files": {"": FILE}},
        {"files": {"a\0": FILE}}, {"files": {"n" * 256: FILE}}, {"files": {"a": FILE}, "dirs": {"a": {"files": {}}}},
        {"files": {"a": {"size": -1, "sha1": "1" * 40}}}, {"files": {"a": {"size": 1, "sha1": "../../etc/passwd"}}},
        {"files": {"a": {}}}, {"dirs": {"a": {}}}, {"files": {"a": None}},
    ],
)  # fmt: skip
def test_a_document_that_is_no_folder_or_leads_out_of_it_is_refused(
    offline: Path, document: Any, tmp_path: Path
) -> None:
    digest = kp.store_json(document)[7:47]
    with pytest.raises(kp.BadFolder):
        kp.load_dir(f"sha1dir://{digest}", str(tmp_path / "never"))


def test_deep_and_doubled_documents_are_refused(offline: Path, tmp_path: Path) -> None:
    deep = '{"dirs":{"a":' * 40 + '{"files":{}}' + "}}" * 40
    for text in (deep, "[" * 100_000, '{"files":{},"files":{}}', "no json"):
        with pytest.raises(kp.BadFolder):
            kp.read_dir(f"sha1dir://{kp.store_text(text)[7:47]}")


def test_folders_that_cannot_be_stored_are_named(offline: Path, tmp_path: Path) -> None:
    with pytest.raises(kp.NotFound):
        kp.store_dir(str(tmp_path / "absent"))
    loop = tmp_path / "loop"
    loop.mkdir()
    (loop / "again").symlink_to(loop)
    with pytest.raises(kp.BadFolder, match="deep"):
        kp.store_dir(str(loop))
    (loop / "again").unlink()
    os.mkfifo(loop / "pipe")
    with pytest.raises(kp.BadFolder, match="pipe"):
        kp.store_dir(str(loop))
