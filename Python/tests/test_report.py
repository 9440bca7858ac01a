"""The report for a person who helps: complete, and without secrets."""

from __future__ import annotations

from pathlib import Path

from real_daemon import StartDaemon, free_port

CHANNEL = "lab-x7k2"


def test_it_says_what_helps_and_no_secret(start_daemon: StartDaemon, tmp_path: Path) -> None:
    port = str(free_port())
    start_daemon("hub", "--isbootstrap", "--port", port, "--channel", CHANNEL, "--no-lan")
    storage = tmp_path / "lab" / "storage"
    storage.mkdir(parents=True)
    (storage / "kachery.yaml").write_text("limitUpp: 7\n")
    daemon = start_daemon(
        "lab", "--bootstrap", f"127.0.0.1:{port}", "--no-lan", "--channel", CHANNEL, "--introduce-only", "other-lab",
        "--isbootstrap", "--port", "0", "--gateway", f"127.0.0.1:{free_port()}", "--gateway-channel", "public-lab",
        environment={"KACHERY_P2P_PROXY": "http://ann:geheim@127.0.0.1:1"},
    )  # fmt: skip
    shown = daemon.kachery("report")
    assert shown.returncode == 0, shown.stderr
    for part in ("Machine", "kachery 0.9.0", "kernel: ", "Settings", "'limitUpp'", "Doctor", "Linked nodes", "Log"):
        assert part in shown.stdout, part
    assert f"{daemon.probe['nodeId']}" in shown.stdout
    tokens = (daemon.storage / "client-auth").read_text().split()
    for secret in (CHANNEL, "other-lab", "public-lab", "geheim", str(tmp_path / "lab") + "/", *tokens):
        assert secret not in shown.stdout, secret
    assert all(f"(channel {number})" in shown.stdout for number in (1, 2, 3))
    file = tmp_path / "report.txt"
    daemon.kachery("report", str(file))
    assert "Linked nodes" in file.read_text() and CHANNEL not in file.read_text()


def test_without_a_daemon_it_says_so(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("lab", "--no-lan", "--channel", CHANNEL)
    daemon.stop()
    shown = daemon.kachery("report")
    assert shown.returncode == 0 and "No daemon answers" in shown.stdout
    assert daemon.kachery("report", "one", "two").returncode == 2
