"""A file system of a few megabytes that only the daemons of one test see."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import List

import pytest

BLOCK = 64 << 10


class SmallDisk:
    """Mounted in a mount namespace that a sleeping process holds, so nothing of it outlives the test.

    Another user than root mounts it in a user namespace as well; where the system grants none, the test is skipped.
    """

    def __init__(self, place: Path, megabytes: int) -> None:
        self._own_users = [] if os.geteuid() == 0 else ["--user"]
        namespaces = ["--mount", *(["--user", "--map-root-user"] if self._own_users else [])]
        if self._own_users and subprocess.run(["unshare", *namespaces, "true"], stderr=subprocess.DEVNULL).returncode:
            pytest.skip("needs root, to mount a small disk (other users may not mount one here)")
        place.mkdir(parents=True)
        self.place = place
        script = 'mount -t tmpfs -o "size=$1m" none "$2" && echo mounted && exec sleep infinity'
        self._holder = subprocess.Popen(
            ["unshare", *namespaces, "sh", "-c", script, "sh", str(megabytes), str(place)], stdout=subprocess.PIPE
        )
        if self._holder.stdout.readline() != b"mounted\n":
            pytest.fail("No file system can be mounted here; the reason stands above.")

    @property
    def prefix(self) -> List[str]:
        """What a command begins with that is to see the disk."""
        return ["nsenter", "--target", str(self._holder.pid), *self._own_users, "--mount", "--"]

    def seen(self, path: Path) -> Path:
        """The same path, as this process sees it."""
        return Path(f"/proc/{self._holder.pid}/root{path}")

    @property
    def free_bytes(self) -> int:
        status = os.statvfs(self.seen(self.place))
        return status.f_bavail * status.f_frsize

    @property
    def _ballast(self) -> Path:
        return self.seen(self.place / "ballast")

    def fill(self, leaving: int = 0) -> None:
        """Takes all the room but so many bytes."""
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
        self._holder.stdout.close()
