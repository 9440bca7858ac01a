"""The settings in `Deploy/`, as far as they can be checked without installing anything."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from real_daemon import program

DEPLOY = Path(__file__).parents[2] / "Deploy"
# The daemon's options where they are given to it, and not to another program.
GIVEN = {
    "container/Dockerfile": r'^ENTRYPOINT \["kacheryd", (.*)\]$',
    "container/compose.yaml": r"^ *command: \[(.*)\]$",
    "package/debian/default/kachery": r"(?:^KACHERY_OPTIONS=|^#   )(.*)$",
    "package/debian/default/kachery-bootstrap": r"(?:^KACHERY_OPTIONS=|, add )(.*)$",
    "bootstrap-node/setup.sh": r"options\+?=\((.*)\)",
    "systemd/kachery-bootstrap.service": r"^ExecStart=.*kacheryd (.*)$",
}


@pytest.fixture(scope="module")
def options() -> set[str]:
    """The options that have an effect, according to the daemon's help."""
    run = subprocess.run([str(program("kacheryd")), "--help"], capture_output=True, text=True, timeout=60, check=True)
    return set(re.findall(r"--[a-z0-9-]+", run.stdout.split("without effect")[0]))


@pytest.mark.parametrize("name", GIVEN)
def test_the_daemon_has_the_options_that_it_is_given(name: str, options: set[str]) -> None:
    lines = re.findall(GIVEN[name], (DEPLOY / name).read_text(), re.MULTILINE)
    given = set(re.findall(r"(?<![\w-])--[a-z0-9-]+", " ".join(lines)))
    assert given and given <= options, given - options


def test_every_service_of_the_composition_is_a_node_of_one_channel() -> None:
    text = (DEPLOY / "container" / "compose.yaml").read_text()
    assert re.findall(r"--label, ([a-z-]+)", text) == ["meeting-point", "lab-a", "lab-b"]
    assert text.count('--bootstrap, "bootstrap:14507"') == 2
    assert text.count('--channel, "${KACHERY_CHANNEL:-try-kachery}"') == 3
    volumes = re.findall(r'volumes: \["([a-z-]+):/var/lib/kachery"\]', text)
    assert [f"  {name}:" in text.split("\nvolumes:\n")[1] for name in volumes] == [True, True, True]


def test_user_data_contain_the_script_and_its_options() -> None:
    folder = DEPLOY / "bootstrap-node"
    arguments = ["--package", "https://example.org/kachery.deb", "--sha256", "0" * 64, "--channel", "lab's own"]
    run = subprocess.run(
        [str(folder / "cloud-init.sh"), *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.startswith("#cloud-config\n")
    content = run.stdout.split("    content: |\n")[1].split("\nruncmd:\n")[0] + "\n"
    assert textwrap.dedent(content) == (folder / "setup.sh").read_text()
    words = ", ".join(f'"{word}"' for word in arguments)
    assert run.stdout.endswith(f"\nruncmd:\n  - [/usr/local/sbin/kachery-bootstrap-setup, {words}]\n")
    refused = subprocess.run([str(folder / "cloud-init.sh"), 'a"b'], capture_output=True, timeout=60, check=False)
    assert refused.returncode == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--channel", "x"], "--package"), (["--package"], "needs a value"), (["--port", "70000"], "--package"),
        (["--package", "x", "--port", "70000"], "is not a port"), (["--nonsense"], "unknown option"),
        (["--package", "x", "--label", "a b"], "must not contain blanks"),
    ],
)  # fmt: skip
def test_the_script_refuses_what_it_does_not_understand(arguments: list[str], message: str, tmp_path: Path) -> None:
    """Before it changes anything. A stand-in for `id` makes it believe that it is root."""
    (tmp_path / "id").write_text("#!/bin/sh\necho 0\n")
    (tmp_path / "id").chmod(0o755)
    script = DEPLOY / "bootstrap-node" / "setup.sh"
    run = subprocess.run(
        ["bash", str(script), *arguments],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 1 and message in run.stderr, run.stderr
