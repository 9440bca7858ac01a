"""Shell scripts in Python programs, as the published packages offer them."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from ._errors import BadRequest

if TYPE_CHECKING:
    import subprocess

# The signals that end a script, in this order, and the seconds that it has after each.
_ENDING: tuple[tuple[signal.Signals, float], ...] = (
    (signal.SIGINT, 5.0),
    (signal.SIGTERM, 5.0),
    (signal.SIGKILL, 5.0),
)


class ShellScript:
    """A script that is written inside a program and runs beside it.

    Args:
        script: Its text, from ``#!`` on. The common indentation is removed.
        script_path: Where to write it; the default is a temporary folder.
        keep_temp_files: Whether to keep that folder.
        verbose: Whether to print the script when it starts.
        label: A name for it.
        redirect_output_to_stdout: Whether its output goes through this program's ``sys.stdout``, as in a notebook.

    Example:
        >>> script = kp.ShellScript('''
        ...     #!/bin/sh
        ...     exit CODE
        ... ''')
        >>> script.substitute("CODE", 3)
        >>> script.start()
        >>> script.wait()
        3
    """

    def __init__(
        self,
        script: str,
        script_path: str | None = None,
        keep_temp_files: bool = False,
        verbose: bool = False,
        label: str = "",
        redirect_output_to_stdout: bool = False,
    ) -> None:
        self._script = _without_indentation(script)
        self._script_path = script_path
        self._keeps_files = keep_temp_files
        self._is_verbose = verbose
        self._label = label
        self._redirects = redirect_output_to_stdout
        self._process: subprocess.Popen[str] | None = None
        self._folder: str | None = None
        self._start_time = 0.0
        self._is_swept = False

    def substitute(self, old: str, new: Any) -> None:
        """Replaces a text by another."""
        self._script = self._script.replace(old, str(new))

    def write(self, script_path: str | None = None) -> None:
        """Writes the script and makes it executable for this user."""
        path = script_path or self._script_path
        if path is None:
            raise BadRequest("There is no path to write the script to; name one.")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self._script)
        os.chmod(path, 0o744)

    def start(self) -> None:
        """Starts the script."""
        import subprocess
        import tempfile

        from ._temporary import temporary_directory

        path = self._script_path
        if path is None:
            self._folder = tempfile.mkdtemp(prefix="script_", dir=temporary_directory())
            path = os.path.join(self._folder, "script.sh")
        self.write(path)
        if self._is_verbose:
            print(f"Running {self._label or path}:\n{self._script}", file=sys.stderr)
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if self._redirects else {}
        # A session of its own, so that its children end with it and this program decides about Ctrl-C.
        self._process = subprocess.Popen([path], text=True, start_new_session=True, **output)  # type: ignore[call-overload]
        self._start_time = time.monotonic()

    def wait(self, timeout: float | None = None) -> int | None:
        """Waits for the script. Returns its exit code, or ``None`` if it still runs after ``timeout`` seconds."""
        import subprocess

        process = self._require()
        if process.stdout is not None and timeout is None:
            for line in process.stdout:
                print(line, end="", flush=True)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._clean_up()
        return process.returncode

    def stop(self) -> None:
        """Ends the script: interrupts it, then terminates it, then kills it."""
        for number, patience in _ENDING:
            if not self.isRunning() or self.stopWithSignal(number, patience):
                break
        self._kill_what_is_left()

    def kill(self) -> None:
        """Kills the script and all processes that it started."""
        if self.isRunning():
            self.stopWithSignal(signal.SIGKILL, 5.0)
        self._kill_what_is_left()

    def stopWithSignal(self, sig: int, timeout: float) -> bool:
        """Signals the script and its processes. Returns whether the script ends within ``timeout`` seconds."""
        process = self._require()
        if process.poll() is None:
            os.killpg(process.pid, sig)
        return self.wait(timeout) is not None

    def elapsedTimeSinceStart(self) -> float | None:
        """Seconds since the script started; ``None`` before that."""
        return None if self._process is None else time.monotonic() - self._start_time

    def isRunning(self) -> bool:
        """Whether the script has started and not ended."""
        return self._process is not None and self._process.poll() is None

    def isFinished(self) -> bool:
        """Whether the script has ended."""
        return self._process is not None and self._process.poll() is not None

    def returnCode(self) -> int | None:
        """The script's exit code."""
        if not self.isFinished():
            raise BadRequest("The script has not ended, so it has no exit code yet.")
        return self._require().returncode

    def scriptPath(self) -> str | None:
        """The path to write it to; ``None`` for a temporary folder."""
        return self._script_path

    def _kill_what_is_left(self) -> None:
        """Kills the remaining processes: a shell's background commands ignore Ctrl-C and outlive it."""
        if self._process is None or self._is_swept:
            return
        self._is_swept = True
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def _require(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise BadRequest("The script has not been started.")
        return self._process

    def _clean_up(self) -> None:
        import shutil

        process = self._require()
        if process.stdout is not None:
            process.stdout.close()
        if self._folder is not None and not self._keeps_files:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def _without_indentation(script: str) -> str:
    lines: list[str] = script.split("\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    width = len(lines[0]) - len(lines[0].lstrip(" ")) if lines else 0
    for line in lines:
        if line.strip() and line[:width].strip():
            raise BadRequest(f"The script's line '{line.strip()}' is indented less than its first.")
    return "\n".join(line[width:] for line in lines)
