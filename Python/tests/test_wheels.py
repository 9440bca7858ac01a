"""Both packages build as wheels, which work on their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import fsspec
import pytest

import kachery_client
import kachery_p2p
from real_daemon import free_port, program

ROOT = Path(__file__).parents[2]
SCRIPT = """
import fsspec, kachery_client as kc, kachery_p2p as kp
assert kp.__file__.startswith(HERE) and kc.__file__.startswith(HERE), (kp.__file__, kc.__file__)
uri = kp.store_text("in a wheel")
assert kc.load_text(uri) == "in a wheel"
with fsspec.open(uri, "r") as file:
    assert file.read() == "in a wheel"
assert type(fsspec.filesystem("sha1dir")).__name__ == "KacheryFolderFileSystem"
"""
TYPED = """
import kachery_client as kc
import kachery_p2p as kp
from kachery_p2p import jobs

number: int = kp.store_text("x")
kc.load_text("sha1://x").upper()
jobs.Client(3)
"""
MISTAKES = [
    'x.py:6: error: Incompatible types in assignment (expression has type "str", variable has type "int")',
    'x.py:7: error: Item "None" of "str | None" has no attribute "upper"',
    'x.py:8: error: Argument 1 to "Client" has incompatible type "int"; expected "str"',
]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels and the source distributions."""
    folder = tmp_path_factory.mktemp("packages")
    run = subprocess.run(
        [str(ROOT / "Deploy" / "package" / "wheels.sh"), str(folder), sys.executable],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.fixture(scope="module")
def wheels(packages: Path) -> list[Path]:
    return sorted(packages.glob("*.whl"))


def test_there_is_one_for_each_package_and_any_python(wheels: list[Path]) -> None:
    assert [path.name.split("-")[0] for path in wheels] == ["kachery_client", "kachery_p2p"]
    assert all(path.name.endswith("-py3-none-any.whl") for path in wheels)
    names = [name for path in wheels for name in zipfile.ZipFile(path).namelist()]
    assert "kachery_p2p/py.typed" in names and "kachery_client/py.typed" in names
    assert len([name for name in names if name.endswith("/LICENSE")]) == 2
    assert not [name for name in names if "test" in name]


def test_a_source_distribution_contains_the_sources_of_its_package_alone(packages: Path) -> None:
    archives = sorted(packages.glob("*.tar.gz"))
    assert len(archives) == 2
    for archive, module in zip(archives, ("kachery_client", "kachery_p2p")):
        with tarfile.open(archive) as opened:
            names = {name.split("/", 1)[-1] for name in opened.getnames()}
            assert len({member.mtime for member in opened.getmembers()}) == 1, "the same commit gives the same file"
        assert {"pyproject.toml", "README.md", "LICENSE", f"src/{module}/__init__.py"} <= names
        assert not [name for name in names if "test" in name or "__pycache__" in name]


def version_of_the_program() -> str:
    return subprocess.run(
        [str(ROOT / "Deploy" / "version.sh")], capture_output=True, text=True, timeout=60, check=True
    ).stdout.strip()


def test_all_versions_agree(wheels: list[Path]) -> None:
    version = version_of_the_program()
    run = subprocess.run([str(program("kachery")), "version"], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.startswith(f"kachery {version} ")
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert next(line for line in changes.splitlines() if line.startswith("## ")).split()[1].rstrip(",") == version
    client, ours = (zipfile.ZipFile(path) for path in wheels)
    assert f"kachery_p2p-{version}.dist-info/METADATA" in ours.namelist()
    metadata = next(name for name in client.namelist() if name.endswith(".dist-info/METADATA"))
    assert f"Requires-Dist: kachery-p2p=={version}" in client.read(metadata).decode()
    assert (kachery_p2p.__version__, f"kachery_client-{kachery_client.__version__}.dist-info/METADATA") == (
        version,
        metadata,
    )


def test_a_new_version_is_set_everywhere(tmp_path: Path) -> None:
    places = (
        "Sources/Base/APIModel/APIVersion.swift",
        "Python/src/kachery_p2p/__init__.py",
        "Python/client/pyproject.toml",
        "Deploy/conda/recipe.yaml",
        "Deploy/version.sh",
    )
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / place, tmp_path / place)
    old = version_of_the_program()
    subprocess.run([str(tmp_path / "Deploy" / "version.sh"), "12.34.56"], timeout=60, check=True)
    for place in places[:4]:
        expected = (ROOT / place).read_text().replace(f'"{old}"', '"12.34.56"').replace(f"=={old}", "==12.34.56")
        assert expected.count("12.34.56") == 1
        assert (tmp_path / place).read_text() == expected
    refused = subprocess.run([str(tmp_path / "Deploy" / "version.sh"), "new"], timeout=60, check=False)
    assert refused.returncode == 2


@pytest.fixture(scope="module")
def environment(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment into which the wheels are installed, without the sources and without other packages."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], timeout=120, check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet", "--no-deps",
         "--no-index", "--disable-pip-version-check", *map(str, wheels)],
        timeout=120, check=True,
    )  # fmt: skip
    return folder


def run_there(environment: Path, folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of the environment, in a folder that contains no sources."""
    settings = {"PATH": "/nowhere", "HOME": str(folder), **variables}
    path = str(environment / "bin" / command[0])
    return subprocess.run(
        [path, *command[1:]], env=settings, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_what_is_installed_works(environment: Path, tmp_path: Path) -> None:
    # fsspec, if it is there, comes from the environment of the tests.
    libraries = os.path.dirname(os.path.dirname(fsspec.__file__))
    script = f"import sys; sys.path.append({libraries!r}); HERE = {str(environment)!r}\n{SCRIPT}"
    storage = str(tmp_path / "storage")
    run = run_there(environment, tmp_path, "python", "-c", script, KACHERY_OFFLINE_STORAGE_DIR=storage)
    assert run.returncode == 0, run.stderr


def test_a_type_checker_sees_the_types_of_what_is_installed(environment: Path, tmp_path: Path) -> None:
    mypy = ROOT / ".build" / "python-venv-lint" / "bin" / "mypy"
    assert mypy.is_file(), "make lint installs mypy"
    (tmp_path / "x.py").write_text(TYPED)
    run = subprocess.run(
        [str(mypy), "--strict", "--no-error-summary", "--hide-error-codes", "--config-file=", "--cache-dir",
         str(ROOT / ".build" / "mypy-cache-of-installed"), "--python-executable", str(environment / "bin" / "python"),
         "x.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.stdout.splitlines() == MISTAKES, run.stderr


def test_the_daemon_is_found_or_named(environment: Path, tmp_path: Path) -> None:
    kachery = program("kachery")
    run = run_there(environment, tmp_path, "kachery-p2p", "version", PATH=str(kachery.parent))
    assert run.stdout.startswith(f"This is kachery_p2p version {version_of_the_program()} "), run.stderr
    absent = str(tmp_path / "absent")
    run = run_there(environment, tmp_path, "kachery-store", "x", KACHERY_PROGRAM=absent)
    assert run.returncode == 127 and "Debian package kachery" in run.stderr and "KACHERY_PROGRAM" in run.stderr
    script = "import kachery_p2p as kp; kp.start_daemon(label='x')"
    run = run_there(
        environment, tmp_path, "python", "-c", script, KACHERY_PROGRAM=absent, KACHERY_P2P_API_PORT=str(free_port())
    )
    assert run.returncode != 0 and "There is no program kacheryd" in run.stderr
