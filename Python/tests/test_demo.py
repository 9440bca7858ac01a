"""`make demo`, which newcomers see first."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from real_daemon import program

SCRIPT = Path(__file__).parents[2] / "Deploy" / "demo.sh"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "DEMO_MB": "25",
        "KACHERY_BUILD_DIR": str(program("kacheryd").parent),
    }


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [SCRIPT], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def daemons_below(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment, executable = (process / "environ").read_bytes(), os.readlink(process / "exe")
            if str(folder).encode() in environment and "kacheryd" in executable:
                found.append(process.name)
        except OSError:
            continue
    return found


def test_it_runs_to_its_end_and_leaves_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    demo = start(environment)
    output, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, output
    assert "the same, byte for byte" in output and "What to type next" in output
    assert os.listdir(tmp_path) == [] and daemons_below(tmp_path) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_can_be_interrupted_and_leaves_nothing(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    demo = start(environment)
    deadline = time.monotonic() + 60
    while not daemons_below(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    demo.send_signal(number)
    demo.communicate(timeout=60)
    assert demo.returncode == code
    assert os.listdir(tmp_path) == [] and daemons_below(tmp_path) == []


def test_it_says_what_is_missing(environment: dict[str, str], tmp_path: Path) -> None:
    environment["KACHERY_BUILD_DIR"] = str(tmp_path)
    demo = start(environment)
    output, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1 and "make demo" in output
