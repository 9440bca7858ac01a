"""A listed file that is unavailable is never taken for absent: fsspec, ``open`` and ``aio``."""

from __future__ import annotations

import asyncio
import gc
import os
import warnings
from functools import partial
from pathlib import Path
from typing import Any, Callable

import fsspec
import pytest
from fsspec.core import url_to_fs

import kachery_p2p as kp
from kachery_p2p import _local_store, aio
from losses import CODES, WAYS, Share, refuses, said
from stand_in import StandIn
from storage_layout import store_in_chunks

pytestmark = [
    pytest.mark.usefixtures("registered"),
    # Old versions of fsspec do not close the file that they write to.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
]


@pytest.fixture
def folder(share: Share, tmp_path: Path) -> str:
    (tmp_path / "data" / "inner").mkdir(parents=True)
    for name in ("here", "gone", "inner/gone"):
        (tmp_path / "data" / name).write_text(f"content of {name}")
    return share.store(lambda: kp.store_dir(str(tmp_path / "data")))


@pytest.fixture
def gone(share: Share, folder: str) -> str:
    """The URI of a folder with two files that are stored nowhere."""
    hashes = share.hashes(folder)
    share.lose(hashes["gone"], hashes["inner/gone"])
    return folder


def test_the_folder_is_read_as_it_is(folder: str, tmp_path: Path) -> None:
    for call in calls(folder, "here", tmp_path).values():
        call()


def read(opened: Any) -> Any:
    with opened as file:
        return file.read()


def calls(folder: str, name: str, tmp_path: Path) -> dict[str, Callable[[], Any]]:
    """Every call that reads a file of a folder."""
    files, root = url_to_fs(folder)
    path, mapper = f"{root}/{name}", fsspec.get_mapper(folder)
    paths = [f"{root}/here", path]
    return {
        "cat": lambda: files.cat(path),
        "cat of several": lambda: files.cat(paths),
        "cat, omitting": lambda: files.cat(paths, on_error="omit"),
        "cat, returning": lambda: files.cat(paths, on_error="return"),
        "cat of all": lambda: files.cat(root, recursive=True),
        "cat_file": lambda: files.cat_file(path),
        "a range": lambda: files.cat_file(path, 1, 3),
        "the end": lambda: files.cat_file(path, -3),
        "ranges": lambda: files.cat_ranges(paths, [0, 0], [1, 1]),
        "ranges, raising": lambda: files.cat_ranges(paths, 0, 1, on_error="raise"),
        "open": lambda: read(files.open(path)),
        "fsspec.open": lambda: read(fsspec.open(f"{folder}/{name}", "r")),
        "open_files": lambda: read(fsspec.open_files([f"{folder}/{name}"])[0]),
        "head": lambda: files.head(path, 3),
        "read_block": lambda: files.read_block(path, 1, 2),
        "get": lambda: files.get(path, str(tmp_path / "got")),
        "get of all": lambda: files.get(root, str(tmp_path / "all"), recursive=True),
        "mapper": lambda: mapper[name],
        "mapper, with another value": lambda: mapper.get(name, b"another"),
        "mapper, all": lambda: dict(mapper),
        "getitems": lambda: mapper.getitems(["here", name]),
        "getitems, omitting": lambda: mapper.getitems(["here", name], on_error="omit"),
        "getitems, returning": lambda: mapper.getitems(["here", name], on_error="return"),
        "a cache of files": lambda: read(
            fsspec.open(f"simplecache::{folder}/{name}", simplecache={"cache_storage": str(tmp_path / "cache")})
        ),
        "kp.open": lambda: read(kp.open(f"{folder}/{name}")),
        "load_bytes": lambda: kp.load_bytes(f"{folder}/{name}", 0, 1, strict=True),
        "load_dir": lambda: kp.load_dir(folder, str(tmp_path / "loaded"), strict=True),
        "aio.load_bytes": lambda: asyncio.run(aio.load_bytes(f"{folder}/{name}", 0, 1, strict=True)),
        "aio.load_text": lambda: asyncio.run(aio.load_text(f"{folder}/{name}", strict=True)),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["gone", "inner/gone"])
@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_cannot_be_had_is_not_absent(
    gone: str, stand_in: StandIn, tmp_path: Path, way: str, name: str
) -> None:
    readers = calls(gone, name, tmp_path)
    files, root = url_to_fs(gone)
    assert files.exists(root)
    lose, code = WAYS[way]
    lose(stand_in)
    for reader, call in readers.items():
        assert said(call).code == code, reader
    # fsspec does not close what it was writing to, and the warning would appear in any later test.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    path = f"{root}/{name}"
    assert files.exists(path) and files.isfile(path) and files.info(path)["size"] == len(f"content of {name}")
    assert path in files.find(root) and name in fsspec.get_mapper(gone)


@pytest.mark.parametrize("code", CODES)
def test_every_reason_is_named_with_the_uri(gone: str, stand_in: StandIn, code: str) -> None:
    refuses(code)(stand_in)
    files, root = url_to_fs(gone)
    for call in (files.cat, files.cat_file, files.open):
        error = said(partial(call, f"{root}/gone"))
        assert error.code == type(error).code == code and type(error) is not kp.KacheryError
        assert str(error) == f"{gone}/gone: It is {code}. Do this."


@pytest.mark.parametrize("way", WAYS)
def test_a_folder_whose_document_cannot_be_had_is_not_absent(
    share: Share, folder: str, stand_in: StandIn, tmp_path: Path, way: str
) -> None:
    share.lose(folder[len("sha1dir://") :][:40])
    lose, code = WAYS[way]
    lose(stand_in)
    files, root = url_to_fs(folder)
    for path in (root, f"{root}/here", f"{root}/none"):
        for call in (
            files.exists, files.isfile, files.isdir, files.info, files.ls, files.find, files.cat, files.open, files.du,
            files.glob, files.ukey, lambda path: list(files.walk(path)), lambda path: files.find(path, withdirs=True),
        ):  # fmt: skip
            assert said(partial(call, path)).code == code
    for call in (lambda mapper: "none" in mapper, list, lambda mapper: mapper["none"]):
        assert said(partial(call, fsspec.get_mapper(folder))).code == code
    for uri in (f"{folder}/here", f"{folder}/none"):
        error = said(partial(kp.open, uri))
        assert error.code == code and not isinstance(error, kp.NotInFolder)


def test_only_what_a_document_lacks_is_not_in_the_folder(gone: str, stand_in: StandIn) -> None:
    refuses("not_found")(stand_in)
    with pytest.raises(kp.NotInFolder):
        kp.open(f"{gone}/none")
    with pytest.raises(kp.NotFound) as failure:
        kp.open(f"{gone}/gone")
    assert not isinstance(failure.value, kp.NotInFolder)
    with pytest.raises(FileNotFoundError):
        fsspec.open(f"{gone}/none").open()


@pytest.mark.parametrize("way", WAYS)
def test_a_single_file_that_cannot_be_had_is_not_absent(stand_in: StandIn, tmp_path: Path, way: str) -> None:
    uri = "sha1://" + "0" * 40
    lose, code = WAYS[way]
    lose(stand_in)
    files, path = url_to_fs(uri)
    assert files.glob(uri) == [path]
    for call in (
        files.exists, files.isfile, files.info, files.ls, files.cat, files.cat_file, files.open, files.ukey, kp.open,
        lambda path: files.cat([path], on_error="omit"), lambda path: files.cat_ranges([path], [0], [1]),
        lambda path: files.get(path, str(tmp_path / "got")),
    ):  # fmt: skip
        assert said(partial(call, uri)).code == code


@pytest.mark.parametrize("uri", ["sha1://short", "sha1dir://short", "sha1dir://short/a"])
def test_a_uri_that_is_malformed_is_not_absent(offline: Path, uri: str) -> None:
    files, path = url_to_fs(uri)
    for call in (files.exists, files.info, files.ls, files.cat_file, files.open):
        with pytest.raises(kp.BadRequest):
            call(path)


def test_a_name_of_a_node_that_is_malformed_is_not_absent(gone: str, stand_in: StandIn) -> None:
    stand_in.answer("/loadFile", b"This is no node.", status=400)
    files = fsspec.filesystem("sha1dir", from_node="nonsense")
    with pytest.raises(kp.BadRequest, match="no node"):
        files.cat_file(f"{gone}/gone")


def test_references_into_stored_files_are_not_absent(gone: str, stand_in: StandIn, share: Share) -> None:
    refuses("no_channel")(stand_in)
    hashes = share.hashes(gone)
    references = {"a": [f"sha1://{hashes['here']}", 0, 3], "b": [f"sha1://{hashes['gone']}", 0, 3]}
    files = fsspec.filesystem("reference", fo=references, remote_protocol="sha1")
    assert files.cat("a") == b"con"
    for options in ({}, {"on_error": "omit"}, {"on_error": "return"}):
        assert said(partial(files.cat, ["a", "b"], **options)).code == "no_channel"


def test_a_file_whose_size_is_not_the_folders_is_damaged(share: Share, folder: str) -> None:
    place = share.path(share.hashes(folder)["here"])
    files, root = url_to_fs(folder)
    for call in (files.cat_file, files.open):
        # The previous call has moved the altered copy away.
        place.unlink(missing_ok=True)
        place.write_text("short")
        with pytest.raises(kp.HashMismatch, match="was altered since it was stored"):
            call(f"{root}/here")


def test_what_is_stored_and_cannot_be_looked_for_is_not_absent(share: Share, folder: str) -> None:
    path = share.path(share.hashes(folder)["here"])
    path.unlink()
    path.symlink_to(path.name)  # to itself: this simulates a failing disk
    files, root = url_to_fs(folder)
    for call in (lambda: files.cat_file(f"{root}/here"), lambda: kp.open(f"{folder}/here")):
        assert said(call).code == "storage_failed"
    with pytest.raises(kp.StorageFailed):
        kp.load_text(f"{folder}/here")


def test_a_disk_that_fails_while_a_file_is_read_is_named(folder: str) -> None:
    files, root = url_to_fs(folder)
    for opened in (files.open(f"{root}/here"), kp.open(f"{folder}/here"), kp.open(f"{folder}/here", "r")):
        directory = os.open("/", os.O_RDONLY)
        os.dup2(directory, opened.fileno())  # from now on every read fails
        os.close(directory)
        for call in (partial(opened.read, 3), opened.read, opened.readline):
            assert said(call).code == "storage_failed"
        opened.close()


def test_a_file_that_vanishes_after_it_was_found_is_not_absent(
    share: Share, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _local_store.LocalStore.find
    place = share.path(share.hashes(folder)["here"])
    content = place.read_bytes()

    def find(store: _local_store.LocalStore, sha1: str) -> str | None:
        path = found(store, sha1)
        if path == str(place):
            place.unlink()
        return path

    monkeypatch.setattr(_local_store.LocalStore, "find", find)
    files, root = url_to_fs(folder)
    for call in (
        lambda: files.cat_file(f"{root}/here"), lambda: files.open(f"{root}/here"), lambda: kp.open(f"{folder}/here"),
        lambda: fsspec.get_mapper(folder).get("here", b"another"),
    ):  # fmt: skip
        # Stored files are read-only.
        place.unlink(missing_ok=True)
        place.write_bytes(content)
        # The local copy is gone, so the package asks the daemon, which does not answer.
        assert said(call).code == "disconnected"


def test_a_chunk_that_is_too_short_is_not_read_as_the_next(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, uri, (*_, piece) = store_in_chunks(tmp_path, monkeypatch)
    os.chmod(piece, 0o644)
    os.truncate(piece, 10)
    assert kp.load_bytes(uri, 0, 2000) == content[:2000]
    calls = [
        lambda: kp.load_bytes(uri, 0, 2500, strict=True), lambda: read(fsspec.open(uri)), lambda: read(kp.open(uri)),
        lambda: fsspec.filesystem("sha1").cat_file(uri),
    ]  # fmt: skip
    # The first call moves the altered chunk away.
    assert [said(call).code for call in calls] == ["hash_mismatch", "not_found", "not_found", "not_found"]
