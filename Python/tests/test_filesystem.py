"""Stored files and folders through fsspec."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest
from fsspec.core import url_to_fs

import kachery_p2p as kp
from stand_in import StandIn
from storage_layout import read_folder

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def folder(offline: Path, tmp_path: Path) -> str:
    root = tmp_path / "data"
    (root / "inner").mkdir(parents=True)
    (root / "a.txt").write_text("alpha")
    (root / "inner" / "b.txt").write_text("beta")
    return kp.store_dir(str(root))


def test_a_file_is_opened_by_its_uri(offline: Path) -> None:
    uri = kp.store_text("größer\n✓\n")
    with fsspec.open(uri, "r", encoding="utf-8") as file:
        assert file.read() == "größer\n✓\n"
    with fsspec.open(uri) as file:
        file.seek(-4, os.SEEK_END)
        assert file.read() == "✓\n".encode()


def test_a_large_file_has_a_question_mark_and_no_pattern(offline: Path, tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 21
    (tmp_path / "large.bin").write_bytes(content)
    uri = kp.store_file(str(tmp_path / "large.bin"))
    assert "?manifest=" in uri
    files, path = url_to_fs(uri)
    assert files.info(path)["size"] == files.size(uri) == len(content)
    assert files.cat_file(path, 20_000_000 - 1, 20_000_001) == content[20_000_000 - 1 : 20_000_001]
    assert files.cat_file(path, -3) == content[-3:]
    assert files.glob(uri) == [path]
    with fsspec.open_files(uri)[0] as file:
        assert file.read(10) == content[:10]


def test_a_folder_is_walked(folder: str) -> None:
    files, root = url_to_fs(folder)
    assert sorted(files.find(root)) == [f"{root}/a.txt", f"{root}/inner/b.txt"]
    assert files.isdir(root) and files.isfile(f"{root}/a.txt") and not files.exists(f"{root}/none")
    assert files.ls(f"{root}/inner", detail=False) == [f"{root}/inner/b.txt"]
    assert files.ls(f"{root}/a.txt")[0]["size"] == 5
    assert files.cat_file(f"{folder}/inner/b.txt") == b"beta"
    assert dict(fsspec.get_mapper(folder)) == {"a.txt": b"alpha", "inner/b.txt": b"beta"}
    assert files.glob(f"{root}/*.txt") == [f"{root}/a.txt"]
    assert files.ukey(f"{root}/a.txt") == read_folder(folder)["files"]["a.txt"]["sha1"]
    assert files.checksum(f"{root}/a.txt") == int(files.ukey(f"{root}/a.txt"), 16)
    with pytest.raises(IsADirectoryError):
        files.open(f"{root}/inner")
    with pytest.raises(IsADirectoryError):
        files.cat_file(root)


def test_a_name_that_a_folder_lacks_is_a_file_that_is_not_found(folder: str) -> None:
    files, root = url_to_fs(folder)
    for name in ("none", "inner/none", "a.txt/none"):
        path = f"{root}/{name}"
        assert not files.exists(path) and not files.isfile(path) and not files.isdir(path)
        for call in (files.info, files.ls, files.cat, files.cat_file, files.open):
            with pytest.raises(FileNotFoundError):
                call(path)
    mapper = fsspec.get_mapper(folder)
    assert "none" not in mapper
    for name in ("none", "inner"):
        with pytest.raises(KeyError):
            mapper[name]
    assert mapper.getitems(["a.txt", "none", "inner"], on_error="omit") == {"a.txt": b"alpha"}
    assert isinstance(mapper.getitems(["a.txt", "none"], on_error="return")["none"], KeyError)
    paths = [f"{root}/a.txt", f"{root}/none"]
    assert files.cat(paths, on_error="omit") == {paths[0]: b"alpha"}
    found = files.cat_ranges(paths, [1, None], [3, None])
    assert found[0] == b"lp" and isinstance(found[1], FileNotFoundError)


def test_a_name_that_looks_like_a_pattern_is_a_name(offline: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("a[1].txt", "what?", "*"):
        (tmp_path / "data" / name).write_text(name)
    uri = kp.store_dir(str(tmp_path / "data"))
    files, root = url_to_fs(uri)
    for name in ("a[1].txt", "what?"):
        assert files.cat(f"{root}/{name}") == fsspec.get_mapper(uri)[name] == name.encode()
        assert files.glob(f"{root}/{name}", detail=True)[f"{root}/{name}"]["size"] == len(name)
    assert files.glob(f"{root}/a*") == [f"{root}/a[1].txt"]


def test_nothing_is_written(folder: str) -> None:
    for uri in (kp.store_text("x"), f"{folder}/a.txt", f"{folder}/new.txt"):
        files, path = url_to_fs(uri)
        with pytest.raises(OSError, match="never change"):
            files.open(path, "wb")
        with pytest.raises((OSError, NotImplementedError)):
            files.rm(path)


def test_options_are_those_of_load_file(stand_in: StandIn) -> None:
    files = fsspec.filesystem("sha1", p2p=False)
    with pytest.raises(kp.NotFound, match="p2p=False"):
        files.cat_file("0" * 40)
    assert [path for path, _ in stand_in.requests] == ["/probe"]
    stand_in.answer("/loadFile", b'29#{"type":"error","error":"no"}')
    with pytest.raises(kp.NotFound, match="no"):
        fsspec.filesystem("sha1", from_channel="lab", from_node="cd" * 32).cat_file("0" * 40)
    assert stand_in.requests[-1][1]["fromChannel"] == "lab" and stand_in.requests[-1][1]["fromNode"] == "cd" * 32
