"""A file system of a few megabytes that only the daemons of one test see."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

BLOCK = 64 << 10


class SmallDisk:
    """A file system in the mount namespace of a sleeping process, so it disappears with that process.

    An ordinary user also needs a user namespace. If the system does not allow one, the test is skipped.
    """

    def __init__(self, place: Path, megabytes: int) -> None:
        self._own_users = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        namespaces = ["--mount", *(["--user", "--map-root-user"] if self._own_users else [])]
        if self._own_users and not _can_unshare(namespaces):
            pytest.skip("needs root, to mount a small disk (other users may not mount one here)")
        place.mkdir(parents=True)
        self.place = place
        script = 'mount -t tmpfs -o "size=$1m" none "$2" && echo mounted && exec sleep infinity'
        self._holder = subprocess.Popen(
            ["unshare", *namespaces, "sh", "-c", script, "sh", str(megabytes), str(place)], stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        self._output = self._holder.stdout
        if self._output.readline() != b"mounted\n":
            pytest.fail("No file system can be mounted here; the reason is above.")

    @property
    def prefix(self) -> list[str]:
        """The prefix of a command that sees the disk."""
        return ["nsenter", "--target", str(self._holder.pid), *self._own_users, "--mount", "--"]

    def seen(self, path: Path) -> Path:
        """The path under which this process sees the same file."""
        return Path(f"/proc/{self._holder.pid}/root{path}")

    @property
    def free_bytes(self) -> int:
        status = os.statvfs(self.seen(self.place))
        return status.f_bavail * status.f_frsize

    @property
    def _ballast(self) -> Path:
        return self.seen(self.place / "ballast")

    def fill(self, leaving: int = 0) -> None:
        """Fills the disk except for ``leaving`` bytes."""
        with self._ballast.open("ab", buffering=0) as file:
            while self.free_bytes > leaving:
                try:
                    file.write(bytes(min(BLOCK, self.free_bytes - leaving)))
                except OSError:
                    return

    def empty(self) -> None:
        self._ballast.unlink()

    def unmount(self) -> None:
        self._holder.kill()
        self._holder.wait()
        self._output.close()


def _can_unshare(namespaces: list[str]) -> bool:
    run = subprocess.run(["unshare", *namespaces, "true"], stderr=subprocess.DEVNULL, check=False)
    return run.returncode == 0
