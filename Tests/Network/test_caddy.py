"""Nodes behind Caddy, with the settings that docs/operations.md recommends.

`make test-network` runs this.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from real_daemon import free_port
from test_proxies import wait_for_link
from test_websockets import DEADLINE, Hub, Join, hub, join, share

# Fixtures.
__all__ = ["hub", "join"]

RECOMMENDED = Path(__file__).parents[2] / "Deploy" / "bootstrap-node" / "Caddyfile"


@contextlib.contextmanager
def running_caddy(folder: Path, port: int, site: str) -> Iterator[None]:
    """A Caddy with one site, at this port."""
    folder.mkdir()
    configuration = folder / "Caddyfile"
    configuration.write_text("{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n" + site)
    log = folder / "caddy.log"
    program = shutil.which("caddy")
    assert program, "Install Caddy (Deploy/install-dependencies.sh --lines)."
    environment = {
        **os.environ,
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [program, "run", "--config", str(configuration), "--adapter", "caddyfile"],
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(DEADLINE)


@pytest.fixture
def caddy(tmp_path: Path, hub: Hub) -> Iterator[int]:
    """The port of a Caddy with the recommended settings, and a certificate of its own authority."""
    port = free_port()
    text = RECOMMENDED.read_text()
    assert text.count("meeting-point.example.org {") == 1 and text.count("127.0.0.1:14508") == 1
    text = text.replace("meeting-point.example.org {", f"https://127.0.0.1:{port} {{\n\ttls internal")
    with running_caddy(tmp_path / "caddy", port, text.replace("14508", str(hub.port))):
        yield port


def test_files_pass_through_caddy(hub: Hub, caddy: int, join: Join, tmp_path: Path) -> None:
    # Caddy chooses its certificate by the name that a client asks for.
    member = join(f"wss://127.0.0.1:{caddy}")
    wait_for_link(member)
    share(hub.daemon, member, tmp_path)
    share(member, hub.daemon, tmp_path)
