"""``kachery setup``, ``config show`` and ``config check``, with a daemon of their own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from real_daemon import program

Kachery = Callable[..., "subprocess.CompletedProcess[str]"]

WRITTEN_BEFORE = "# our lab\napiPort: 0  # any free one\nmulticast: no\nudp: no\nsomething: else\n"


@pytest.fixture
def kachery(tmp_path: Path) -> Iterator[Kachery]:
    """Runs the command for a user whose home is a temporary folder, and stops this user's daemon at the end."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(program("kachery")), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    yield run
    run("daemon", "stop")


def test_a_node_is_set_up_and_again_without_a_change(kachery: Kachery, tmp_path: Path) -> None:
    storage = tmp_path / "kachery-storage"
    storage.mkdir()
    settings = storage / "kachery.yaml"
    settings.write_text(WRITTEN_BEFORE)
    options = ("setup", "--label", "mouse lab", "--bootstrap", "127.0.0.1:9", "--service", "background")
    first = kachery(*options, "--new-channel")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("kachery-invite-1-") and len(first.stdout.splitlines()) == 1
    assert "line 5: 'something' is not a setting" in first.stderr
    written = WRITTEN_BEFORE + 'label: "mouse lab"\nbootstrap: ["127.0.0.1:9"]\n'
    assert settings.read_text() == written

    shown = {entry["name"]: entry for entry in json.loads(kachery("config", "show", "--json").stdout)["settings"]}
    assert shown["label"]["value"] == "mouse lab" and shown["label"]["source"] == "kachery.yaml, line 6"
    assert shown["bootstrap"]["value"] == "127.0.0.1:9"

    again = kachery(*options)
    assert again.returncode == 0, again.stderr
    assert "runs already" in again.stderr and again.stdout == first.stdout
    assert settings.read_text() == written

    refused = kachery("setup", "--label", "rat lab", "--service", "background")
    assert refused.returncode == 1 and "--yes replaces it with 'rat lab'" in refused.stderr
    assert settings.read_text() == written
    replaced = kachery("setup", "--label", "rat-lab", "--yes", "--service", "background")
    assert replaced.returncode == 0 and "when the daemon is restarted" in replaced.stderr
    assert settings.read_text() == written.replace('"mouse lab"', "rat-lab")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--bootstrap", "nowhere"), "--bootstrap: 'nowhere' is not an address"),
        (("--service", "cron"), "is not user, system or background"),
        (("--channel", "kachery-invite-1-x"), "invite"),
        (("--channel", " lab"), "begins or ends with white space"),
        (("--channel", "lab", "--new-channel"), "leave one out"),
        (("--label", ""), "--label"),
        (("operand",), "Unexpected argument"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_done(
    kachery: Kachery, tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    result = kachery("setup", "--yes", *arguments)
    assert result.returncode == 2 and reason in result.stderr
    assert not (tmp_path / "kachery-storage").exists()


def test_mistakes_are_found_without_a_daemon(kachery: Kachery, tmp_path: Path) -> None:
    settings = tmp_path / "lab.yaml"
    settings.write_text("limitUpp: 7\nport: x\n")
    result = kachery("config", "check", str(settings))
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        f"{settings}, line 1: 'limitUpp' is not a setting; did you mean 'limitUp'?",
        f"{settings}, line 2: port: 'x' is not a port number from 0 to 65535.",
    ]
    settings.write_text("limitUp: 7\n")
    assert kachery("config", "check", str(settings)).returncode == 0
    assert kachery("config", "check", str(tmp_path / "absent.yaml")).returncode == 2
