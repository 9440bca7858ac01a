"""Both packages build as wheels, which work on their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PYTHON = Path(__file__).parents[1]
SCRIPT = """
import fsspec, kachery_client as kc, kachery_p2p as kp
assert kp.__file__.startswith(HERE) and kc.__file__.startswith(HERE), (kp.__file__, kc.__file__)
uri = kp.store_text("in a wheel")
assert kc.load_text(uri) == "in a wheel"
with fsspec.open(uri, "r") as file:
    assert file.read() == "in a wheel"
assert type(fsspec.filesystem("sha1dir")).__name__ == "KacheryFolderFileSystem"
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    source = folder / "source"
    ignored = shutil.ignore_patterns("tests", "__pycache__", "*.egg-info", "build", "dist")
    shutil.copytree(PYTHON, source, ignore=ignored)
    for package in (source, source / "client"):
        run = subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(package)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert run.returncode == 0, run.stdout + run.stderr
    return sorted(folder.glob("*.whl"))


def test_there_is_one_for_each_package_and_any_python(wheels: list[Path]) -> None:
    assert [path.name.split("-")[0] for path in wheels] == ["kachery_client", "kachery_p2p"]
    assert all(path.name.endswith("-py3-none-any.whl") for path in wheels)
    names = [name for path in wheels for name in zipfile.ZipFile(path).namelist()]
    assert "kachery_p2p/py.typed" in names and "kachery_client/py.typed" in names
    assert not [name for name in names if "test" in name]


def test_what_is_in_them_works(wheels: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "installed"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check",
         "--target", str(target), *map(str, wheels)],
        check=True, timeout=120,
    )  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(target), "KACHERY_OFFLINE_STORAGE_DIR": str(tmp_path / "storage")}
    script = f"HERE = {str(target)!r}\n{SCRIPT}"
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
