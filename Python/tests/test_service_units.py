"""The service units, as far as systemd can check them without running them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "Deploy" / "systemd"


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
