"""The published kachery-client from PyPI, unchanged, against this daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from real_daemon import CHANNEL, RealDaemon

SCRIPT = Path(__file__).with_name("published_client.py")
ABSENT = "sha1://" + "0" * 40


def published_python() -> str:
    """The Python with the published client, which `make test-python` creates."""
    path = os.environ.get("KACHERY_PUBLISHED_PYTHON")
    if not path and sys.version_info >= (3, 13):
        pytest.skip("the published client installs on Python 3.12 and older only (it needs NumPy 1)")
    if not path or not Path(path).exists():
        pytest.fail("KACHERY_PUBLISHED_PYTHON must name a Python with kachery-client 1.2.0: run `make test-python`.")
    return path


class Client:
    """The published client of a daemon's user."""

    def __init__(self, daemon: RealDaemon) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(daemon.storage.parent),
            "KACHERY_DAEMON_PORT": str(daemon.api_port),
            "KACHERY_DAEMON_HOST": "127.0.0.1",
            "KACHERY_TEMP_DIR": str(daemon.storage.parent / "client-tmp"),
        }

    def call(self, verb: str, **arguments: Any) -> Any:
        run = subprocess.run(
            [published_python(), str(SCRIPT), verb, json.dumps(arguments)],
            env=self._environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr
        return json.loads(run.stdout.strip().splitlines()[-1])


@pytest.fixture
def clients(pair: tuple[RealDaemon, RealDaemon]) -> tuple[Client, Client]:
    """The published clients of two nodes on one channel."""
    source, reader = pair
    return Client(source), Client(reader)


def test_it_stores_and_loads_on_one_node(daemon: RealDaemon, tmp_path: Path) -> None:
    client = Client(daemon)
    uris = client.call("store", folder=str(tmp_path))
    client.call("load", uris=uris, channel=None, folder=str(tmp_path))
    assert client.call("node_id") == daemon.probe["nodeId"]


def test_it_loads_from_another_node_by_channel(clients: tuple[Client, Client], tmp_path: Path) -> None:
    source, reader = clients
    uris = source.call("store", folder=str(tmp_path))
    reader.call("load_range", uri=uris["file"], channel=CHANNEL)
    reader.call("load", uris=uris, channel=CHANNEL, folder=str(tmp_path))
    reader.call("absent", uri=ABSENT, channel=CHANNEL)


def test_it_links_files_that_other_nodes_load(clients: tuple[Client, Client], tmp_path: Path) -> None:
    source, reader = clients
    uri = source.call("link", folder=str(tmp_path))
    reader.call("load_text", uri=uri, text="linked", channel=CHANNEL)


def test_it_keeps_mutables(daemon: RealDaemon) -> None:
    Client(daemon).call("mutables")


def test_what_either_package_stores_the_other_loads(
    daemon: RealDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    import kachery_p2p as kp

    client = Client(daemon)
    uris = client.call("store", folder=str(tmp_path))
    assert np.array_equal(kp.load_pkl(uris["pkl"])["array"], np.arange(5.0))
    assert kp.store_npy(np.arange(1000).reshape(10, 100)) == uris["npy"]
    assert kp.store_json({"a": [1, None, "ü"]}) == uris["json"]
    ours = {**uris, "pkl": kp.store_pkl({"array": np.arange(5.0), "list": [1, "x"]})}
    client.call("load", uris=ours, channel=None, folder=str(tmp_path))


def test_it_writes_and_reads_feeds(daemon: RealDaemon) -> None:
    client = Client(daemon)
    uri = client.call("write_feed", name="lab")
    client.call("read_feed", uri=uri, channel="*local*")
    client.call("append_to_feed", name="lab", count=100)
    client.call("snapshot_of_feed", name="lab")
    client.call("delete_feed", name="lab")


def test_it_reads_feeds_of_another_node_by_channel(clients: tuple[Client, Client]) -> None:
    source, reader = clients
    uri = source.call("write_feed", name="lab")
    reader.call("read_feed", uri=uri, channel=CHANNEL)


def test_feeds_of_either_package_are_the_others(daemon: RealDaemon) -> None:
    import kachery_client as ours

    client = Client(daemon)
    uri = client.call("write_feed", name="lab")
    assert ours.get_feed_id("lab") == uri.split("/")[2]
    assert [message["n"] for message in ours.load_subfeed(uri).get_next_messages()] == [0, 1, 2]
    ours.load_feed("lab").load_subfeed("other").append_message({"n": 0})
    feed = ours.create_feed("of ours")
    feed.load_subfeed("main").append_messages([{"n": n, "text": "größer ✓"} for n in range(3)])
    client.call("read_feed", uri=feed.load_subfeed("main").uri, channel="*local*")
