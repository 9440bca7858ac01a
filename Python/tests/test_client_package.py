"""The package kachery_client: the published calls on top of kachery_p2p."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

import kachery_client as kc
import kachery_p2p as kp
from real_daemon import RealDaemon
from stand_in import StandIn
from test_published_client import published_python

ABSENT = "sha1://" + "0" * 40
# Names of the published package that were never meant for its users.
PRIVATE = {"main", "version", "cli", "direct_client", "ephemeral", "ephemeral_client_deprecated", "task_backend"}


def test_every_kind_comes_back(offline: Path, tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(b"0123456789")
    uri = kc.store_file(str(path))
    assert kc.load_file(uri, str(tmp_path / "copy")) == str(tmp_path / "copy")
    assert kc.load_bytes(uri, 2, 5) == b"234"
    assert kc.load_text(kc.store_text("ü", basename="a.txt")) == "ü"
    assert kc.load_json(kc.store_json([1, None])) == [1, None]
    assert np.array_equal(kc.load_npy(kc.store_npy(np.arange(3))), np.arange(3))
    assert kc.load_pkl(kc.store_pkl((1, "x"))) == (1, "x")
    assert kc.load_file(kc.link_file(str(path))) is not None


def test_without_a_channel_nobody_is_asked(stand_in: StandIn) -> None:
    assert kc.load_file(ABSENT) is None
    assert kc.load_file(ABSENT, None, True, "lab") is None
    assert kc.load_bytes(ABSENT, 0, 1) is None
    assert {path for path, _ in stand_in.requests} == {"/probe"}
    stand_in.answer("/loadFile", b'29#{"type":"error","error":"no"}')
    assert kc.load_text(ABSENT, channel="lab") is None
    assert stand_in.requests[-1][1]["fromChannel"] == "lab"
    with pytest.raises(kp.NotFound):
        kc.load_file(ABSENT, strict=True)


@pytest.mark.parametrize("key", ["name", {"b": 1, "a": [1, 2]}, ["list", 1]])
def test_mutables_are_kept_unless_they_may_be_replaced(daemon: RealDaemon, key: Any) -> None:
    assert kc.get(key) is None
    assert kc.set(key, {"value": 1}) is True
    assert kc.set(key, "second", update=False) is False
    assert kc.get(key) == {"value": 1}
    assert kc.set(key, "second") is True
    assert kc.get_string(key) == "second"
    assert kc.delete(key) is True
    assert kc.get(key) is None
    assert kc.main.get_node_id() == kc.get_node_id(daemon.api_port) == daemon.probe["nodeId"]


def test_uris_are_taken_apart_and_put_together() -> None:
    digest = "a" * 40
    for uri in (f"sha1://{digest}/a.txt", f"sha1://{digest}/a/b.txt", f"sha1://{digest}/a.bin?manifest={digest}"):
        parts = kc.parse_uri(uri)
        assert (parts.algorithm, parts.hash) == ("sha1", digest)
        assert kc.build_uri(parts) == str(parts) == uri
    assert kc.parse_uri(f"SHA1://{digest}").filename == ""
    assert kc.build_uri(kc.KacheryUri(algorithm="sha1", hash=digest, filename="x")) == f"sha1://{digest}/x"
    for malformed in ("", "hello", f"md5://{digest}/a"):
        with pytest.raises(kp.BadRequest):
            kc.parse_uri(malformed)


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (lambda: kc.upload_file("x", channel="c"), "join-channel"),
        (lambda: kc.request_task(task_function_id="f", task_kwargs={}, task_function_type="t", channel="c"), "jobs"),
        (lambda: kc.run_task_backend(channels=[], task_function_ids=[]), "jobs"),
        (lambda: kc.DirectClient(channel="c"), "start-daemon"), (lambda: kc.EphemeralClient(channel="c"), "daemon"),
        (kc.enable_ephemeral, "KACHERY_OFFLINE_STORAGE_DIR"), (kc.config_ephemeral_node, "daemon"),
    ],
)  # fmt: skip
def test_what_needs_the_cloud_says_that_it_is_gone_and_what_to_do(call: Callable[[], object], remedy: str) -> None:
    with pytest.raises(kc.CloudServiceDiscontinued, match=remedy):
        call()


def test_programs_that_mark_functions_for_tasks_still_start() -> None:
    @kc.taskfunction("double.1", type="pure-calculation")
    def double(x: int) -> int:
        return 2 * x

    assert double(4) == 8
    kc.enable_ephemeral(False)


def test_every_published_name_is_there_with_its_arguments() -> None:
    script = """
import inspect, json, kachery_client as kc
names = {}
for name in dir(kc):
    value = getattr(kc, name)
    if not name.startswith("_") and callable(value):
        names[name] = None if inspect.isclass(value) else list(inspect.signature(value).parameters)
feeds = {kind: [n for n in dir(getattr(kc, kind)) if not n.startswith("_")] for kind in ("Feed", "Subfeed")}
print(json.dumps([names, feeds]))
"""
    run = subprocess.run([published_python(), "-c", script], capture_output=True, text=True, timeout=60, check=True)
    names, feeds = json.loads(run.stdout)
    assert "load_file" in names
    for name, parameters in names.items():
        ours = getattr(kc, name)
        if parameters is not None and not name.startswith(("upload_", "request_", "run_", "config_", "setup_")):
            assert list(inspect.signature(ours).parameters)[: len(parameters)] == parameters, name
    for kind, members in feeds.items():
        assert set(members) <= set(dir(getattr(kc, kind))), kind


def test_importing_is_quick_and_loads_nothing_heavy() -> None:
    script = """
import sys, kachery_client, kachery_p2p
print([name for name in ("numpy", "http.client", "ssl") if name in sys.modules])
"""
    run = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert run.stdout.strip() == "[]"
