"""The recipe for a bootstrap node in the documentation of the published daemon: `--host` and `--port`, and no more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import kachery_p2p as kp
from real_daemon import StartDaemon, free_port


@pytest.mark.parametrize("options", [(), ("--isbootstrap",)])
def test_a_node_with_a_host_and_a_port_introduces_those_that_name_it(
    start_daemon: StartDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    port = str(free_port())
    hub = start_daemon("hub", "--port", port, *options)
    assert hub.probe["isBootstrapNode"]
    named = ("--bootstrap", f"127.0.0.1:{port}", "--channel", "introduced-7b2c")
    one, other = start_daemon("one", *named), start_daemon("other", *named)
    (tmp_path / "file").write_bytes(os.urandom(1000))
    one.select(monkeypatch)
    uri = kp.store_file(str(tmp_path / "file"))
    other.select(monkeypatch)
    deadline = 60
    for _ in range(deadline):
        if any(kp.find_file(uri, timeout_sec=1)):
            break
    assert kp.load_bytes(uri, None, None, strict=True) == (tmp_path / "file").read_bytes()
    assert "no channel in common" not in hub.log.read_text() + one.log.read_text()
