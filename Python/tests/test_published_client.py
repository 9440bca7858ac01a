"""The kachery-client that labs have from PyPI, unchanged, against our daemon."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from real_daemon import RealDaemon, free_port

SCRIPT = Path(__file__).with_name("published_client.py")
ABSENT = "sha1://" + "0" * 40

pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 13) and not os.environ.get("KACHERY_PUBLISHED_PYTHON"),
    reason="the published client installs on Python 3.12 and older only (it needs NumPy 1)",
)


def published_python() -> str:
    """The Python that has the published client; `make test-python` makes one."""
    path = os.environ.get("KACHERY_PUBLISHED_PYTHON")
    if not path or not Path(path).exists():
        pytest.fail("KACHERY_PUBLISHED_PYTHON names no Python with kachery-client 1.2.0: run `make test-python`.")
    return path


class Client:
    """The published client of one daemon's user."""

    def __init__(self, daemon: RealDaemon) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(daemon.storage.parent),
            "KACHERY_DAEMON_PORT": str(daemon.api_port),
            "KACHERY_DAEMON_HOST": "127.0.0.1",
            "KACHERY_TEMP_DIR": str(daemon.storage.parent / "client-tmp"),
        }

    def call(self, verb, **arguments):
        run = subprocess.run(
            [published_python(), str(SCRIPT), verb, json.dumps(arguments)],
            env=self._environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr
        return json.loads(run.stdout.strip().splitlines()[-1])


@pytest.fixture
def pair(start_daemon):
    """Two nodes on one channel, and the published clients of their users."""
    port = free_port()
    start_daemon("bootstrap", "--isbootstrap", "--port", str(port), "--channel", "published")
    joining = ("--bootstrap", f"127.0.0.1:{port}", "--channel", "published")
    return Client(start_daemon("source", *joining)), Client(start_daemon("reader", *joining))


def test_it_stores_and_loads_on_one_node(daemon, tmp_path):
    client = Client(daemon)
    uris = client.call("store", folder=str(tmp_path))
    client.call("load", uris=uris, channel=None, folder=str(tmp_path))
    assert client.call("node_id") == daemon.probe["nodeId"]


def test_it_loads_from_another_node_by_channel(pair, tmp_path):
    source, reader = pair
    uris = source.call("store", folder=str(tmp_path))
    reader.call("load_range", uri=uris["file"], channel="published")
    reader.call("load", uris=uris, channel="published", folder=str(tmp_path))
    reader.call("absent", uri=ABSENT, channel="published")


def test_it_links_files_that_other_nodes_load(pair, tmp_path):
    source, reader = pair
    uri = source.call("link", folder=str(tmp_path))
    reader.call("load_text", uri=uri, text="linked", channel="published")


def test_it_keeps_mutables(daemon):
    Client(daemon).call("mutables")


def test_what_either_package_stores_the_other_loads(daemon, tmp_path, monkeypatch):
    import kachery_p2p as kp
    import numpy as np

    client = Client(daemon)
    uris = client.call("store", folder=str(tmp_path))
    assert np.array_equal(kp.load_pkl(uris["pkl"])["array"], np.arange(5.0))
    assert kp.store_npy(np.arange(1000).reshape(10, 100)) == uris["npy"]
    assert kp.store_json({"a": [1, None, "ü"]}) == uris["json"]
    ours = {**uris, "pkl": kp.store_pkl({"array": np.arange(5.0), "list": [1, "x"]})}
    client.call("load", uris=ours, channel=None, folder=str(tmp_path))


def test_it_writes_and_reads_feeds(daemon):
    client = Client(daemon)
    uri = client.call("write_feed", name="lab")
    client.call("read_feed", uri=uri, channel="*local*")
    client.call("append_to_feed", name="lab", count=100)
    client.call("snapshot_of_feed", name="lab")
    client.call("delete_feed", name="lab")


def test_it_reads_feeds_of_another_node_by_channel(pair):
    source, reader = pair
    uri = source.call("write_feed", name="lab")
    reader.call("read_feed", uri=uri, channel="published")


def test_feeds_of_either_package_are_the_others(daemon):
    import kachery_client as ours

    client = Client(daemon)
    uri = client.call("write_feed", name="lab")
    assert ours.get_feed_id("lab") == uri.split("/")[2]
    assert [message["n"] for message in ours.load_subfeed(uri).get_next_messages()] == [0, 1, 2]
    ours.load_feed("lab").load_subfeed("other").append_message({"n": 0})
    feed = ours.create_feed("of ours")
    feed.load_subfeed("main").append_messages([{"n": n, "text": "größer ✓"} for n in range(3)])
    client.call("read_feed", uri=feed.load_subfeed("main").uri, channel="*local*")
