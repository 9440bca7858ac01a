"""The service units and the catalogue of messages, as far as systemd can check them without running a service."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "Deploy" / "systemd"


@pytest.mark.parametrize("name", ["kachery.service", "kachery-bootstrap.service"])
def test_systemd_finds_no_fault(name: str, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    assert analyze, "Install systemd (Deploy/install-dependencies.sh): its systemd-analyze checks the service units."
    text = (UNITS / name).read_text()
    assert text.count("/usr/local/bin/kacheryd") == 1, "make install-service replaces it"
    unit = tmp_path / name
    unit.write_text(text.replace("/usr/local/bin/kacheryd", "/bin/true"))
    checked = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_fault_would_be_found(tmp_path: Path) -> None:
    unit = tmp_path / "kachery.service"
    unit.write_text((UNITS / unit.name).read_text().replace("Type=notify", "Typ=notify"))
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "Typ" in checked.stdout + checked.stderr


def test_the_catalogue_explains_every_event(tmp_path: Path) -> None:
    source = (ROOT / "Sources" / "Base" / "Diagnostics" / "LogEvent.swift").read_text()
    events = dict(re.findall(r'case (\w+) = "([0-9a-f]{32})"', source))
    catalog = (UNITS / "kachery.catalog").read_text()
    assert dict(re.findall(r"^# (\w+)\n-- ([0-9a-f]{32})$", catalog, re.MULTILINE)) == events
    operations = (ROOT / "docs" / "operations.md").read_text()
    (table,) = re.findall(r"^\| event \|.*\n\|[-|]*\|\n((?:\|.*\n)+)", operations, re.MULTILINE)
    assert re.findall(r"^\| `(\w+)` ", table, re.MULTILINE) == list(events)
    # Fields that are named in an explanation exist.
    names = re.findall(r'"(KACHERY_\w+)"', (ROOT / "Sources/Daemon/Program/JournalEntry+Log.swift").read_text())
    assert set(re.findall(r"@(\w+)@", catalog)) <= set(names)

    # journalctl reads it, and prints what it has read.
    for folder in ("usr/lib/systemd/catalog", "var/lib/systemd/catalog"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(UNITS / "kachery.catalog", tmp_path / "usr/lib/systemd/catalog")
    journalctl = ["journalctl", f"--root={tmp_path}"]
    updated = subprocess.run([*journalctl, "--update-catalog"], capture_output=True, text=True, timeout=60, check=True)
    assert updated.stderr == ""
    dumped = subprocess.run([*journalctl, "--dump-catalog"], capture_output=True, text=True, timeout=60, check=True)
    for text in (catalog, dumped.stdout):
        entries = re.findall(r"^-- ([0-9a-f]{32})\nSubject: (.+)\nDefined-By: kachery\n", text, re.MULTILINE)
        assert {identifier for identifier, _ in entries} == set(events.values())
        assert len({subject for _, subject in entries}) == len(events)
