"""Calls the published kachery-client.

test_published_client.py runs this with the Python of that client: one function per run, with its arguments as JSON.
"""

from __future__ import annotations

import json
import sys

import numpy as np

import kachery_client as kc

assert kc.__version__ == "1.2.0", kc.__version__


def store(folder: str) -> dict[str, str]:
    """Stores one value of each kind. Returns the URIs by kind."""
    with open(f"{folder}/large.bin", "wb") as file:
        file.write(bytes(range(256)) * 100_000)
    return {
        "file": kc.store_file(f"{folder}/large.bin"),
        "text": kc.store_text("größer ✓"),
        "json": kc.store_json({"a": [1, None, "ü"]}),
        "npy": kc.store_npy(np.arange(1000).reshape(10, 100)),
        "pkl": kc.store_pkl({"array": np.arange(5.0), "list": [1, "x"]}),
    }


def link(folder: str) -> str:
    """Links a file and returns its URI."""
    with open(f"{folder}/linked.txt", "w") as file:
        file.write("linked")
    uri = kc.link_file(f"{folder}/linked.txt")
    assert kc.load_file(uri) == f"{folder}/linked.txt"
    return str(uri)


def load_text(uri: str, text: str, channel: str) -> None:
    """Loads a text."""
    assert kc.load_text(uri, channel=channel) == text


def load(uris: dict[str, str], channel: str | None, folder: str) -> None:
    """Loads what `store` stored, over a channel or from this node."""
    path = kc.load_file(uris["file"], channel=channel)
    assert path is not None
    with open(path, "rb") as file:
        assert file.read() == bytes(range(256)) * 100_000
    assert kc.load_file(uris["file"], dest=f"{folder}/copy.bin", channel=channel) == f"{folder}/copy.bin"
    assert kc.load_bytes(uris["file"], 255, 258, channel=channel) == b"\xff\x00\x01"
    assert kc.load_text(uris["text"], channel=channel) == "größer ✓"
    assert kc.load_json(uris["json"], channel=channel) == {"a": [1, None, "ü"]}
    assert np.array_equal(kc.load_npy(uris["npy"], channel=channel), np.arange(1000).reshape(10, 100))
    pickled = kc.load_pkl(uris["pkl"], channel=channel)
    assert np.array_equal(pickled["array"], np.arange(5.0)) and pickled["list"] == [1, "x"]


def load_range(uri: str, channel: str) -> None:
    """Loads part of a file that is not on this node, for which its chunk is enough."""
    assert kc.load_bytes(uri, 20_000_000 - 2, 20_000_002, channel=channel) == bytes(
        i % 256 for i in range(20_000_000 - 2, 20_000_002)
    )
    assert kc.load_file(uri) is None


def absent(uri: str, channel: str) -> None:
    """A file that no node has is None."""
    assert kc.load_file(uri) is None
    assert kc.load_file(uri, local_only=True, channel=channel) is None
    assert kc.load_text(uri, channel=channel) is None


def mutables() -> None:
    """Sets, keeps (with update=False), reads and deletes the values of keys."""
    for key in ("name", {"b": 1, "a": [1, 2]}, ["list", 1]):
        assert kc.get(key) is None
        assert kc.set(key, {"value": ["ü", 1.5, None]}) is True
        assert kc.set(key, "second", update=False) is False
        assert kc.get(key) == {"value": ["ü", 1.5, None]}
        assert kc.set(key, "second") is True
        assert kc.get_string(key) == "second"
        assert kc.delete(key) is True
        assert kc.get(key) is None
        assert kc.set(key, 7, update=False) is True


def write_feed(name: str) -> str:
    """Creates a feed with three messages. Returns the URI of their subfeed."""
    feed = kc.create_feed(name)
    assert feed.is_writeable and not feed.is_snapshot and kc.get_feed_id(name) == feed.feed_id
    subfeed = feed.load_subfeed("main")
    subfeed.append_message({"n": 0, "text": "größer ✓"})
    subfeed.append_messages([{"n": n, "text": "größer ✓"} for n in (1, 2)])
    assert subfeed.get_num_local_messages() == 3
    assert subfeed.get_next_messages(wait_msec=0) == [{"n": n, "text": "größer ✓"} for n in range(3)]
    return str(subfeed.uri)


def read_feed(uri: str, channel: str) -> None:
    """Reads what `write_feed` wrote, with every call for reading."""
    subfeed = kc.load_subfeed(uri, channel=channel)
    assert subfeed.get_next_message(wait_msec=20_000) == {"n": 0, "text": "größer ✓"}
    stream = subfeed.message_stream()
    assert [next(stream)["n"], next(stream)["n"]] == [1, 2]
    assert subfeed.position == 3
    assert subfeed.get_next_message(wait_msec=10) is None
    subfeed.set_position(1)
    signed = subfeed.get_next_messages(wait_msec=1000, signed=True, max_num_messages=1)
    assert len(signed) == 1 and signed[0]["body"]["message"]["n"] == 1 and len(signed[0]["signature"]) == 128
    watch = {"w": {"feedId": uri.split("/")[2], "subfeedHash": subfeed.subfeed_hash, "position": 2}}
    assert kc.watch_for_new_messages(watch, wait_msec=1000, channel=channel) == {"w": [{"n": 2, "text": "größer ✓"}]}


def append_to_feed(name: str, count: int) -> None:
    """Appends messages one by one to a subfeed with a JSON name."""
    subfeed = kc.load_feed(name).load_subfeed({"b": 1, "a": [2]})
    for n in range(count):
        subfeed.append_message({"n": n})
    assert [message["n"] for message in subfeed.get_next_messages(wait_msec=0)] == list(range(count))


def snapshot_of_feed(name: str) -> None:
    """A snapshot is a stored file."""
    snapshot = kc.load_feed(name).create_snapshot(["main"])
    assert snapshot.is_snapshot and snapshot.uri.startswith("sha1://")
    assert [message["n"] for message in kc.load_feed(snapshot.uri).load_subfeed("main").message_stream()] == [0, 1, 2]


def delete_feed(name: str) -> None:
    """A deleted feed is no longer found."""
    feed = kc.load_feed(name)
    feed.delete()
    try:
        kc.load_feed(feed.uri)
    except Exception:  # noqa: BLE001
        return
    raise AssertionError("The feed still exists.")


def node_id() -> str:
    """The node's ID."""
    return str(kc.main.get_node_id())


if __name__ == "__main__":
    name, arguments = sys.argv[1], json.loads(sys.argv[2])
    sys.stdout.write("\n" + json.dumps(globals()[name](**arguments)) + "\n")
