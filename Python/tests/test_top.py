"""``kachery top``: what a daemon does, in a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from real_daemon import RealDaemon, program

BEGIN, END = b"\x1b[?1049h", b"\x1b[?1049l"
PATIENCE = 20.0  # seconds


class Screen:
    """The command on a pseudo-terminal."""

    def __init__(self, daemon: RealDaemon, columns: int = 80, rows: int = 24, **environment: str) -> None:
        self.controller, self.terminal = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.terminal)
        self.process = subprocess.Popen(
            [str(program("kachery")), "top"],
            env={**daemon.environment, "TERM": "xterm", "LC_ALL": "C.UTF-8", **environment},
            stdin=self.terminal,
            stdout=self.terminal,
            stderr=self.terminal,
            start_new_session=True,
        )
        self.seen = b""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, text: bytes, since: int = 0) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen[since:]:
            assert time.monotonic() < deadline, self.seen[-2000:]
            if select.select([self.controller], [], [], 0.1)[0]:
                self.seen += os.read(self.controller, 65536)

    def close(self) -> int:
        code = self.process.wait(PATIENCE)
        assert termios.tcgetattr(self.terminal) == self.before, "the terminal is as it was"
        os.close(self.controller)
        os.close(self.terminal)
        return code


def test_one_frame_without_a_terminal(daemon: RealDaemon) -> None:
    joined = daemon.kachery("channel", "join", "top-tests")
    assert joined.returncode == 0
    shown = daemon.kachery("top")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("alone  kachery ") and daemon.probe["nodeId"] in lines[1]
    assert lines[2].startswith("receiving 0 B/s")
    for heading, first in [("Transfers", "none at the moment"), ("Peers", "no node is linked")]:
        assert lines[lines.index(heading) + 1].strip() == first
    assert lines[lines.index("Channels (1)") + 1].startswith("  top-tests ")
    assert "\x1b" not in shown.stdout


def test_a_screen_that_is_drawn_again_until_q(daemon: RealDaemon) -> None:
    screen = Screen(daemon)
    screen.until(b"Channels")
    assert screen.seen.startswith(BEGIN) and b"\x1b[1mPeers\x1b[0m" in screen.seen
    screen.resize(30, 6)
    # A frame for the new size: fewer lines, and none longer than it is wide.
    screen.until(b"more lines", len(screen.seen))
    frame = screen.seen.split(b"\x1b[H")[-1].split(b"\x1b[J")[0]
    lines = frame.replace(b"\x1b[1m", b"").replace(b"\x1b[0m", b"").replace(b"\x1b[K", b"").decode().split("\r\n")
    assert len(lines) == 6 and all(len(line) <= 30 for line in lines)
    os.write(screen.controller, b"xq")
    screen.until(END)
    assert screen.close() == 0


@pytest.mark.parametrize("way", ["control-c", "terminate", "daemon"])
def test_other_ends_leave_the_terminal_as_it_was(daemon: RealDaemon, way: str) -> None:
    screen = Screen(daemon, NO_COLOR="1")
    screen.until(b"Channels")
    assert b"\x1b[1m" not in screen.seen
    if way == "control-c":
        os.write(screen.controller, b"\x03")
    elif way == "terminate":
        screen.process.send_signal(signal.SIGTERM)
    else:
        daemon.stop()
    screen.until(END)
    if way == "daemon":
        screen.until(b"Error: The daemon has ended the stream")
    assert screen.close() == {"control-c": 130, "terminate": -signal.SIGTERM, "daemon": 1}[way]
