"""``docs/kachery.ipynb`` runs as it stands, and what a notebook shows of nodes, feeds and loads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kachery_p2p as kp
from kachery_p2p import _display, _magics
from real_daemon import RealDaemon

NOTEBOOK = Path(__file__).parents[2] / "docs" / "kachery.ipynb"
SOURCES = [str(Path(__file__).parents[1] / "src"), str(Path(__file__).parents[1] / "client" / "src")]
# A process of its own, because the libraries warn of one another.
RUN = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""
# Loads of a file and of a folder's files, as the daemon reports them, on several threads.
BARS = """
import threading
from kachery_p2p import _progress
_progress._DELAY = _progress._INTERVAL = 0
with _progress.Progress("sha1://HASH/a%20<b>.dat?manifest=HASH") as progress:
    progress.report({"bytesLoaded": 30, "bytesTotal": 60, "nodeId": "c925ad33" + "0" * 56})
    progress.report({"bytesLoaded": 60, "bytesTotal": 60, "nodeId": "11111111" + "0" * 56})
"""
FOLDER_BAR = """
def load(file):
    file.report({"bytesLoaded": 5, "bytesTotal": 10, "nodeId": "c925ad33" + "0" * 56})
with _progress.FolderProgress("sha1dir://HASH.session7", [10, 10]) as progress:
    threads = [threading.Thread(target=load, args=[_progress.FileOfFolder(progress)]) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    raise KeyboardInterrupt
"""


def code(source: str) -> dict[str, Any]:
    """A cell, which may fail."""
    tags = {"tags": ["raises-exception"]}
    return {"cell_type": "code", "execution_count": None, "metadata": tags, "outputs": [], "source": source}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def cells(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The code cells of the notebook with their outputs, and those of two further cells, after they have run."""
    home = tmp_path_factory.mktemp("home")
    notebook = json.loads(NOTEBOOK.read_text())
    for number, source in enumerate((BARS, FOLDER_BAR)):
        notebook["cells"].append({**code(source), "id": f"bar-{number}"})
    (home / "notebook.ipynb").write_text(json.dumps(notebook))
    places = {name: str(home) for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR")}
    daemon = RealDaemon(home / "daemon", "alone")
    try:
        daemon.wait_until_ready()
        run = subprocess.run(
            [sys.executable, "-c", RUN, str(home / "notebook.ipynb"), str(home / "executed.ipynb")],
            cwd=folder,
            env={**os.environ, **daemon.environment, **places, "PYTHONPATH": os.pathsep.join(SOURCES)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    finally:
        daemon.stop()
    assert run.returncode == 0, run.stderr
    return code_cells(home / "executed.ipynb")


def code_cells(notebook: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]


def shown(cell: dict[str, Any], kind: str = "text/plain") -> list[str]:
    """What a cell shows: texts, results and errors."""
    found = []
    for output in cell["outputs"]:
        if output["output_type"] == "error":
            found.append("\n".join(output["traceback"]))
        else:
            found.append("".join(output.get("text") or output.get("data", {}).get(kind, "")))
    return found


def test_the_notebook_shows_what_it_did(cells: list[dict[str, Any]], folder: Path) -> None:
    original = code_cells(NOTEBOOK)
    compared = [(shown(after), shown(before)) for before, after in zip(original, cells) if before["outputs"]]
    assert len(compared) > 6 and len(cells) == len(original) + 2
    for after, before in compared:
        assert after == before
    results = {"".join(cell["source"]): shown(cell, "text/html") for cell in cells}
    assert "<td" in results["%kachery info"][0] and "alone" in results["%kachery info"][0]
    assert "Mouse 7 slept." in results["feed"][0] and "lab-notebook" in results["feed"][0]
    assert (folder / "copy.txt").read_text() == "Mouse 4 was in a good mood.\n"


def test_a_load_is_a_bar_that_stays(cells: list[dict[str, Any]]) -> None:
    of_file, of_folder = cells[-2:]
    (bar,) = shown(of_file, "text/html")
    assert 'value="100.0"' in bar and "<b>a &lt;b&gt;.dat</b> 60 B loaded in " in bar
    assert "from c925ad33, 11111111" in bar
    assert shown(of_folder, "text/html")[0].endswith("<b>session7</b> 50.0 %, not loaded completely</div>")
    assert len(of_folder["outputs"]) == 2 and of_folder["outputs"][1]["ename"] == "KeyboardInterrupt"


HOSTILE = "<script>alert(1)</script>\u202e\x1b[2J&"


def test_names_and_messages_are_escaped(daemon: RealDaemon) -> None:
    feed = kp.load_feed(HOSTILE.replace("/", ""), create=True)
    for _ in range(7):
        feed.get_subfeed(HOSTILE).append_message({HOSTILE: "y" * 1000})
    for shown in (feed._repr_html_(), feed.get_subfeed(HOSTILE)._repr_html_(), _display.text(HOSTILE)):
        assert "<script" not in shown and "\u202e" not in shown and "\x1b" not in shown
        assert "&lt;script&gt;" in shown
    table = feed.get_subfeed(HOSTILE)._repr_html_()
    assert table.count("<tr>") == 6 and ">6</td>" in table and ">2</td>" in table and len(table) < 4000
    assert "&lt;" in kp.NodeInfo("<", "<", "<", "<", ("<",), ())._repr_html_()


def test_a_feed_that_is_gone_says_so_in_place_of_a_traceback(daemon: RealDaemon) -> None:
    feed = kp.load_feed("short-lived", create=True)
    feed.get_subfeed("main").append_message({"number": 1})
    snapshot = feed.create_snapshot(["main"])
    assert snapshot._repr_html_().endswith("a snapshot of 1 subfeed</div>")
    assert "<td" in snapshot.get_subfeed("main")._repr_html_()
    feed.delete()
    assert "<div>" in feed._repr_html_() and "<td" not in feed._repr_html_()
    assert repr(feed) == f"Feed('{feed.get_uri()}')"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lod x", "There is no %kachery lod, only load, store and info."),
        ("load", "Name one URI"),
        ("load a b", "Name one URI"),
        ("load $uri", "'$uri' is not the name of a variable"),
        ("load x --dest", "--dest needs a path."),
        ("load x --quiet", "There is no option --quiet here"),
        ("load sha1dir://" + "0" * 40, "say where to write it, with --dest FOLDER."),
        ("store", "Name a file or folder"),
        ("store absent.dat", "There is no file absent.dat."),
        ("store 'x", "check its quotation marks."),
        ("info now", "%kachery info takes nothing more."),
        ("load sha1://nonsense", "sha1"),
    ],
)
def test_a_mistake_is_explained_in_one_line(offline: Path, line: str, message: str) -> None:
    with pytest.raises(kp.KacheryError) as raised:
        _magics.kachery(line)
    (shown,) = raised.value._render_traceback_()  # type: ignore[attr-defined]
    assert message in shown and shown.startswith(type(raised.value).__name__)


def test_magics_store_and_load(offline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "session 7"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    uri = _magics.kachery(f"store '{folder}'")
    assert uri == kp.store_dir(str(folder))
    assert _magics.kachery(f"load {uri} --dest={tmp_path}/copy") == f"{tmp_path}/copy"
    assert (tmp_path / "copy" / "a.txt").read_text() == "a"
    assert _magics.kachery(f"store '{folder}' '{folder}/a.txt'") == [uri, kp.store_file(str(folder / "a.txt"))]
    path = _magics.kachery(f"load {uri}/a.txt")
    assert Path(path).read_text() == "a"
    assert _magics.kachery("") is None and capsys.readouterr().out.startswith("%kachery load")
