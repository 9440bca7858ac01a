"""Every public name is explained, with an example that runs."""

from __future__ import annotations

import asyncio
import doctest
import inspect
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

import kachery_client as kc
import kachery_p2p as kp
from kachery_p2p import aio, filesystem, jobs
from real_daemon import RealDaemon

CHANNEL = "our-lab-x7k2"
RECORDING = bytes(range(256)) * 1000
# The others have the docstrings of the calls that they run on threads.
COROUTINES = {
    name: found
    for name, found in vars(aio).items()
    if (inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found)) and not hasattr(found, "__wrapped__")
}


def public_names() -> dict[str, Any]:
    """What users call, by its full name. Of several names of one thing, this has the first."""
    names: dict[str, Any] = {}
    for module in (kp, kc, jobs):
        names.update({f"{module.__name__}.{name}": getattr(module, name) for name in module.__all__})
    names.update({f"aio.{name}": found for name, found in COROUTINES.items() if not name.startswith("_")})
    for kind in (filesystem.KacheryFileSystem, filesystem.KacheryFolderFileSystem):
        names[f"filesystem.{kind.__name__}"] = kind
    first = {id(found): name for name, found in reversed(list(names.items()))}
    return {name: found for name, found in names.items() if first[id(found)] == name}


def is_like_its_base(found: Any) -> bool:
    """Whether this is an exception that is caught as the example of ``KacheryError`` shows."""
    return inspect.isclass(found) and found.__module__ == kp.KacheryError.__module__ and found is not kp.KacheryError


NAMES = public_names()
WITH_EXAMPLE = sorted(name for name, found in NAMES.items() if not is_like_its_base(found))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealDaemon]:
    daemon = RealDaemon(tmp_path_factory.mktemp("node"), "lab-server", "--channel", CHANNEL)
    daemon.wait_until_ready()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def worker(node: RealDaemon) -> jobs.Worker:
    """The worker of the example of ``Worker``."""
    with pytest.MonkeyPatch.context() as patch:
        node.select(patch)
        worker = jobs.Worker("jobs of the examples")
    worker.function("count", version="1")(lambda text: {letter: text.count(letter) for letter in text})
    return worker


@pytest.fixture
def running(node: RealDaemon, worker: jobs.Worker, monkeypatch: pytest.MonkeyPatch) -> Iterator[jobs.Worker]:
    node.select(monkeypatch)
    thread = threading.Thread(target=worker.run)
    thread.start()
    yield worker
    worker.stop()
    thread.join()


def parts(name: str) -> Iterator[tuple[str, Any]]:
    """What has a name: the object, and the methods and properties of a class."""
    found = NAMES[name]
    yield name, found
    if not inspect.isclass(found) or issubclass(found, Exception):
        return
    for member in dir(found):
        value = inspect.getattr_static(found, member)
        if not member.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
            yield f"{name}.{member}", value


def examples(name: str) -> list[doctest.Example]:
    text = inspect.getdoc(NAMES[name]) or ""
    return doctest.DocTestParser().get_examples(text, name)


def test_every_name_is_explained() -> None:
    unexplained = [part for name in NAMES for part, found in parts(name) if not inspect.getdoc(found)]
    assert unexplained == [], unexplained
    assert len(WITH_EXAMPLE) > 70
    assert [name for name in WITH_EXAMPLE if not examples(name)] == []


def run(name: str, folder: Path, worker: jobs.Worker | None) -> None:
    (folder / "recording.dat").write_bytes(RECORDING)
    (folder / "notes.txt").write_text("Mouse 4 was in a good mood.\n")
    (folder / "session7").mkdir()
    for file in ("a.txt", "b.txt"):
        (folder / "session7" / file).write_text(file)
    known = {
        "aio": aio, "asyncio": asyncio, "fsspec": fsspec, "jobs": jobs, "kc": kc, "kp": kp, "np": np,
        "threading": threading, "worker": worker,
    }  # fmt: skip
    test = doctest.DocTest(examples(name), known, name, None, None, None)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert said == [], "".join(said)


@pytest.mark.parametrize("name", [name for name in WITH_EXAMPLE if not name.startswith("kachery_p2p.jobs.")])
def test_an_example_is_true(
    node: RealDaemon, name: str, registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.select(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KACHERY_TEMP_DIR", str(tmp_path / "temporary"))
    run(name, tmp_path, None)


def test_the_examples_of_jobs_are_true(running: jobs.Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(threading.enumerate())
    for name in WITH_EXAMPLE:
        if name.startswith("kachery_p2p.jobs."):
            folder = tmp_path / name
            folder.mkdir()
            monkeypatch.chdir(folder)
            run(name, folder, running)
    running.stop()
    for thread in set(threading.enumerate()) - before:
        thread.join()
