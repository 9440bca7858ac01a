"""Files and arrays that Dask reads in other processes, and tables whose compression is inferred from their names."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import dask
import fsspec
import numpy as np
import pandas
import pytest
import xarray

import kachery_p2p as kp
from kachery_p2p import _local_store

pytestmark = pytest.mark.usefixtures("registered")


def read(file: fsspec.core.OpenFile) -> bytes:
    with file as opened:
        return bytes(opened.read())


def rest(file: object) -> bytes:
    return bytes(file.read())  # type: ignore[attr-defined]


@pytest.fixture
def table(offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[pandas.DataFrame, str]:
    """A table, and the URI of its compressed text, which names a manifest."""
    monkeypatch.setattr(_local_store, "CHUNK_SIZE", 1000)
    table = pandas.DataFrame({"a": np.arange(500), "b": [os.urandom(8).hex() for _ in range(500)]})
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(table.to_csv(index=False).encode()))
    uri = kp.store_file(str(tmp_path / "table.csv.gz"))
    assert "/table.csv.gz?manifest=" in uri
    return table, uri


def test_pandas_infers_the_compression_from_the_end_of_a_uri(table: tuple[pandas.DataFrame, str]) -> None:
    expected, uri = table
    pandas.testing.assert_frame_equal(pandas.read_csv(uri, compression="gzip"), expected)
    name, _, query = uri[len("sha1://") :].partition("?")
    sha1, _, label = name.partition("/")
    pandas.testing.assert_frame_equal(pandas.read_csv(f"sha1://{sha1}?{query}/{label}"), expected)


def test_fsspec_and_dask_infer_it_from_the_name_in_front_of_the_manifest(table: tuple[pandas.DataFrame, str]) -> None:
    expected, uri = table
    text = expected.to_csv(index=False).encode()
    files = fsspec.open_files([uri], compression="infer")
    # Each task runs in a process of its own, to which the open files are sent.
    with dask.config.set(scheduler="processes", num_workers=2):
        assert dask.compute(*[dask.delayed(read)(file) for file in files]) == (text,)


def test_open_files_are_sent_to_other_processes(table: tuple[pandas.DataFrame, str]) -> None:
    _, uri = table
    with kp.open(uri) as file, fsspec.open(uri) as other, dask.config.set(scheduler="processes", num_workers=2):
        start = file.read(10)
        other.seek(10)
        parts = dask.compute(dask.delayed(rest)(file), dask.delayed(rest)(other))
        assert [start + part for part in parts] == [kp.load_bytes(uri, None, None)] * 2


# Dask unpickles what it has just pickled, to see whether that works, and does not close it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_xarray_sends_a_store_to_other_processes(offline: Path, tmp_path: Path) -> None:
    dataset = xarray.Dataset({"t": (("x",), np.arange(100.0))})
    dataset.chunk({"x": 10}).to_zarr(str(tmp_path / "store"), consolidated=False)
    uri = kp.store_dir(str(tmp_path / "store"))
    with dask.config.set(scheduler="processes", num_workers=2):
        opened = xarray.open_zarr(uri, consolidated=False)
        assert opened["t"].chunks is not None and float(opened["t"].sum().compute()) == 4950.0
    dataset.to_netcdf(str(tmp_path / "data.nc"), engine="h5netcdf")
    with kp.open(kp.store_file(str(tmp_path / "data.nc"))) as file:
        opened = xarray.open_dataset(file, engine="h5netcdf", chunks={"x": 10})
        assert float(opened["t"].sum().compute()) == 4950.0
