"""Temporary folders and shell scripts, which programs that build on kachery use."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path
from typing import Callable

import pytest

import kachery_p2p as kp
from kachery_p2p import _kachery_storage_dir, _kachery_temp_dir  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KACHERY_TEMP_DIR", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def test_a_folder_lasts_as_long_as_its_block(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with kp.TemporaryDirectory(prefix="mine") as path:
        assert os.path.dirname(path) == str(temporary) and os.path.basename(path).startswith("mine_")
    assert not os.path.exists(path)
    with kp.TemporaryDirectory(remove=False) as path:
        pass
    assert os.path.isdir(path)
    monkeypatch.setenv("KACHERY_KEEP_TEMP_FILES", "1")
    with kp.TemporaryDirectory() as path:
        pass
    assert os.path.isdir(path)


def test_temporary_files_lie_where_the_environment_says(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KACHERY_TEMP_DIR")
    assert _kachery_temp_dir() == f"{offline}/kachery-tmp-{os.geteuid()}"
    assert _kachery_storage_dir() == str(offline)
    monkeypatch.delenv("KACHERY_OFFLINE_STORAGE_DIR")
    monkeypatch.setenv("KACHERY_P2P_API_PORT", "1")
    assert _kachery_storage_dir() is None


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of the system, to which every user may write."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    monkeypatch.delenv("KACHERY_TEMP_DIR")
    monkeypatch.setenv("TMPDIR", str(shared))
    monkeypatch.setattr("tempfile.tempdir", None)
    return shared


def test_temporary_files_are_private_where_other_users_have_theirs(shared: Path) -> None:
    folder = shared / f"kachery-tmp-{os.geteuid()}"
    for mode in (0o700, 0o755, 0o777, 0o500):
        assert _kachery_temp_dir() == str(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        folder.chmod(mode)
    with kp.TemporaryDirectory() as path:
        assert os.path.dirname(path) == str(folder)
    (shared / "kachery-tmp").mkdir()  # as older versions create it, and as another user can
    (shared / "kachery-tmp").chmod(0)
    assert _kachery_temp_dir() == str(folder)


def test_what_another_user_planted_is_not_used(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shared / f"kachery-tmp-{os.geteuid()}"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    plants: list[Callable[[], None]] = [
        lambda: folder.symlink_to(elsewhere),
        lambda: folder.symlink_to("nowhere"),
        folder.touch,
    ]
    for plant in plants:
        plant()
        with pytest.raises(kp.PermissionDenied, match="KACHERY_TEMP_DIR"), kp.TemporaryDirectory():
            pass
        with pytest.raises(kp.PermissionDenied):
            kp.ShellScript("#!/bin/sh\nexit 0\n").start()
        folder.unlink()
    assert os.listdir(elsewhere) == []
    folder.mkdir(mode=0o700)
    another = os.geteuid() + 1
    folder.rename(shared / f"kachery-tmp-{another}")
    monkeypatch.setattr("os.geteuid", lambda: another)
    with pytest.raises(kp.PermissionDenied, match="not a folder of yours"):
        _kachery_temp_dir()
    monkeypatch.setenv("KACHERY_TEMP_DIR", str(tmp_path / "mine"))
    assert _kachery_temp_dir() == str(tmp_path / "mine")


def test_a_place_that_cannot_hold_temporary_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KACHERY_TEMP_DIR")
    (tmp_path / "file").touch()
    monkeypatch.setenv("KACHERY_OFFLINE_STORAGE_DIR", str(tmp_path / "file"))
    with pytest.raises(kp.StorageFailed, match="KACHERY_TEMP_DIR"):
        _kachery_temp_dir()


def test_a_script_runs_and_leaves_nothing(temporary: Path, tmp_path: Path) -> None:
    script = kp.ShellScript(
        f"""
        #!/bin/bash
        if true; then
            echo WORD > {tmp_path}/output
        fi
        exit 3
        """
    )
    assert script.elapsedTimeSinceStart() is None and not script.isRunning() and not script.isFinished()
    script.substitute("WORD", 7)
    script.start()
    assert script.wait() == script.returnCode() == 3
    assert script.isFinished() and (script.elapsedTimeSinceStart() or 0) > 0 and script.scriptPath() is None
    assert (tmp_path / "output").read_text() == "7\n"
    assert os.listdir(temporary) == []


def test_output_can_go_through_python(capsys: pytest.CaptureFixture[str]) -> None:
    script = kp.ShellScript("#!/bin/sh\necho out\necho err >&2\n", redirect_output_to_stdout=True)
    script.start()
    assert script.wait() == 0
    assert sorted(capsys.readouterr().out.split()) == ["err", "out"]


def test_a_script_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    script = kp.ShellScript("#!/bin/sh\nexit 0", script_path=str(tmp_path / "run.sh"))
    script.write()
    assert os.access(tmp_path / "run.sh", os.X_OK)
    script.start()
    assert script.wait(10) == 0 and (tmp_path / "run.sh").exists()
    with pytest.raises(kp.BadRequest):
        kp.ShellScript("#!/bin/sh\n").write()
    with pytest.raises(kp.BadRequest, match="indented"):
        kp.ShellScript("    #!/bin/sh\n  exit 0\n")


def test_a_script_is_stopped_with_all_that_it_started(tmp_path: Path) -> None:
    script = kp.ShellScript(f"#!/bin/bash\nsleep 300 &\necho $! > {tmp_path}/child\nwait\n")
    script.start()
    assert script.wait(0.05) is None and script.isRunning()
    with pytest.raises(kp.BadRequest):
        script.returnCode()
    deadline = time.monotonic() + 10
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    script.stop()
    assert script.isFinished()
    child = int((tmp_path / "child").read_text())
    while is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    script.kill()


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_script_that_ignores_signals_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kachery_p2p._shellscript._ENDING", ((signal.SIGINT, 0.1), (signal.SIGKILL, 5.0)))
    script = kp.ShellScript("#!/bin/bash\ntrap '' INT\necho ready\nwhile true; do sleep 0.1; done\n")
    script.start()
    time.sleep(0.1)
    script.stop()
    assert script.returnCode() == -signal.SIGKILL
