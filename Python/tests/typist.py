"""Types the commands of a document, and lists those that no test types."""

from __future__ import annotations

import re

from documented import ROOT, Shown, matches, shown
from people import PATIENCE, Person

ENVIRONMENT = ROOT / "Python" / "src" / "kachery_p2p" / "_environment.py"
INSTALLS = "changes this machine; Tests/Bare and test_install.py install, test_wheels.py installs the wheels"
GATEWAY = "test_gateway.py asks for the same"
AS_ROOT = "changes this machine, as root; Tests/Packages does so in bare roots"
CONDA = "needs conda-forge; test_conda.py checks the recipe"
JOURNAL = "needs a service of systemd; Tests/Packages asks the journal so"
BUILDS = "is itself a run of the tests, or longer than one"
# What no test here types. A command that is neither typed below nor listed here fails the test of its document.
NOT_TYPED = {
    "README.md": {
        "git clone … kachery && cd kachery": "needs the address of a repository",
        "make demo": "test_demo.py runs it",
        "make install": INSTALLS,
        "make build": BUILDS,
        "make test": BUILDS,
        "make sanitize": BUILDS,
        "make test-bare": BUILDS,
        "make test-nfs": BUILDS,
        "make test-network": BUILDS,
        "make fuzz": BUILDS,
        "make bench": BUILDS,
    },
    "docs/operations.md": {
        "kachery setup": "asks questions, which test_setup.py answers",
        "kachery setup --channel kachery-invite-1-…": "test_setup.py types it with an invite",
        "kachery setup --yes --label anna --new-channel --bootstrap meet.example.org:14507": "test_setup.py types it",
        "sudo kachery setup --yes --service system --label lab-server": AS_ROOT,
        "kachery replicate sha1dir://….session7": "test_replicate.py types it between nodes that keep copies",
        "apt install ./kachery_0.9.0-1+deb12_amd64.deb": AS_ROOT,
        "adduser anna kachery": AS_ROOT,
        "apt install ./python3-kachery-p2p_0.9.0-1+deb12_all.deb": AS_ROOT,
        "git clone … kachery && cd kachery": "needs the address of a repository",
        "make tarball": "needs an optimized build; Tests/Packages makes one",
        "rattler-build build --recipe Deploy/conda/recipe.yaml --channel conda-forge --output-dir .build/conda": CONDA,
        "conda install --channel ./.build/conda --channel conda-forge kachery-client": CONDA,
        "curl --range 0-99 http://127.0.0.1:8080/sha1/1b2c…/recording.dat": GATEWAY,
        "curl http://127.0.0.1:8080/sha1dir/3d4e….session7/": GATEWAY,
        "curl http://127.0.0.1:8080/sha1dir/3d4e….session7/a.txt": GATEWAY,
        "make install PREFIX=/usr/local": INSTALLS,
        "make install PREFIX=$HOME/.local": INSTALLS,
        "sudo make install": INSTALLS,
        "make install PYTHON=/path/to/python": INSTALLS,
        "groupadd lab; usermod -aG lab anna; usermod -aG lab ben": AS_ROOT,
        "make install install-service": AS_ROOT,
        "systemctl enable --now kachery": AS_ROOT,
        "journalctl -u kachery": JOURNAL,
        "journalctl -u kachery -p warning": JOURNAL,
        "journalctl -u kachery -x KACHERY_EVENT=diskFull": JOURNAL,
        "journalctl -u kachery KACHERY_PEER=6d1f…": JOURNAL,
        "journalctl -u kachery UNIT_RESULT=watchdog": JOURNAL,
        "systemctl edit kachery": "opens an editor",
        "systemctl edit kachery-bootstrap": "opens an editor",
        "./setup.sh --package kachery_0.9.0-1+deb12_amd64.deb --channel our-lab-x7k2 --also-443 --firewall": AS_ROOT,
    },
    "docs/settings.md": {
        "systemctl reload kachery": AS_ROOT,
    },
    "docs/python.md": {
        "make install PYTHON=/path/to/python": INSTALLS,
        "pip install ./Python ./Python/client": INSTALLS,
        "make wheels": "test_wheels.py runs it",
    },
}
# Whose commands are typed; test_first_minutes.py types those of docs/first-minutes.md.
TYPED = [
    "README.md", "docs/commands.md", "docs/feeds.md", "docs/first-minutes.md", "docs/local-api.md",
    "docs/operations.md", "docs/python.md", "docs/settings.md", "docs/storage.md", "docs/troubleshooting.md",
]  # fmt: skip


class Typist:
    """Types the commands of one document, compares what is shown as their output, and knows which are left."""

    def __init__(self, document: str) -> None:
        self._shown = {entry.command: entry for entry in shown(document)}
        self.left = set(self._shown) - set(NOT_TYPED.get(document, {}))
        self.known: dict[str, str] = {}  # what is written with an ellipsis or as an example, and what it is here

    def take(self, command: str) -> Shown:
        """A command of the document, with what it is here."""
        entry = self._shown[command]
        self.left.discard(command)
        return entry._replace(command=self.here(command))

    def here(self, text: str) -> str:
        for example, value in self.known.items():
            text = text.replace(example, value)
        return text

    def types(self, person: Person, command: str, also: str = "", code: int = 0, compared: bool = True) -> str:
        entry = self.take(command)
        printed = person.types(entry.command + also, code)
        if entry.output and compared:
            assert matches(printed, entry.output, self.known), f"{command} printed:\n{printed}"
        return printed

    def exports(self, person: Person, command: str) -> None:
        """Sets variables, which are ones that the package reads."""
        entry = self.take(command)
        for name in re.findall(r"(KACHERY_\w+)=", command):
            assert f'"{name}"' in ENVIRONMENT.read_text(), name
        person.exports(entry.command)

    def starts(self, person: Person, command: str, *options: str) -> None:
        """Starts the daemon of a person with the options that are shown."""
        person.start(*self.take(command).command.replace("&", "").split()[1:], *options)

    def sends(self, sender: Person, send: str, receiver: Person, receive: str) -> None:
        """Sends by a code, which the receiver types."""
        entry = self.take(send)
        sending = sender.begins(entry.command)
        assert sending.stdout is not None
        code = sending.stdout.readline()
        example = receive.rsplit(maxsplit=1)[-1]
        assert matches(code, (re.sub(r"^[a-z-]+@", "…@", self.here(example)),), {})
        self.known[self.here(example)] = code.strip()
        self.known = {example: code.strip(), **self.known}
        self.types(receiver, receive)
        assert sending.wait(PATIENCE) == 0
        sending.stdout.close()
