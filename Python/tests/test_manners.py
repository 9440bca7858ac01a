"""Exceptions that are also those of Python, line ends, pickles of open files, and the ways of fsspec."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import fsspec
import numpy as np
import pytest
from fsspec.core import url_to_fs

import kachery_client as kc
import kachery_p2p as kp
from kachery_p2p import aio
from real_daemon import RealDaemon, program
from storage_layout import store_in_chunks, store_with_manifest

pytestmark = pytest.mark.usefixtures("registered")


def test_a_missing_file_is_one_for_python_too(offline: Path, tmp_path: Path) -> None:
    absent = "sha1://" + "0" * 40
    calls: list[Callable[[], Any]] = [
        lambda: kp.load_file(absent, strict=True), lambda: kp.load_text(absent, strict=True),
        lambda: kc.load_json(absent, strict=True), lambda: kp.load_bytes(absent, 0, 1, strict=True),
        lambda: kp.load_dir("sha1dir://" + "0" * 40, str(tmp_path / "d"), strict=True),
        lambda: kp.load_file(str(tmp_path / "none")), lambda: kp.open(str(tmp_path / "none")),
        lambda: kp.store_file(str(tmp_path / "none")), lambda: kp.link_file(str(tmp_path / "none")),
        lambda: kp.store_dir(str(tmp_path / "none")),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(FileNotFoundError) as failure:
            call()
        error = failure.value
        assert isinstance(error, kp.NotFound) and error.code == "not_found"
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.code) == (type(error), str(error), "not_found")
    # Other libraries would take it for a chunk that was never written.
    for call in (lambda: kp.open(absent), lambda: fsspec.filesystem("sha1").cat_file(absent)):
        with pytest.raises(kp.NotFound) as refusal:
            call()
        assert not isinstance(refusal.value, (OSError, LookupError))


def test_wrong_content_is_a_value_error(offline: Path) -> None:
    text, binary = kp.store_text("hello"), kp.store_npy(np.arange(200))
    calls: list[Callable[[], Any]] = [
        lambda: kp.load_json(text), lambda: kp.load_npy(text), lambda: kp.load_pkl(text), lambda: kp.load_text(binary),
        lambda: kp.load_json(binary), lambda: kc.load_npy(kp.store_text("")), lambda: kp.load_pkl(kp.store_text("")),
        lambda: kp.load_json(kp.store_text("[" * 100_000)), lambda: kp.load_json(kp.store_text("1" * 5_000)),
        lambda: kp.load_npy(kp.store_text("\x93NUMPY")), lambda: kp.read_dir("sha1dir://" + text.split("/")[2]),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match=r"\w") as failure:
            call()
        assert isinstance(failure.value, kp.KacheryError) and "allow_pickle" not in str(failure.value)


def test_an_array_of_objects_never_advises_to_run_code(offline: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    for mode in (None, "r"):
        with pytest.raises(kp.BadContent, match="Python objects") as failure:
            kp.load_npy(str(tmp_path / "objects.npy"), mmap_mode=mode)
        cause: BaseException | None = failure.value
        while cause is not None:
            assert "allow_pickle" not in str(cause)
            cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    np.savez(tmp_path / "several.npz", a=np.arange(3))
    with pytest.raises(kp.BadContent, match="not an array"):
        kp.load_npy(str(tmp_path / "several.npz"))


@pytest.mark.parametrize("depth", [100, 900, 1_000, 5_000, 100_000])
def test_deep_nesting_is_stored_or_refused(offline: Path, depth: int) -> None:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    for store, load in ((kp.store_json, kp.load_json), (kp.store_pkl, kp.load_pkl)):
        try:
            uri = store(value)
        except kp.BadRequest:
            continue
        assert json.dumps(load(uri)) == json.dumps(value)


def test_a_folder_is_one_for_python_too(offline: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("x")
    uri = kp.store_dir(str(tmp_path / "data"))
    for call in (
        lambda: kp.load_text(uri, strict=True),
        lambda: kp.load_text(str(tmp_path)),
        lambda: kp.store_file(str(tmp_path)),
        lambda: kp.open(uri),
    ):
        with pytest.raises(IsADirectoryError) as failure:
            call()
        assert isinstance(failure.value, kp.KacheryError)
    assert kp.load_text(uri) is None


def test_text_keeps_its_line_ends(offline: Path) -> None:
    for text in ("a\r\nb\n\rc\r", "\n", "", "\u2028\x85"):
        uri = kp.store_text(text)
        with kp.open(uri, "r") as file:
            assert file.read() == kp.load_text(uri) == text


def test_the_other_published_name(offline: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    assert kp.save_file(str(tmp_path / "a")) == kp.store_file(str(tmp_path / "a"))


@pytest.fixture(params=["whole", "in chunks"])
def large(request: pytest.FixtureRequest, offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The bytes and the URI of a file with a manifest: here as a whole, or only its chunks."""
    if request.param == "whole":
        return store_with_manifest(tmp_path, monkeypatch)
    content, uri, _ = store_in_chunks(tmp_path, monkeypatch)
    return content, uri


def test_open_files_pickle_at_their_position(large: tuple[bytes, str]) -> None:
    content, uri = large
    files, path = url_to_fs(uri)
    for opened in (kp.open(uri), files.open(path), fsspec.open(uri).open()):
        with opened as file:
            size: int = getattr(file, "size")  # noqa: B009
            assert file.read(700) == content[:700] and size == 2500
            sent = pickle.dumps(file)
            assert file.read() == content[700:]
        with pickle.loads(sent) as again:
            assert again.read() == content[700:]
    assert pickle.loads(pickle.dumps(files)).cat_file(path) == content
    text = kp.store_text("one\r\ntwo\n")
    with kp.open(text, "r") as lines:
        lines.read(5)
        sent = pickle.dumps(lines)
    with pickle.loads(sent) as again:
        assert again.read() == "two\n"


# fsspec leaves the file of its block cache open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_blocks_are_read_and_cached(large: tuple[bytes, str], tmp_path: Path) -> None:
    content, uri = large
    files, path = url_to_fs(uri)
    assert files.read_block(path, 990, 20) == content[990:1010]
    assert files.read_block(path, 0, None) == content
    for cache in ("blockcache", "filecache", "simplecache"):
        options = {cache: {"cache_storage": str(tmp_path / cache)}}
        for _ in range(2):
            with fsspec.open(f"{cache}::{uri}", **options) as file:
                file.seek(990)
                assert file.read(20) == content[990:1010]
                file.seek(0)
                assert file.read() == content


def test_compression_is_inferred_from_the_name(large: tuple[bytes, str], tmp_path: Path) -> None:
    import gzip

    lines = b"".join(b"%s\n" % os.urandom(8).hex().encode() for _ in range(500))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(lines))
    uri = kp.store_file(str(tmp_path / "t.csv.gz"))
    assert "/t.csv.gz?manifest=" in uri
    with fsspec.open(uri, compression="infer") as file:
        assert file.read() == lines
    name_last = f"sha1://{uri[7:47]}?manifest={uri[-40:]}/t.csv.gz"
    assert kp.load_bytes(name_last, 0, 10) == kp.load_bytes(uri, 0, 10)
    with fsspec.open(name_last, compression="infer") as file:
        assert file.read() == lines


def test_glob_gives_a_mapping_with_details(offline: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "data" / name).write_text(name)
    files, root = url_to_fs(kp.store_dir(str(tmp_path / "data")))
    found = files.glob(f"{root}/*.txt", detail=True)
    assert {path: info["size"] for path, info in found.items()} == {f"{root}/a.txt": 5, f"{root}/b.txt": 5}
    one, path = url_to_fs(kp.store_text("x"))
    assert {name: info["size"] for name, info in one.glob(path, detail=True).items()} == {path: 1}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mkdir", ()), ("makedirs", ()), ("rmdir", ()), ("rm", ()), ("rm_file", ()), ("mv", ("other",)),
        ("cp_file", ("other",)), ("copy", ("other",)), ("touch", ()), ("pipe_file", (b"",)), ("pipe", (b"",)),
        ("open", ("wb",)), ("open", ("ab",)), ("put", None), ("put_file", None),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_words(
    offline: Path, tmp_path: Path, name: str, arguments: tuple[Any, ...] | None
) -> None:
    (tmp_path / "a").write_text("x")
    for uri in (kp.store_text("x"), "sha1dir://" + "0" * 40 + "/new"):
        files, path = url_to_fs(uri)
        given = (str(tmp_path / "a"), path) if arguments is None else (path, *arguments)
        with pytest.raises(kp.NeverChanges, match="never changes") as failure:
            getattr(files, name)(*given)
        assert isinstance(failure.value, OSError)


def test_coroutines_raise_the_same(offline: Path) -> None:
    import asyncio

    with pytest.raises(FileNotFoundError):
        asyncio.run(aio.load_text("sha1://" + "0" * 40, strict=True))
    assert asyncio.run(aio.load_text(kp.store_text("x"))) == "x"


def test_a_followed_feed_ends_with_its_reader(daemon: RealDaemon) -> None:
    kp.create_feed("log").get_subfeed("main").append_message({"n": 1})
    for command in (["feed", "tail", "-f", "log/main"], ["print-messages", "log/main"]):
        with subprocess.Popen(
            [str(program("kachery")), *command], env=daemon.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as follower:
            assert follower.stdout is not None
            assert b'"n"' in follower.stdout.readline()
            follower.stdout.close()
            # Much sooner than the next answer of the daemon, for which it waits 20 s.
            assert follower.wait(10) == -13  # SIGPIPE


def test_the_daemon_says_its_version() -> None:
    run = subprocess.run(
        [str(program("kacheryd")), "--version"], env={}, capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.startswith("kacheryd 0.9.0 ") and run.stderr == ""


COMMANDS = Path(__file__).parents[1] / "src" / "kachery_program.py"


def call(name: str, tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as pip installs it."""
    path = tmp_path / name
    path.write_text(f"#!{sys.executable}\nimport sys\nfrom kachery_program import main\nsys.exit(main())\n")
    path.chmod(0o755)
    variables = {"PYTHONPATH": str(COMMANDS.parent), "HOME": str(tmp_path), **environment}
    return subprocess.run(
        [str(path), *arguments], env=variables, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_command_from_pip_finds_the_program(tmp_path: Path) -> None:
    folder = program("kachery").parent
    for variables in ({"PATH": str(folder)}, {"PATH": "/nowhere", "KACHERY_PROGRAM": str(folder / "kachery")}):
        run = call("kachery-p2p", tmp_path, "version", **variables)
        assert run.stdout.startswith("This is kachery_p2p version 0.9.0"), run.stderr
    run = call("kachery-load", tmp_path, "--help", PATH=str(folder))
    assert run.stdout.startswith("Usage: kachery-load ")
    run = call("kachery-client", tmp_path, "version", PATH="/nowhere", KACHERY_PROGRAM=str(tmp_path / "none"))
    assert run.returncode == 127 and "make install" in run.stderr


def test_the_remedy_for_a_daemon_elsewhere_is_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KACHERY_DAEMON_HOST", "lab.invalid")
    with pytest.raises(kp.NoDaemon, match="KACHERY_API_TOKEN_FILE and KACHERY_API_CERTIFICATE_FILE"):
        kp.get_node_id()
    environment = {"KACHERY_DAEMON_HOST": "lab.invalid", "PATH": os.environ["PATH"]}
    for arguments in (["info"], ["load", "sha1://" + "0" * 40]):
        run = subprocess.run(
            [str(program("kachery")), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.returncode == 4 and "KACHERY_API_TOKEN_FILE and KACHERY_API_CERTIFICATE_FILE" in run.stderr


def test_what_is_installed_agrees() -> None:
    """The conda environment installs both packages, for every Python that they allow."""
    python = Path(__file__).parents[1]
    lines = [line.strip().lstrip("- ") for line in (python / "environment.yaml").read_text().splitlines()]
    assert {"python>=3.8", "numpy", "fsspec>=2023.1", "./", "./client"} <= {*lines}
    for project in (python / "pyproject.toml", python / "client" / "pyproject.toml"):
        assert 'requires-python = ">=3.8"' in project.read_text()
    makefile = (python.parent / "Makefile").read_text()
    names = makefile[makefile.index("NAMES = ") : makefile.index(".DEFAULT_GOAL")].replace("\\", "").split()[2:]
    scripts = [
        line.split(" = ")[0]
        for project in (python / "pyproject.toml", python / "client" / "pyproject.toml")
        for line in project.read_text().splitlines()
        if line.endswith('= "kachery_program:main"')
    ]
    assert sorted(scripts) == sorted(names)
