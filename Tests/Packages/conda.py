"""Builds the conda packages, installs them from the folder as a channel, and uses them: conda.py FOLDER

`run.sh` runs this in an environment of Python/requirements-conda.txt. What the packages need of conda-forge, which this
does not reach, is packed from that environment.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import rattler
import rattler_build

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "Deploy" / "conda" / "recipe.yaml"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"lib/{PYTHON}/site-packages"
# Packages of conda-forge, and their files in this environment.
PACKED = {
    "pip": ["pip", "pip-*"],
    "setuptools": ["setuptools", "setuptools-*", "pkg_resources", "_distutils_hack", "distutils-precedence.pth"],
    "wheel": ["wheel", "wheel-*"],
    "numpy": ["numpy", "numpy-*", "numpy.libs"],
}
PATIENCE = 20.0  # seconds
QUICK = "conda:-7"  # hardly compressed


def version(package: str) -> str:
    code = f"from importlib.metadata import version; print(version('{package}'))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def stand_ins() -> str:
    """A recipe of the packages of conda-forge. Python is this one, which believes that it lives in the environment."""
    here = Path(sys.prefix) / SITE
    python = Path(sys.base_prefix) / "bin" / PYTHON
    recipe = f"""\
schema_version: 1
recipe: {{name: stand-ins, version: "1"}}
build:
  dynamic_linking: {{binary_relocation: false, missing_dso_allowlist: ["*"]}}
outputs:
  - package: {{name: python, version: "{".".join(map(str, sys.version_info[:3]))}"}}
    build:
      script:
        - mkdir -p "$PREFIX/bin" "$PREFIX/{SITE}"
        - ln -s "{python}" "$PREFIX/bin/{PYTHON}"
        - ln -s {PYTHON} "$PREFIX/bin/python"
        - printf 'home = {python.parent}\\ninclude-system-site-packages = false\\n' >"$PREFIX/pyvenv.cfg"
        - touch "$PREFIX/{SITE}/README"
"""
    for package, files in PACKED.items():
        paths = " ".join(f"{here}/{name}" for name in files)
        recipe += f"""\
  - package: {{name: {package}, version: "{version(package)}"}}
    build:
      script:
        - mkdir -p "$PREFIX/{SITE}"
        - cp -r {paths} "$PREFIX/{SITE}"
"""
    return recipe


def build(recipe: Path, channel: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rattler_build.build_recipes(
            [str(recipe)], channel=[channel.as_uri()], output_dir=str(channel), package_format=QUICK
        )


async def install(channel: Path, prefix: Path, cache: Path) -> list[str]:
    records = await rattler.solve(
        [rattler.Channel(channel.as_uri())],
        ["kachery-client"],
        platforms=["linux-64", "noarch"],
        virtual_packages=rattler.VirtualPackage.detect(),
    )
    await rattler.install(records, str(prefix), cache_dir=cache, show_progress=False)
    return sorted(record.name.normalized for record in records)


def use(prefix: Path, home: Path) -> None:
    """Stores and loads a text through a daemon, all from the environment."""
    home.mkdir()
    environment = {"HOME": str(home), "PATH": f"{prefix}/bin:/usr/bin:/bin", "KACHERY_P2P_API_PORT": "20439"}
    assert subprocess.check_output([f"{prefix}/bin/kachery", "version"], env=environment).startswith(b"kachery ")
    daemon = subprocess.Popen([f"{prefix}/bin/kacheryd", "--nomulticast", "--no-lan"], env=environment)
    try:
        deadline = time.monotonic() + PATIENCE
        while subprocess.call(["kachery", "daemon", "status"], env=environment, stdout=subprocess.DEVNULL):
            assert time.monotonic() < deadline and daemon.poll() is None, "the daemon does not start"
            time.sleep(0.1)
        code = """
import kachery_client as kc, kachery_p2p as kp, numpy
assert kp.load_npy(kc.store_npy(numpy.arange(3))).tolist() == [0, 1, 2]
print(kp.__file__)
"""
        printed = subprocess.check_output([f"{prefix}/bin/python", "-c", code], env=environment, text=True)
        assert printed.startswith(str(prefix)), printed
        subprocess.run(["kachery", "daemon", "stop"], env=environment, check=True)
        assert daemon.wait(PATIENCE) == 0
    finally:
        daemon.kill()
        daemon.wait()


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    channel = folder / "channel"
    channel.mkdir(parents=True)
    recipe = folder / "stand-ins" / "recipe.yaml"
    recipe.parent.mkdir()
    recipe.write_text(stand_ins())
    build(recipe, channel)
    build(RECIPE, channel)
    # The name shows that the packages can be in any place.
    prefix = folder / "environment of anna"
    installed = asyncio.run(install(channel, prefix, folder / "cache"))
    assert installed == ["kachery", "kachery-client", "kachery-p2p", "numpy", "python"], installed
    use(prefix, folder / "home")
    print("passed")


if __name__ == "__main__":
    os.umask(0o022)
    main()
