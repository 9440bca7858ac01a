"""The test of the user's own disk and machine: calm, complete, without secrets, and nothing is left of it."""

from __future__ import annotations

import json
from pathlib import Path

from real_daemon import StartDaemon

CHANNEL = "lab-x7k2"


def test_it_tests_and_leaves_nothing(start_daemon: StartDaemon, tmp_path: Path) -> None:
    daemon = start_daemon("lab", "--no-lan", "--channel", CHANNEL)
    before = sorted(daemon.storage.iterdir())
    file = tmp_path / "selftest.txt"
    shown = daemon.kachery("selftest", str(file))
    assert shown.returncode in (0, 1), shown.stderr
    assert sorted(daemon.storage.iterdir()) == before
    for part in ("The storage directory", "locks", "keep a second process out", "also between processes", "kacheryd"):
        assert part in " ".join(shown.stdout.split()), shown.stdout
    assert "FAIL  locks" not in shown.stdout
    assert CHANNEL not in shown.stdout + file.read_text() and str(daemon.storage.parent) not in shown.stdout
    assert "The network" in file.read_text() and file.stat().st_mode & 0o777 == 0o600
    assert max(len(line) for line in shown.stdout.splitlines()) <= 100
    daemon.stop()
    answer = json.loads(daemon.kachery("selftest", "--json").stdout)
    results = {result["name"]: result for group in answer["groups"] for result in group["results"]}
    assert results["databases"]["verdict"] == "ok" and results["doctor"]["verdict"] == "skipped"
    assert answer["failed"] is any(result["verdict"] == "failure" for result in results.values())
    assert daemon.kachery("selftest", "one", "two").returncode == 2
