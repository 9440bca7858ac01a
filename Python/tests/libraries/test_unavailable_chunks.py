"""Reading an array whose chunks are unavailable raises, and never returns fill values: Zarr 2 and 3, xarray, pandas.

`make test-python` runs these tests with both versions of Zarr.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Callable, Tuple

import fsspec
import numpy as np
import pandas
import pytest
import xarray
import zarr

import kachery_p2p as kp
from kachery_p2p.filesystem import KacheryFolderFileSystem
from losses import WAYS, Share, said

IS_ZARR_3 = zarr.__version__.startswith("3")
SHAPE, CHUNKS = (8, 6), (4, 3)
DATA = np.arange(1, 49, dtype=np.float32).reshape(SHAPE)
METADATA = (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json")

pytestmark = [
    pytest.mark.usefixtures("registered"),
    # Old versions of fsspec and pandas do not close a file when reading it fails.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
OpenArray = Callable[[str], Any]
StoreKind = Callable[[str], Tuple[str, OpenArray]]


def new_array(path: Path, **options: Any) -> Any:
    return zarr.open_array(str(path), mode="w", shape=SHAPE, chunks=CHUNKS, dtype="f4", fill_value=0, **options)


def write_array(path: Path) -> None:
    new_array(path)[:] = DATA


def write_older_format(path: Path) -> None:
    new_array(path, zarr_format=2)[:] = DATA


def write_shards(path: Path) -> None:
    zarr.create_array(str(path), shape=SHAPE, chunks=(2, 3), shards=(4, 6), dtype="f4", fill_value=0)[:] = DATA


def write_group(path: Path) -> None:
    zarr.open_group(str(path), mode="w")
    new_array(path / "inner")[:] = DATA


def write_dataset(path: Path, consolidated: bool) -> None:
    dataset = xarray.Dataset({"inner": (("y", "x"), DATA)}, coords={"x": np.arange(10, 16)})
    older = {"zarr_format": 2} if IS_ZARR_3 and consolidated else {}  # format 3 has no consolidated metadata
    dataset.to_zarr(str(path), consolidated=consolidated, encoding={"inner": {"chunks": CHUNKS}}, **older)


def from_mapper(uri: str) -> Any:
    return zarr.open_array(fsspec.get_mapper(uri), mode="r")


def from_dataset(uri: str) -> Any:
    return xarray.open_zarr(uri, chunks=None, consolidated=False)["inner"]


def from_consolidated(uri: str) -> Any:
    return xarray.open_zarr(uri, chunks=None)["inner"]


# Each writes an array into a folder, and opens the stored folder.
KINDS: dict[str, tuple[Callable[[Path], None], OpenArray]] = {
    "array": (write_array, lambda uri: zarr.open_array(uri, mode="r")),
    "array, opened as any kind": (write_array, lambda uri: zarr.open(uri, mode="r")),
    "array of a mapper": (write_array, from_mapper),
    "group": (write_group, lambda uri: zarr.open_group(uri, mode="r")["inner"]),
    "inside a group": (write_group, lambda uri: zarr.open_array(f"{uri}/inner", mode="r")),
    "dataset": (lambda path: write_dataset(path, False), from_dataset),
    "consolidated dataset": (lambda path: write_dataset(path, True), from_consolidated),
}
if IS_ZARR_3:
    KINDS["shards"] = (write_shards, lambda uri: zarr.open_array(uri, mode="r"))
    KINDS["array of format 2"] = (write_older_format, lambda uri: zarr.open_array(uri, mode="r"))

with_every_kind = pytest.mark.parametrize("kind", KINDS)
in_every_way = pytest.mark.parametrize("way", WAYS)


def chunks_of(hashes: dict[str, str]) -> list[str]:
    """The chunks of the array, without its coordinates and metadata."""
    return sorted(
        name for name in hashes if not name.endswith(METADATA) and not name.startswith("x/") and "/x/" not in name
    )


@pytest.fixture
def stored(share: Share, tmp_path: Path) -> StoreKind:
    """Stores an array of a kind, and checks that it is read as it was written."""

    def store(kind: str) -> tuple[str, OpenArray]:
        write, open_array = KINDS[kind]
        write(tmp_path / "array")
        uri = share.store(lambda: kp.store_dir(str(tmp_path / "array")))
        assert np.array_equal(np.asarray(open_array(uri)[:]), DATA)
        return uri, open_array

    return store


@in_every_way
@with_every_kind
def test_one_chunk_that_cannot_be_had_raises(stored: StoreKind, share: Share, kind: str, way: str) -> None:
    uri, open_array = stored(kind)
    hashes = share.hashes(uri)
    share.lose(hashes[chunks_of(hashes)[-1]])
    before = open_array(uri)
    lose, code = WAYS[way]
    lose(share.daemon)
    assert said(lambda: np.asarray(before[:])).code == code
    assert said(lambda: np.asarray(before[-1, -1])).code == code
    KacheryFolderFileSystem.clear_instance_cache()
    assert said(lambda: np.asarray(open_array(uri)[4:].mean())).code == code
    if code != "no_daemon":
        assert np.array_equal(np.asarray(open_array(uri)[:4]), DATA[:4]), "the available chunks are read"


@in_every_way
@with_every_kind
def test_a_folder_of_which_nothing_can_be_had_raises(stored: StoreKind, share: Share, kind: str, way: str) -> None:
    uri, open_array = stored(kind)
    before = open_array(uri)
    share.lose(*share.hashes(uri).values())
    lose, code = WAYS[way]
    lose(share.daemon)
    assert said(lambda: np.asarray(before[:])).code == code
    assert said(lambda: open_array(uri)).code == code
    KacheryFolderFileSystem.clear_instance_cache()
    if code != "no_daemon":
        share.lose(uri[len("sha1dir://") :][:40])
    assert said(lambda: open_array(uri)).code == code, "the folder's document is lost"


@with_every_kind
def test_a_chunk_that_is_damaged_raises(stored: StoreKind, share: Share, kind: str) -> None:
    uri, open_array = stored(kind)
    hashes = share.hashes(uri)
    path = share.path(hashes[chunks_of(hashes)[0]])
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    assert said(lambda: np.asarray(open_array(uri)[:])).code == "hash_mismatch"


def test_a_chunk_that_was_never_written_is_filled(share: Share, tmp_path: Path) -> None:
    new_array(tmp_path / "array")[:4] = DATA[:4]
    uri = share.store(lambda: kp.store_dir(str(tmp_path / "array")))
    expected = np.concatenate([DATA[:4], np.zeros((4, 6), np.float32)])
    assert np.array_equal(zarr.open_array(uri, mode="r")[:], expected)
    assert np.array_equal(from_mapper(uri)[:], expected)


if IS_ZARR_3:

    def test_a_chunk_that_was_never_written_to_a_shard_is_filled(share: Share, tmp_path: Path) -> None:
        array = zarr.create_array(
            str(tmp_path / "array"), shape=SHAPE, chunks=(2, 3), shards=(4, 6), dtype="f4", fill_value=0
        )
        array[:2] = DATA[:2]
        uri = share.store(lambda: kp.store_dir(str(tmp_path / "array")))
        expected = np.concatenate([DATA[:2], np.zeros((6, 6), np.float32)])
        assert np.array_equal(zarr.open_array(uri, mode="r")[:], expected)


def test_an_array_that_is_not_listed_is_absent(share: Share, tmp_path: Path) -> None:
    write_group(tmp_path / "array")
    uri = share.store(lambda: kp.store_dir(str(tmp_path / "array")))
    group = zarr.open_group(uri, mode="r")
    assert "none" not in group and "inner" in group
    with pytest.raises(KeyError):
        group["none"]
    with pytest.raises((FileNotFoundError, ValueError)):  # Zarr 2 raises a ValueError
        zarr.open_array(f"{uri}/none", mode="r")


if not IS_ZARR_3:

    @in_every_way
    def test_the_store_of_zarr_2_raises(stored: StoreKind, share: Share, way: str) -> None:
        uri, _ = stored("array")
        hashes = share.hashes(uri)
        share.lose(hashes["0.0"])
        lose, code = WAYS[way]
        lose(share.daemon)
        for options in ({}, {"missing_exceptions": (KeyError, OSError)}, {"exceptions": (KeyError, OSError)}):
            store = zarr.storage.FSStore(uri, mode="r", **options)
            for call in (
                partial(store.__getitem__, "0.0"),
                partial(store.getitems, ["0.0", "1.0"], contexts={}),
                partial(store.get, "0.0", b""),
            ):
                assert said(call).code == code
            assert "0.0" in store and "9.9" not in store
            with pytest.raises(KeyError):
                store["9.9"]
        # As Zarr before 2.17.1 does.
        assert said(lambda: fsspec.get_mapper(uri).getitems(["0.0", "1.0"], on_error="omit")).code == code


@in_every_way
@pytest.mark.parametrize("format", ["csv", "json"])
def test_a_table_that_cannot_be_had_raises(share: Share, way: str, format: str) -> None:
    table = pandas.DataFrame({"a": range(1000)})
    text = table.to_csv(index=False) if format == "csv" else table.to_json(orient="records", lines=True)
    uri = share.store(lambda: kp.store_text(text, basename=f"table.{format}"))
    reader = pandas.read_csv if format == "csv" else lambda uri: pandas.read_json(uri, lines=True)
    pandas.testing.assert_frame_equal(reader(uri), table)
    share.lose(uri[len("sha1://") :][:40])
    lose, code = WAYS[way]
    lose(share.daemon)
    assert said(lambda: reader(uri)).code == code


@in_every_way
@pytest.mark.parametrize("options", [{}, {"engine": "python"}, {"chunksize": 20_000}, {"encoding": "latin-1"}])
def test_a_table_that_ends_half_way_raises(
    share: Share, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, options: Any
) -> None:
    """The first chunk of a large file is on this node, and the source of the second is lost."""
    from kachery_p2p import _local_store

    text = pandas.DataFrame({"a": range(100_000, 200_000)}).to_csv(index=False).encode()
    monkeypatch.setattr(_local_store, "CHUNK_SIZE", 400_000)
    (tmp_path / "table.csv").write_bytes(text)
    (tmp_path / "first").write_bytes(text[:400_000])
    uri = share.store(lambda: kp.store_file(str(tmp_path / "table.csv")))
    share.store(lambda: kp.store_file(str(tmp_path / "first")))
    share.lose(uri[len("sha1://") :][:40])
    opened = fsspec.open(uri).open()
    opened.read(1000)
    opened.seek(0)
    lose, code = WAYS[way]
    lose(share.daemon)

    def read() -> Any:
        table = pandas.read_csv(opened, **options)
        return table if isinstance(table, pandas.DataFrame) else pandas.concat(list(table))

    assert said(read).code == code
    opened.close()
