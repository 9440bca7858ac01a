"""A daemon uses the directory of older software without changing it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

import kachery_p2p as kp
from old_directory import CHANNEL, FEED_ID, MUTABLES, NODE_ID, OldDirectory
from real_daemon import RealDaemon, StartDaemon, free_port
from storage_layout import load_path, stored_path

StartOnOld = Callable[..., RealDaemon]


@pytest.fixture
def old(tmp_path: Path) -> OldDirectory:
    return OldDirectory(tmp_path / "old" / "storage", tmp_path / "shared")


@pytest.fixture
def start_on_old(old: OldDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StartOnOld]:
    """Starts a daemon on the old directory. Each call stops the previous daemon."""
    running: list[RealDaemon] = []

    def start(*options: str) -> RealDaemon:
        for daemon in running:
            daemon.stop()
        # Its home is new each time, so everything that it knows comes from the old directory.
        daemon = RealDaemon(tmp_path / f"home-{len(running)}", "old", *options, storage=old.root)
        running.append(daemon)
        daemon.wait_until_ready()
        daemon.select(monkeypatch)
        return daemon

    yield start
    for daemon in running:
        daemon.stop()


def check_content(old: OldDirectory, tmp_path: Path) -> None:
    assert kp.load_text(old.text_uri) == old.text
    path = load_path(old.large_uri)
    assert Path(path).read_bytes() == old.large and path.startswith(str(old.root))
    assert Path(load_path(old.linked_uri)).read_bytes() == old.linked
    assert kp.load_file(old.changed_uri) is None
    for key, value in MUTABLES:
        assert kp.get(key) == value
    feed = kp.load_feed("notebook")
    assert feed.get_feed_id() == FEED_ID and feed.is_writeable()
    subfeed = feed.get_subfeed("main")
    assert subfeed.get_num_messages() == 3
    assert subfeed.get_next_messages(signed=True) == old.messages
    assert [channel["channelConfigUrl"] for channel in kp.get_channels()] == [CHANNEL]


def test_everything_is_there_and_nothing_is_changed(
    old: OldDirectory, start_on_old: StartOnOld, tmp_path: Path
) -> None:
    before = old.picture()
    assert len(before) > 20
    for _ in range(2):
        daemon = start_on_old()
        assert daemon.probe["nodeId"] == NODE_ID
        check_content(old, tmp_path)
        assert not list(Path(daemon.environment["KACHERY_P2P_CONFIG_DIR"]).glob("*.pem"))
        daemon.stop()
        after = old.picture()
        assert {name: after.get(name) for name in before} == before
        own = {name.split("/")[0] for name in set(after) - set(before)}
        assert own <= {"kachery-node"}, "all new files are in one folder"


def test_a_killed_daemon_leaves_the_old_files_as_they_were(old: OldDirectory, start_on_old: StartOnOld) -> None:
    before = old.picture()
    daemon = start_on_old()
    assert kp.load_text(old.text_uri) == old.text
    daemon.process.kill()
    daemon.process.wait()
    after = old.picture()
    assert {name: after.get(name) for name in before} == before


def test_other_nodes_load_its_files_and_links(
    old: OldDirectory,
    start_on_old: StartOnOld,
    start_daemon: StartDaemon,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over the channel that the old node has joined."""
    port = free_port()
    start_on_old("--port", str(port))
    before = old.picture()
    other = start_daemon("other", "--bootstrap", f"127.0.0.1:{port}", "--channel", CHANNEL)
    other.select(monkeypatch)
    assert kp.load_text(old.text_uri) == old.text
    assert Path(load_path(old.large_uri)).read_bytes() == old.large
    assert Path(load_path(old.linked_uri)).read_bytes() == old.linked
    assert kp.load_file(old.changed_uri) is None
    after = old.picture()
    unchanged = {name for name in before if not name.startswith("kachery-node/")}
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}


def test_what_is_stored_already_is_not_stored_again(
    old: OldDirectory, start_on_old: StartOnOld, tmp_path: Path
) -> None:
    """Its URI is also the same as before."""
    start_on_old()
    before = old.picture()
    copy = tmp_path / "recording.dat"
    copy.write_bytes(old.large)
    assert kp.store_file(str(copy)) == old.large_uri
    after = old.picture()
    for name in before:
        if name.startswith("sha1/"):
            assert after[name] == before[name]


def test_older_software_reads_what_the_new_one_wrote(old: OldDirectory, start_on_old: StartOnOld) -> None:
    """So a lab can return to the older software."""
    daemon = start_on_old()
    kp.set({"new": 1}, ["value"])
    uri = kp.store_text("new text")
    daemon.stop()
    connection = sqlite3.connect(old.root / "mutables.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    rows = dict(connection.execute("SELECT key, value FROM mutables"))
    connection.close()
    assert rows['{"new":1}'] == '["value"]'
    assert len(rows) == len(MUTABLES) + 1
    digest = uri.split("/")[2]
    assert stored_path(old.root, digest).read_text() == "new text"


def test_an_old_feed_goes_on(old: OldDirectory, start_on_old: StartOnOld) -> None:
    """With the old key, after the last old message."""
    start_on_old()
    subfeed = kp.load_feed("notebook").get_subfeed("main")
    subfeed.append_message({"step": 3})
    start_on_old()
    messages = kp.load_feed("notebook").get_subfeed("main").get_next_messages(signed=True)
    assert messages[:3] == old.messages
    assert messages[3]["body"]["message"] == {"step": 3}
    assert messages[3]["body"]["previousSignature"] == old.messages[2]["signature"]


def test_a_key_that_others_may_read_is_refused(old: OldDirectory, tmp_path: Path) -> None:
    (old.root / "private.pem").chmod(0o644)
    before = old.picture()
    daemon = RealDaemon(tmp_path / "home", "old", storage=old.root)
    try:
        assert daemon.process.wait(20) == 1
    finally:
        daemon.process.kill()
    assert "chmod 600" in daemon.log.read_text()
    after = old.picture()
    assert {name: after.get(name) for name in before} == before
