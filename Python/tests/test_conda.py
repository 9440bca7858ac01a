"""The recipe for conda says the same as the packages themselves, and names what exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import kachery_client
import kachery_p2p
from real_daemon import program

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "Deploy" / "conda" / "recipe.yaml"
PROJECTS = {"kachery-p2p": ROOT / "Python" / "pyproject.toml", "kachery-client": ROOT / "Python/client/pyproject.toml"}


def recipe() -> dict[str, Any]:
    """The recipe, with its expressions replaced."""
    text = RECIPE.read_text()
    version = yaml.safe_load(text)["context"]["version"]
    found: dict[str, Any] = yaml.safe_load(text.replace("${{ version }}", version))
    return found


def outputs() -> dict[str, dict[str, Any]]:
    return {output["package"]["name"]: output for output in recipe()["outputs"]}


def test_versions_are_those_of_the_packages() -> None:
    assert recipe()["recipe"]["version"] == kachery_p2p.__version__
    assert {name: output["package"].get("version") for name, output in outputs().items()} == {
        "kachery": None,
        "kachery-p2p": None,
        "kachery-client": kachery_client.__version__,
    }
    assert "${{" not in str(recipe())


def test_every_source_exists_or_is_what_make_tarball_makes() -> None:
    script = (ROOT / "Deploy" / "package" / "tarball.sh").read_text()
    assert "archive=$folder/$name-linux-$(uname -m).tar.gz" in script and "name=kachery-$(Deploy/version.sh)" in script
    assert "PACKAGES = .build/packages" in (ROOT / "Makefile").read_text()
    tarball = f"../../.build/packages/kachery-{kachery_p2p.__version__}-linux-x86_64.tar.gz"
    sources = [source["path"] for output in outputs().values() for source in output["source"]]
    assert sources.count(tarball) == 1
    assert [path for path in sources if path != tarball and not (RECIPE.parent / path).exists()] == []
    # A file that is named beside a folder is put into it.
    assert {Path(path).name for path in sources} >= {output["about"]["license_file"] for output in outputs().values()}


@pytest.mark.parametrize("name", sorted(PROJECTS))
def test_requirements_are_those_of_the_project(name: str) -> None:
    project = PROJECTS[name].read_text()
    required = re.findall(r"^(?:requires-python|dependencies) = (.*)$", project, re.MULTILINE)
    python, dependencies = required[0].strip('"'), re.findall(r'"([^"]+)"', required[1])
    expected = {f"python {python}", *(re.sub(r"^([a-z0-9-]+)(==)", r"\1 \2", entry) for entry in dependencies)}
    output = outputs()[name]
    run = set(output["requirements"]["run"])
    # The package of the programs gives the commands, which pip would write.
    assert run - {f"kachery =={kachery_p2p.__version__}"} == expected
    (setuptools,) = re.findall(r'requires = \["setuptools(.*)"\]', project)
    assert f"setuptools {setuptools}" in output["requirements"]["host"]
    assert any(line.startswith("rm -f") and "bin/kachery*" in line for line in output["build"]["script"])
    for module in output["tests"][0]["python"]["imports"]:
        __import__(module)


def test_the_commands_of_its_tests_work() -> None:
    for line in outputs()["kachery"]["tests"][0]["script"]:
        name, *arguments = line.split()
        executable = program("kacheryd" if name == "kacheryd" else "kachery")
        run = subprocess.run([name, *arguments], executable=executable, capture_output=True, timeout=60, check=False)
        assert run.returncode == 0, line
