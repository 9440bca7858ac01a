"""`kachery send` and `kachery receive` behind routers that translate addresses.

`make test-lines` runs this as root.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from line import End
from real_daemon import program
from sites import Sites
from test_lines import Node


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def start(end: End, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts `kachery` for a person without a daemon."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "KACHERY_P2P_API_PORT": "1",
    }
    return end.start(
        ["sh", "-c", 'cd "$0" && exec "$@"', str(folder), str(program("kachery")), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_transfer_between_two_sites(stack: contextlib.ExitStack, tmp_path: Path) -> None:
    """Neither can dial the other: they meet at a bootstrap node outside."""
    sites = Sites(stack)
    hub = sites.machine(1)
    node = Node(hub, tmp_path, "R1", "--isbootstrap", "--port", "14507")
    stack.callback(node.stop)
    a, b = sites.site("A")[0], sites.site("B")[0]
    content = os.urandom(30_000_000)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "data.bin").write_bytes(content)
    sending = start(a, tmp_path / "a", "send", "--bootstrap", f"{hub.address}:14507", "data.bin")
    stack.callback(sending.kill)
    assert sending.stdout is not None
    code = sending.stdout.readline().strip()
    assert code.endswith(f"@{hub.address}:14507"), sending.communicate(timeout=60)
    receiving = start(b, tmp_path / "b", "receive", code)
    output, errors = receiving.communicate(timeout=120)
    assert receiving.returncode == 0, errors
    assert output == "data.bin\n"
    assert (tmp_path / "b" / "data.bin").read_bytes() == content
    sending.communicate(timeout=60)
    assert sending.returncode == 0
