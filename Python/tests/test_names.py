"""Names that only look alike, and combining marks after separators. The Swift tests use the same vectors."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import kachery_client as kc
import kachery_p2p as kp
from kachery_p2p._directory import find_entry, parse_folder, resolve_directory_uri, write_folder
from kachery_p2p._feed_names import name_in_uri, parse_feed_uri, subfeed_hash
from kachery_p2p._uri import escape_label, parse_directory_uri, parse_uri
from real_daemon import RealDaemon, program

VECTORS = Path(__file__).parents[2] / "Tests/Vectors"
NAMES = json.loads((VECTORS / "names.json").read_text())
FOLDERS = json.loads((VECTORS / "folders.json").read_text())
HASH = "0123456789abcdef0123456789abcdef01234567"


def command(daemon: RealDaemon, *arguments: str) -> str:
    """The output of a command."""
    run = subprocess.run(
        [str(program("kachery")), *arguments], env=daemon.environment, capture_output=True, timeout=60, check=True
    )
    return run.stdout.decode()


def make(root: Path, vector: dict[str, Any]) -> Path:
    folder = root / str(vector["name"])
    folder.mkdir(parents=True)
    for name, text in vector["files"].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    for name in vector["folders"]:
        (folder / name).mkdir(parents=True, exist_ok=True)
    return folder


def contents(root: Path) -> dict[str, str]:
    return {
        os.path.relpath(os.path.join(at, name), root): Path(at, name).read_bytes().decode()
        for at, _, names in os.walk(root)
        for name in names
    }


def check(vector: dict[str, Any], root: Path) -> None:
    folder = make(root, vector)
    assert kp.store_dir(str(folder)) == kp.store_dir(f"{folder}/") == vector["uri"]
    sha1, _ = parse_directory_uri(vector["uri"])
    assert kp.load_text(f"sha1://{sha1}") == vector["document"]
    assert kp.load_dir(vector["uri"], str(root / "copy")) == str(root / "copy")
    assert contents(root / "copy") == vector["files"]
    assert kp.store_dir(str(root / "copy"), label=vector["name"]) == vector["uri"]
    for path, text in vector["files"].items():
        sha1, label = hashlib.sha1(text.encode()).hexdigest(), escape_label(os.path.basename(path))
        assert kp.store_file(str(folder / path)) == kc.store_file(str(folder / path)) == f"sha1://{sha1}/{label}"
        if "?" not in path:
            assert kp.load_bytes(f"{vector['uri']}/{path}", 0, len(text.encode())) == text.encode()


@pytest.mark.parametrize("vector", FOLDERS, ids=lambda vector: vector["why"])
def test_a_folder_has_the_uri_that_every_client_gives_it(offline: Path, tmp_path: Path, vector: dict[str, Any]) -> None:
    check(vector, tmp_path / "made")


def test_a_folder_has_the_same_uri_through_a_daemon_and_by_the_command(daemon: RealDaemon, tmp_path: Path) -> None:
    for number, vector in enumerate(FOLDERS):
        check(vector, tmp_path / str(number))
        stored = command(daemon, "store", str(tmp_path / str(number) / vector["name"]))
        assert stored == vector["uri"] + "\n"


@pytest.mark.parametrize("vector", FOLDERS, ids=lambda vector: vector["why"])
def test_the_document_is_written_as_it_was_read(vector: dict[str, Any]) -> None:
    folder = parse_folder(vector["document"].encode())
    assert write_folder(folder).decode() == vector["document"]
    backwards = {kind: dict(reversed(entries.items())) for kind, entries in folder.items()}
    assert write_folder(backwards).decode() == vector["document"]


@pytest.mark.parametrize("vector", NAMES["labels"], ids=lambda vector: ascii(vector["name"]))
def test_a_label_neither_ends_nor_breaks_its_uri(offline: Path, vector: dict[str, Any]) -> None:
    name, label = vector["name"], vector["label"]
    assert escape_label(name) == label
    assert parse_uri(f"sha1://{HASH}/{label}?manifest={HASH}")[:3] == (HASH, label, HASH)
    assert parse_directory_uri(f"sha1dir://{HASH}.{label}/a") == (HASH, "a")
    sha1 = hashlib.sha1(b"x").hexdigest()
    assert kp.store_text("x", basename=name) == f"sha1://{sha1}/{label.replace('%2F', '/')}"


def test_a_name_in_a_folder_says_nothing_about_a_manifest() -> None:
    name = f"a?manifest={HASH}"
    document = write_folder(
        {"files": {"a#b c": {"size": 1, "sha1": HASH}, name: {"size": 1, "sha1": HASH}}, "dirs": {}}
    )
    assert resolve_directory_uri(f"sha1dir://{HASH}/a#b c", lambda _: document) == f"sha1://{HASH}/a%23b%20c"


@pytest.mark.parametrize("vector", NAMES["inFolders"], ids=lambda vector: ascii(vector["path"]))
def test_a_path_in_a_folder_is_decoded_and_found_as_it_is_written(vector: dict[str, Any]) -> None:
    folder: dict[str, Any] = {"files": {}, "dirs": {}}
    for size, path in enumerate(vector["files"]):
        *above, name = path.split("/")
        inner = folder
        for part in above:
            inner = inner["dirs"].setdefault(part, {"files": {}, "dirs": {}})
        inner["files"][name] = {"size": size, "sha1": HASH}
    uri = f"sha1dir://{HASH}.label/{vector['path']}"
    if vector["found"] is None:
        with pytest.raises(kp.NotInFolder):
            find_entry(uri, lambda _: write_folder(folder))
        return
    entry, path = find_entry(uri, lambda _: write_folder(folder))
    assert (vector["files"][entry["size"]], path) == (vector["found"], vector["found"])


def test_a_name_that_is_not_utf8_has_a_label_that_is(offline: Path, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/a\xff\xc3b"
    with open(path, "wb") as file:
        file.write(b"x")
    assert kp.store_file(os.fsdecode(path)) == f"sha1://{hashlib.sha1(b'x').hexdigest()}/a%FF%C3b"


def test_the_folder_itself_is_named_where_the_path_says_dot(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "home" / "real" / "inner")
    monkeypatch.chdir(tmp_path / "home" / "real")
    assert kp.store_dir(".").endswith(".real") and kp.store_dir("inner/.").endswith(".inner")
    assert kp.store_dir(str(tmp_path / "link" / "..")).endswith(".real")
    assert kp.store_dir(str(tmp_path / "link")).endswith(".link")


@pytest.mark.parametrize("vector", NAMES["feeds"], ids=lambda vector: ascii(vector["uri"]))
def test_a_subfeed_is_named_by_its_bytes(vector: dict[str, Any]) -> None:
    uri = parse_feed_uri(vector["uri"])
    assert (uri.feed_id, uri.subfeed_name) == (vector["feed"], vector["subfeed"])
    written = f"feed://{uri.feed_id}" + (f"/{name_in_uri(uri.subfeed_name)}" if uri.subfeed_name else "")
    assert written == vector["written"]


def test_the_hash_of_a_subfeed_is_that_of_its_bytes() -> None:
    for vector in NAMES["subfeeds"]:
        assert subfeed_hash(vector["name"]) == vector["sha1"]
    for name in NAMES["notSubfeeds"]:
        with pytest.raises(kp.BadRequest):
            subfeed_hash(name)


def test_mutables_feeds_and_channels_that_only_look_alike_are_two(daemon: RealDaemon) -> None:
    names = ["M\u00fcller", "Mu\u0308ller"]
    for name in names:
        kp.set(name, name)
        kp.create_feed(name).get_subfeed("main").append_message({"of": name})
        command(daemon, "channel", "join", name)
    for one, other in NAMES["different"]:
        kp.set({"name": one}, one)
        kp.set({"name": other}, other)
        assert (kp.get({"name": one}), kp.get({"name": other})) == (one, other)
    assert [kp.get(name) for name in names] == names
    for name in names:
        feed = kp.load_feed(name)
        assert feed.get_subfeed("main").get_next_messages(wait_msec=0)[0]["of"] == name
    assert [channel["channelConfigUrl"] for channel in kp.get_channels()] == names
    command(daemon, "channel", "leave", names[0])
    assert [channel["channelConfigUrl"] for channel in kp.get_channels()] == names[1:]
    with pytest.raises(kp.KacheryError, match="has not joined the channel"):
        kp.load_file(f"sha1://{HASH}", from_channel=names[0], strict=True)
