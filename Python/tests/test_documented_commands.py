"""Every command that README.md and docs/ show is typed as it stands, or listed in ``typist.py`` with the reason."""

from __future__ import annotations

import grp
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from documented import ROOT, matches, python_blocks, shown
from people import PATIENCE, Person, people
from real_daemon import RealDaemon, free_port
from typist import Typist

DAEMON = "kachery-p2p-start-daemon"
CHANNEL_DOCUMENT = "channelLabel: x\nauthorizedNodes:\n  - {{nodeId: {}, nodeLabel: anna}}\n"
ANALYSIS = """\
import os, sys
os.mkdir(sys.argv[3])
for name in ("mean", "x.tmp"):
    with open(os.path.join(sys.argv[3], name), "w") as file:
        file.write("1")
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[dict[str, Person]]:
    """Anna and Ben, linked in a channel through a bootstrap node."""
    with people(tmp_path, "hub", "anna", "ben") as lab:
        port = free_port()
        lab["hub"].start("--isbootstrap", "--port", str(port))
        for name in ("anna", "ben"):
            lab[name].start("--bootstrap", f"127.0.0.1:{port}", "--channel", "our-lab-x7k2")
            lab[name].exported["HUB"] = f"127.0.0.1:{port}"
        lab["anna"].waits_for("ben")
        yield lab


def test_python_of_the_readme(
    daemon: RealDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recording.dat").write_text("recorded")
    known: dict[str, object] = {}
    for block in [*python_blocks("README.md"), python_blocks("docs/python.md")[0]]:
        exec(block, known)
        expected = re.findall(r"^print\(.*\) +# (\S+?)[:,]?(?: |$)", block, re.MULTILINE)
        printed = capsys.readouterr().out.split()
        assert len(printed) == len(expected)
        for line, comment in zip(printed, expected):
            assert matches(line, (comment,), {}), line


def test_readme(tmp_path: Path) -> None:
    typist = Typist("README.md")
    port = free_port()
    typist.known = {"that-machine:14507": f"127.0.0.1:{port}"}
    with people(tmp_path, "hub", "you", "ben") as persons:
        hub, you, ben = persons["hub"], persons["you"], persons["ben"]
        recording = hashlib.shake_128(b"recording.dat").digest(20_500_000)
        (you.folder / "recording.dat").write_bytes(recording)
        (you.folder / "notes.txt").write_text("Mouse 4 was in a good mood.\n")
        typist.starts(hub, f"{DAEMON} --isbootstrap", "--port", str(port))
        typist.starts(you, f"{DAEMON} --label my-computer --bootstrap that-machine:14507")
        typist.types(you, "kachery channel join our-lab-x7k2")
        alone = "kachery load sha1://0000000000000000000000000000000000000000"
        typist.types(you, alone, code=3)
        typist.known["kachery-invite-1-…"] = typist.types(you, "kachery invite").strip()
        uri = typist.types(you, "kachery store recording.dat").strip()
        typist.types(you, "kachery-store recording.dat")
        typist.starts(ben, f"{DAEMON} --label ben")
        typist.types(ben, "kachery join kachery-invite-1-…")
        # The bar is shown on a terminal only.
        typist.types(ben, f"kachery-load '{uri}' --dest recording.dat", compared=False)
        assert (ben.folder / "recording.dat").read_bytes() == recording
        shortened = f"{uri[:11]}…/recording.dat?manifest={uri[-40:-36]}…"
        typist.known[shortened] = uri
        typist.types(ben, f"kachery load '{shortened}' --dest recording.dat")
        # test_first_minutes.py types these two.
        typist.take("kachery send recording.dat --bootstrap that-machine:14507")
        typist.take("kachery receive camel-stone-cloud-quick-tulip-music@that-machine:14507")
        notes = typist.types(you, "kachery store notes.txt").strip()
        typist.types(you, f"kachery cat {notes}")
        typist.known["/home/you"] = str(you.home)
        typist.types(you, f"kachery load {notes}")
        subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, timeout=PATIENCE, check=True)
        typist.left.discard("make help")
    assert typist.left == set()


def test_commands(lab: dict[str, Person]) -> None:
    typist = Typist("docs/commands.md")
    anna, ben = lab["anna"], lab["ben"]
    (anna.folder / "recording.dat").write_text("recorded")
    (anna.folder / "notes").mkdir()
    (anna.folder / "notes" / "a.txt").write_text("noted")
    typist.known = {"boot.example.org:14507": anna.exported["HUB"]}
    code = "kachery receive camel-stone-cloud-quick-tulip-music@boot.example.org:14507"
    typist.sends(anna, "kachery send recording.dat notes/ --bootstrap boot.example.org:14507", ben, code)
    assert (ben.folder / "notes" / "a.txt").read_text() == "noted"
    assert typist.left == set()


def node_id(person: Person) -> str:
    """What ``Node ID: …`` says."""
    return person.types("kachery-p2p-node-info").split()[-1]


def executable(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_feeds(lab: dict[str, Person], tmp_path: Path) -> None:
    typist = Typist("docs/feeds.md")
    anna, ben = lab["anna"], lab["ben"]
    executable(tmp_path / "bin", "some-instrument", """echo '{"volts": 1.5}'; echo '{"volts": 1.50}'""")
    executable(tmp_path / "bin", "jq", "exec cat")
    (anna.folder / "recording.bin").write_text("recorded")
    uri = typist.types(anna, "kachery feed create lab-notes").strip()
    typist.known = {"feed://…": uri, "NODE-ID": node_id(ben)}
    typist.types(anna, """kachery feed append lab-notes/main '{"text": "Mouse 4 was in a good mood."}'""")
    typist.types(anna, "some-instrument | kachery feed append lab-notes/sensor")
    record = r'kachery feed append lab-notes/main "{\"recording\": \"$(kachery store recording.bin)\"}"'
    typist.types(anna, record)
    anna.types("""for n in $(seq 2 120); do echo '{"n": '$n'}'; done | kachery feed append lab-notes/main""")
    assert "Mouse 4" in typist.types(ben, "kachery feed read feed://…/main")
    assert "100" in typist.types(ben, "kachery feed read feed://…/main --from 100 --to 200 --json | jq .")
    tail = ben.begins(typist.take("kachery feed tail -f feed://…/sensor").command)
    assert tail.stdout is not None and '{"volts":1.5}' in tail.stdout.readline()
    tail.terminate()
    tail.wait(PATIENCE)
    tail.stdout.close()
    assert "sensor" in typist.types(ben, "kachery feed info feed://…")
    assert "lab-notes" in typist.types(anna, "kachery feed list")
    typist.types(anna, "kachery feed grant lab-notes/requests NODE-ID")
    typist.types(ben, """kachery feed append feed://…/requests --submit '{"text": "please"}'""")
    assert "please" in anna.types("kachery feed read lab-notes/requests")
    typist.types(anna, "kachery feed revoke lab-notes/requests NODE-ID")
    assert typist.left == set()


def test_troubleshooting(lab: dict[str, Person]) -> None:
    typist = Typist("docs/troubleshooting.md")
    anna, ben = lab["anna"], lab["ben"]
    (anna.folder / "recording.dat").write_text("recorded")
    feed = anna.types("kachery feed create lab-notes").strip()
    anna.types("""kachery feed append lab-notes/requests '{"n": 1}'""")
    typist.known = {
        "sha1://…/recording.dat": anna.types("kachery store recording.dat").strip(),
        "kachery-invite-1-…": anna.types("kachery invite").strip(),
        "feed://…": feed,
        "NODE-ID": node_id(ben),
    }
    typist.exports(ben, "export KACHERY_P2P_API_PORT=20433")
    typist.exports(ben, "export KACHERY_OFFLINE_STORAGE_DIR=/scratch/$USER/kachery-storage")
    ben.exported.clear()
    typist.take(f"{DAEMON} --label my-computer")  # test_readme types it
    anna.types("kachery pin " + typist.known["sha1://…/recording.dat"])
    last = ["kachery rm 'sha1://…/recording.dat'", "kachery gc --trash", "kachery-p2p-stop-daemon"]
    order = [entry.command for entry in shown("docs/troubleshooting.md") if entry.command in typist.left]
    for command in [*(command for command in order if command not in last), *last]:
        typist.types(anna, command)
    assert typist.left == set()


def test_local_api(tmp_path: Path) -> None:
    typist = Typist("docs/local-api.md")
    with people(tmp_path, "anna") as persons:
        anna = persons["anna"]
        anna.start("--channel", "our-lab-x7k2")
        recording, document = anna.folder / "recording.dat", anna.folder / "channel.yaml"
        recording.write_text("recorded" * 100)
        node = node_id(anna)
        document.write_text(CHANNEL_DOCUMENT.format(node))
        status = recording.stat()
        values = {
            "SHA1": hashlib.sha1(b"recorded" * 100).hexdigest(),
            "NODE": node,
            "SUBFEED": hashlib.sha1(b"notes").hexdigest(),
        }
        typist.known = {
            "http://localhost:20431": f"http://localhost:{anna.environment['KACHERY_P2P_API_PORT']}",
            '"size": 45000000, "mtime": 1795000000.5': f'"size": {status.st_size}, "mtime": {status.st_mtime!r}',
            "/data/recording.dat": str(recording),
            "https://example.org/channel.yaml": document.as_uri(),
            "curl --fail ": "curl ",
            "curl ": "curl --silent --show-error --fail-with-body --max-time 20 ",
        }
        variables = [typist.take(command).command for command in sorted(typist.left) if not command.startswith("curl")]
        typist.known["$API/v1/replicate"] = "$API/v1/replicate | grep --quiet failed"
        last = ["/halt", "/feed/deleteFeed"]
        order = [entry.command for entry in shown("docs/local-api.md") if entry.command in typist.left]
        order.sort(key=lambda command: next((2 - last.index(end) for end in last if command.endswith(end)), 0))
        for command in order:
            definitions = "; ".join([*variables, *(f"{name}={value}" for name, value in values.items())])
            line = typist.take(command).command
            if command.endswith(("/stream", "/v1/events")):
                line = line.replace("--max-time 20", "--max-time 2") + " | head --lines 1"
            printed = anna.types(f"{definitions}; {line}")
            if command.endswith("/createFeed"):
                values["FEED"] = json.loads(printed)["feedId"]
    assert typist.left == set()


def test_storage(tmp_path: Path) -> None:
    typist = Typist("docs/storage.md")
    shared = tmp_path / "shared" / "sha1"
    typist.known = {"/mnt/lab/kachery-storage/sha1": str(shared)}
    shared.mkdir(parents=True)
    with people(tmp_path, "anna") as persons:
        anna = persons["anna"]
        (link,) = typist.left
        subprocess.run(
            ["bash", "-c", typist.take(link).command],
            env={**os.environ, "HOME": str(anna.home)}, timeout=PATIENCE, check=True,
        )  # fmt: skip
        anna.start()
        assert anna.types("echo hello | kachery store -").startswith("sha1://f572d396fae9206628714fb2ce00f72e94f2258f")
        assert len([path for path in shared.rglob("*") if path.is_file()]) == 1
    assert typist.left == set()


def test_settings(tmp_path: Path) -> None:
    typist = Typist("docs/settings.md")
    with people(tmp_path, "anna") as persons:
        anna = persons["anna"]
        anna.start()
        typist.types(anna, "kachery config check")
        assert "limitUp" in typist.types(anna, "kachery config show")
    assert typist.left == set()


def test_python_on_another_machine(tmp_path: Path) -> None:
    typist = Typist("docs/python.md")
    with people(tmp_path, "anna") as persons:
        for command in sorted(typist.left):
            typist.exports(persons["anna"], command)
        assert persons["anna"].exported["KACHERY_API_TOKEN_FILE"] == f"{persons['anna'].home}/.kachery-token"


def test_operations(lab: dict[str, Person], tmp_path: Path) -> None:
    typist = Typist("docs/operations.md")
    start_daemons(typist, tmp_path / "daemons")
    set_variables(typist, lab["ben"])
    work_on_a_cluster(typist, tmp_path / "cluster")
    keep_in_order(typist, lab["anna"], lab["ben"])
    back_up(typist, lab["anna"])
    prepare_a_cloud_host(typist, tmp_path)
    assert typist.left == set()


def start_daemons(typist: Typist, folder: Path) -> None:
    """Starts a daemon with each combination of options, all at the same time."""
    examples = {
        "--label lab-server": {},
        "--auth-group lab": {"lab": grp.getgrgid(os.getgid()).gr_name},
        "": {},
        "--api-listen 192.168.1.5:20443": {"192.168.1.5:20443": f"127.0.0.1:{free_port()}"},
        "--channel our-lab-x7k2 --gateway 127.0.0.1:8080 --gateway-channel our-lab-x7k2": {"8080": str(free_port())},
        "--isbootstrap --introduce-only our-lab-x7k2 --introduce-only 6d1f…": {"6d1f…": "6d1f" * 16},
        "--isbootstrap --also-listen 443": {"443": str(free_port())},
        "--isbootstrap --websocket-port 14508": {"14508": str(free_port())},
        "--bootstrap wss://www.example.org": {},
    }
    daemons = []
    for number, (options, known) in enumerate(examples.items()):
        typist.known = known
        words = typist.take(f"{DAEMON} {options}".rstrip()).command.split()[1:]
        daemons.append(RealDaemon(folder / str(number), f"daemon {number}", *words))
    typist.known = {}
    for daemon in daemons:
        daemon.wait_until_ready()
    for daemon in daemons:
        daemon.stop()


def set_variables(typist: Typist, person: Person) -> None:
    typist.exports(person, "export KACHERY_P2P_API_PORT=20433")
    typist.exports(person, "export KACHERY_DAEMON_HOST=192.168.1.5 KACHERY_DAEMON_PORT=20443")
    token, certificate = (
        "KACHERY_API_TOKEN_FILE=~/.kachery-token",
        "KACHERY_API_CERTIFICATE_FILE=~/.kachery-certificate.pem",
    )
    typist.exports(person, f"export {token} {certificate}")
    person.exported.clear()


def work_on_a_cluster(typist: Typist, folder: Path) -> None:
    folder.mkdir()
    with people(folder, "lab", "login") as persons:
        lab, login = persons["lab"], persons["login"]
        port = free_port()
        lab.start("--isbootstrap", "--port", str(port), "--channel", "mouse-lab")
        (lab.folder / "session7").mkdir()
        (lab.folder / "session7" / "a.txt").write_text("a")
        scratch = login.home / "scratch"
        # The daemon of the login node has its own directory in each test.
        typist.known = {
            "/scratch/$USER/kachery-storage": f"{login.home}/kachery-storage",
            "/scratch/$USER": str(scratch),
            "lab.example.org:14507": f"127.0.0.1:{port}",
            "sha1dir://….session7": lab.types("kachery store session7").strip(),
        }
        scratch.mkdir()
        typist.exports(login, "export KACHERY_STORAGE_DIR=/scratch/$USER/kachery-storage")
        typist.starts(login, f"{DAEMON} --label cluster --bootstrap lab.example.org:14507 --channel mouse-lab &")
        login.waits_for("lab")
        typist.types(login, "kachery pin sha1dir://….session7")
        typist.types(login, "kachery load-dir sha1dir://….session7 --dest /scratch/$USER/session7")
        assert (scratch / "session7" / "a.txt").read_text() == "a"
        (login.folder / "analyze.py").write_text(ANALYSIS)
        typist.exports(login, "export KACHERY_OFFLINE_STORAGE_DIR=/scratch/$USER/kachery-storage")
        typist.types(login, "python analyze.py /scratch/$USER/session7 --out results")
        typist.types(login, "kachery store results --exclude '*.tmp' > results.uri")
        del login.exported["KACHERY_OFFLINE_STORAGE_DIR"]
        typist.types(login, 'kachery pin "$(cat results.uri)"')
        typist.types(login, "kachery unpin sha1dir://….session7")
        assert login.types('kachery ls "$(cat results.uri)"').split() == ["mean"]


def keep_in_order(typist: Typist, anna: Person, ben: Person) -> None:
    (anna.folder / "session7").mkdir()
    (anna.folder / "session7" / "a.txt").write_text("seven")
    (anna.folder / "atlas.nii").write_text("atlas")
    (anna.folder / "channel.yaml").write_text(CHANNEL_DOCUMENT.format(node_id(anna)))
    folder = anna.types("kachery store session7").strip()
    typist.known = {
        "sha1dir://….session7": folder,
        "sha1://…/atlas.nii": anna.types("kachery store atlas.nii").strip(),
        "https://example.org/channel.yaml": (anna.folder / "channel.yaml").as_uri(),
    }
    ben.types(f"kachery load-dir {folder} --dest session7")
    for command in (
        "kachery du",
        "kachery verify",
        "kachery pin sha1://…/atlas.nii",
        "kachery rm --dry-run sha1dir://….session7",
        "kachery gc --dry-run",
        "kachery gc --if-elsewhere",
        "kachery channel join our-lab-x7k2",
        "kachery channel join https://example.org/channel.yaml --data-proxy",
    ):
        typist.types(anna, command)
    # All are on one machine, which counts once otherwise.
    typist.types(anna, "kachery rm --if-elsewhere sha1dir://….session7", " --count-this-machine")
    anna.types("kachery store session7")
    typist.types(anna, "kachery rm sha1dir://….session7")
    typist.types(anna, "kachery gc --trash")
    assert "atlas.nii" in anna.types("kachery ls") and "a.txt" not in anna.types("kachery ls")


def back_up(typist: Typist, anna: Person) -> None:
    typist.known = {"/data/kachery-storage": f"{anna.home}/restored"}
    # What the disk is like here is not the document's business.
    anna.types(typist.take("kachery selftest").command + " || true")
    typist.types(anna, "kachery backup lab.backup")
    assert node_id(anna) in typist.types(anna, "kachery restore lab.backup --list")
    typist.types(anna, "kachery restore lab.backup --storage-dir /data/kachery-storage")


def prepare_a_cloud_host(typist: Typist, folder: Path) -> None:
    typist.known = {"HEX": "ab" * 32, ">user-data": f">{folder}/user-data"}
    (command,) = (left for left in typist.left if left.startswith("Deploy/bootstrap-node/cloud-init.sh"))
    subprocess.run(["bash", "-c", typist.take(command).command], cwd=ROOT, timeout=PATIENCE, check=True)
    assert "our-lab-x7k2" in (folder / "user-data").read_text()
