"""Every file of a stored folder can be addressed, whatever its name: in URIs, in fsspec and by the commands."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import fsspec
import pytest
from fsspec.core import url_to_fs

import kachery_client as kc
import kachery_p2p as kp
from kachery_p2p import _local_store
from kachery_p2p._uri import parse_uri
from kachery_p2p.filesystem import KacheryFileSystem
from real_daemon import RealDaemon, program

NAMES = [
    "plain.txt", "a b.txt", "a%20b.txt", "a?b", "a%3Fb", "a?b?c", "100%", "#", "new\nline", "tab\there", "\u00fc",
    "u\u0308", "[1].txt", "*", "a::b", "?manifest=" + "a" * 40, "x%2Fy?z/in", "a b/c d/e%f", "~", "\u200d",
    "a\\b", "%FF",
]  # fmt: skip


pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def folder(offline: Path, tmp_path: Path) -> str:
    for name in NAMES:
        path = tmp_path / "odd names" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return kp.store_dir(str(tmp_path / "odd names"))


def test_what_find_names_can_be_read_by_that_name(folder: str, tmp_path: Path) -> None:
    files, root = url_to_fs(folder)
    found = files.find(root)
    assert sorted(path[len(root) + 1 :] for path in found) == sorted(NAMES)
    for path in found:
        name = path[len(root) + 1 :].encode()
        with files.open(path) as file:
            assert files.cat_file(path) == file.read() == name
        uri = files.unstrip_protocol(path)
        assert kp.load_bytes(uri, None, None) == name
        again, at = url_to_fs(uri)
        assert again.cat_file(at) == name and files.cat(path) == name and files.info(path)["name"] == path
    walked = [f"{at}/{name}" for at, _, names in files.walk(root) for name in names]
    assert sorted(walked) == sorted(found)
    files.get(root, str(tmp_path / "copy"), recursive=True)
    assert kp.store_dir(str(tmp_path / "copy"), label="odd names") == folder


def test_the_commands_read_the_same_uris(folder: str, offline: Path) -> None:
    files, root = url_to_fs(folder)
    for path in files.find(root):
        command = [str(program("kachery")), "cat", files.unstrip_protocol(path)]
        environment = {"KACHERY_OFFLINE_STORAGE_DIR": str(offline)}
        run = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True)
        assert run.stdout.decode() == path[len(root) + 1 :]


def test_names_that_older_software_wrote_unencoded_still_load(folder: str) -> None:
    for name in ("a b.txt", "a?b?c", "100%", "#", "new\nline", "x%2Fy?z/in", "a b/c d/e%f"):
        assert kp.load_text(f"{folder}/{name}") == name
        with fsspec.open(f"{folder}/{name}") as file:
            assert file.read().decode() == name


def test_a_file_is_copied_under_the_name_in_front_of_its_manifest(offline: Path, tmp_path: Path) -> None:
    content = os.urandom(20_000_001)
    (tmp_path / "recording one?.dat").write_bytes(content)
    uri = kp.store_file(str(tmp_path / "recording one?.dat"))
    assert "/recording%20one%3F.dat?manifest=" in uri
    files, path = url_to_fs(uri)
    assert files.unstrip_protocol(path) == uri and url_to_fs(uri[len("sha1://") :], protocol="sha1") is not None
    assert files._strip_protocol(uri[len("sha1://") :]) == files._strip_protocol(path)
    (tmp_path / "copies").mkdir()
    files.get(uri, f"{tmp_path}/copies/")
    assert os.listdir(tmp_path / "copies") == ["recording one?.dat"]
    assert (tmp_path / "copies" / "recording one?.dat").read_bytes() == content
    assert files.glob(uri) == files.find(uri) == files.ls(uri, detail=False) == [path]


def test_a_hash_alone_is_a_uri(offline: Path) -> None:
    digits = kp.store_text("x").split("/")[2]
    assert kp.load_text(digits) == kc.load_text(digits.upper()) == "x"
    with kp.open(digits, "r") as file:
        assert file.read() == "x"
    with pytest.raises(kp.NotFound):
        kp.load_text(digits[1:], strict=True)


def test_a_path_may_be_a_path_object_or_bytes(offline: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert kp.store_file(tmp_path / "a") == kp.store_file(os.fsencode(tmp_path / "a"))  # type: ignore[arg-type]
    assert kp.load_text(tmp_path / "a") == "x"  # type: ignore[arg-type]
    assert kp.load_file(tmp_path / "a") == str(tmp_path / "a")  # type: ignore[arg-type]
    for call in (kp.load_text, kp.store_file, kp.link_file, kp.store_dir, kp.open):
        with pytest.raises(kp.BadRequest, match="names no file"):
            call(None)  # type: ignore[arg-type]


def test_a_name_that_is_not_utf8_survives_or_is_refused_by_name(daemon: RealDaemon, tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/a\xff")
    Path(path).write_text("x")
    uri = kp.store_file(path)
    assert uri.endswith("/a%FF") and kp.load_text(uri) == "x"
    with pytest.raises(kp.BadRequest, match=r"a\\xff.*not UTF-8"):
        kp.link_file(path)


def test_empty_names_are_refused_at_once(daemon: RealDaemon) -> None:
    absent = "sha1://" + "0" * 40
    for call in (
        lambda: kp.load_file(absent, from_channel=""),
        lambda: kp.load_bytes(absent, 0, 1, from_channel=""),
        lambda: kp.open(absent, from_channel=""),
        lambda: kc.load_file(absent, channel=""),
        lambda: KacheryFileSystem(from_channel="").cat_file(absent),
        lambda: kp.create_feed("f").load_subfeed("a", channel=""),
        lambda: kp.create_feed("g").get_subfeed(""),
        lambda: kp.create_feed(""),
        lambda: kp.load_feed("", create=True),
        lambda: kc.create_feed(""),
        lambda: kc.load_feed("", create=True),
    ):
        with pytest.raises(kp.BadRequest, match="empty"):
            call()


def test_feeds_with_a_slash_in_their_name_work_and_names_like_uris_are_refused(daemon: RealDaemon) -> None:
    for number, package in enumerate((kp, kc)):
        name = f"lab/notes {number}/2026"
        feed = package.create_feed(name)
        package.load_feed(name).load_subfeed("a/b").append_message({"of": number})
        command = [str(program("kachery")), "feed", "read", f"{name}/a/b", "--json"]
        run = subprocess.run(command, env=daemon.environment, capture_output=True, timeout=60, check=True)
        assert run.stdout == b'{"of":%d}\n' % number
        assert package.get_feed_id(name) == (feed.get_feed_id() if package is kp else feed.feed_id)
        with pytest.raises(kp.BadRequest, match="taken for a URI"):
            package.create_feed("a://b")


def test_the_manifest_of_a_snapshot_is_not_lost_behind_its_subfeed(
    offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_local_store, "CHUNK_SIZE", 10)
    uri = kp.store_json({"subfeeds": {}}, basename="feed.json")
    for package in (kp, kc):
        subfeed = package.load_feed(uri).load_subfeed("a/b c")
        named = subfeed.get_uri() if package is kp else subfeed.uri
        assert named == f"{uri}&subfeedName=a/b%20c"
        assert parse_uri(named).manifest == parse_uri(uri).manifest is not None
        assert kp.load_json(named) == {"subfeeds": {}}
