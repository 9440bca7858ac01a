"""``kachery invite`` and ``kachery join``, between real nodes."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from real_daemon import RealDaemon, StartDaemon, free_port, program


def linked(daemon: RealDaemon) -> int:
    return len(daemon.kachery("daemon", "peers", "--json").stdout.splitlines())


def test_one_line_is_all_that_a_newcomer_needs(start_daemon: StartDaemon, tmp_path: Path) -> None:
    port = free_port()
    start_daemon("hub", "--isbootstrap", "--port", str(port))
    member = start_daemon("member", "--bootstrap", f"127.0.0.1:{port}", "--channel", "our-lab-7f3a9c")
    invited = member.kachery("invite")
    assert invited.returncode == 0
    line = invited.stdout.strip()
    assert line.startswith("kachery-invite-1-")
    assert "keep it as secret as a password" in invited.stderr
    described = json.loads(member.kachery("invite", "--json", "--expires", "7d").stdout)
    assert described["bootstraps"] == [f"127.0.0.1:{port}"]
    assert 6.9 * 86_400 < described["expires"] - time.time() < 7.1 * 86_400

    newcomer = start_daemon("newcomer")
    joined = newcomer.kachery("join", line)
    assert joined.returncode == 0, joined.stderr
    assert "Linked to 1 other member." in joined.stderr
    assert "\nour-lab-7f3a9c " in newcomer.kachery("channel", "list").stdout

    # The newcomer's own invite names the bootstrap node that was in the one it followed.
    assert newcomer.kachery("invite").stdout.strip() == line
    # Joining again, by whatever way, loses nothing.
    assert newcomer.kachery("channel", "join", "our-lab-7f3a9c", "--data-proxy").returncode == 0
    again = newcomer.kachery("channel", "join", line)
    assert again.returncode == 0 and "was joined already" in again.stderr
    assert "--data-proxy" in newcomer.kachery("channel", "list").stdout
    # The bootstrap node goes with the channel.
    assert newcomer.kachery("channel", "leave", "our-lab-7f3a9c").returncode == 0
    assert newcomer.kachery("channel", "join", "other").returncode == 0
    assert json.loads(newcomer.kachery("invite", "--json").stdout)["bootstraps"] == []


def test_the_bootstrap_node_of_an_invite_survives_a_restart(start_daemon: StartDaemon, tmp_path: Path) -> None:
    port = free_port()
    hub = start_daemon("hub", "--isbootstrap", "--port", str(port), "--channel", "lab")
    line = hub.kachery("invite", "lab").stdout.strip()
    newcomer = start_daemon("newcomer")
    joined = newcomer.kachery("join", line)
    assert joined.returncode == 0, joined.stderr
    newcomer.stop()
    newcomer = start_daemon("newcomer")
    deadline = time.monotonic() + 20
    while linked(newcomer) == 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert linked(newcomer) == 1


def test_a_channel_with_a_list_waits_for_its_keeper(start_daemon: StartDaemon, tmp_path: Path) -> None:
    port = free_port()
    document = tmp_path / "channel.yaml"
    server = subprocess.Popen(
        ["python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(tmp_path), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        hub_port = free_port()
        hub = start_daemon("hub", "--isbootstrap", "--port", str(hub_port))
        entry = "authorizedNodes:\n  - nodeId: " + hub.probe["nodeId"] + "\n"
        document.write_text(entry)
        address = f"http://127.0.0.1:{port}/channel.yaml"
        deadline = time.monotonic() + 20
        while hub.kachery("channel", "join", address).returncode and time.monotonic() < deadline:
            time.sleep(0.1)
        line = hub.kachery("invite").stdout.strip()
        newcomer = start_daemon("newcomer")
        told = newcomer.kachery("join", line, "--no-wait")
        assert told.returncode == 0
        node = newcomer.probe["nodeId"]
        assert told.stdout == f'authorizedNodes:\n  - nodeId: {node}\n    nodeLabel: "newcomer"\n'
        waiting = subprocess.Popen(
            [str(program("kachery")), "join", line],
            env=newcomer.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert waiting.stdout is not None
        for _ in told.stdout.splitlines():
            waiting.stdout.readline()
        # The keeper pastes the lines.
        document.write_text(entry + "".join(told.stdout.splitlines(keepends=True)[1:]))
        _, errors = waiting.communicate(timeout=60)
        assert waiting.returncode == 0, errors
        assert "The channel's list contains this node." in errors
    finally:
        server.terminate()
        server.wait()


def test_what_is_no_invite_is_named(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("alone", "--channel", "lab")
    line = daemon.kachery("invite").stdout.strip()
    for text, answer in [
        ("lab", "kachery channel join lab"),
        (line[:-4], "cut off"),
        (line[:-4] + "AAAA", "wrong character"),
    ]:
        refused = daemon.kachery("join", text)
        assert refused.returncode == 2 and answer in refused.stderr, refused.stderr
    assert daemon.kachery("invite", "other").returncode == 3
    assert daemon.kachery("invite", "--expires", "soon").returncode == 2
    assert daemon.kachery("invite", "--bootstrap", "nowhere").returncode == 2
    # Made on 2024-01-01, for a minute.
    expired = daemon.kachery("join", EXPIRED)
    assert expired.returncode == 1 and "expired on 2024-01-01 00:01 UTC" in expired.stderr


EXPIRED = "kachery-invite-1-AA-qAAAAAGWSALwAA2xhYgAAruikzO4S"
