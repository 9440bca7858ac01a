"""Mistakes in kachery.yaml at a start: which prevent it, and which are warnings."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from real_daemon import StartDaemon, program


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("port: high", "kachery.yaml, line 2: port: 'high' is not a port number from 0 to 65535"),
        ("udp: perhaps", "kachery.yaml, line 2: udp: 'perhaps' is not yes or no"),
        # Without it, a bootstrap node would introduce any node.
        ("introduceOnly: {a: b}", "kachery.yaml, line 2: introduceOnly"),
        ("- a list", "kachery.yaml"),
    ],
)
def test_a_node_does_not_do_what_its_owner_does_not_want(tmp_path: Path, line: str, complaint: str) -> None:
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "kachery.yaml").write_text(f"label: lab\n{line}\n")
    started = subprocess.run(
        [str(program("kacheryd")), "--port", "0"],
        env={
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "KACHERY_P2P_API_PORT": "0",
            "KACHERY_STORAGE_DIR": str(tmp_path / "storage"),
        },
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert started.returncode == 1 and complaint in started.stderr
    assert os.listdir(tmp_path / "storage") in (["kachery.yaml"], ["kachery.yaml", "kachery-node"])


def test_other_mistakes_are_warnings(start_daemon: StartDaemon, tmp_path: Path) -> None:
    storage = tmp_path / "lab" / "storage"
    storage.mkdir(parents=True)
    (storage / "kachery.yaml").write_text("limitUpp: 7\nlimitUp: fast\nlabel: lab\n")
    daemon = start_daemon("lab", "--no-lan")
    log = daemon.log.read_text()
    assert "line 1: 'limitUpp'" in log and "limitUp" in log and "line 2: limitUp: 'fast' is not a rate" in log
    checked = daemon.kachery("config", "check")
    assert checked.returncode == 1 and "limitUpp" in checked.stdout + checked.stderr
