"""pandas, xarray and Zarr read kachery URIs directly. `make test-python` runs this where they are installed."""

from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import pandas
import pytest
import xarray
import zarr

import kachery_p2p as kp
from kachery_p2p import _local_store
from losses import WAYS, Share, said
from storage_layout import read_folder, stored_path

pytestmark = pytest.mark.usefixtures("registered")


def test_pandas_reads_a_table(offline: Path) -> None:
    table = pandas.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "größer"]})
    uri = kp.store_text(table.to_csv(index=False), basename="table.csv")
    pandas.testing.assert_frame_equal(pandas.read_csv(uri), table)
    lines = kp.store_text(table.to_json(orient="records", lines=True), basename="table.jsonl")
    pandas.testing.assert_frame_equal(pandas.read_json(lines, lines=True), table)


def test_zarr_reads_an_array_and_a_group(offline: Path, tmp_path: Path) -> None:
    data = np.arange(10_000, dtype=np.int32).reshape(100, 100)
    group = zarr.open_group(str(tmp_path / "group"), mode="w")
    group.create_array("inner", data=data, chunks=(10, 10))
    uri = kp.store_dir(str(tmp_path / "group"))
    loaded = zarr.open_group(uri, mode="r")
    assert np.array_equal(loaded["inner"][20:40, 5], data[20:40, 5])
    assert np.array_equal(zarr.open_array(f"{uri}/inner", mode="r")[:], data)
    with pytest.raises(Exception, match=r"read.only|never change|mode"):
        zarr.open_array(f"{uri}/inner", mode="r+")[0, 0] = 1


def test_zarr_fetches_only_the_chunks_that_it_reads(offline: Path, tmp_path: Path) -> None:
    data = np.random.default_rng(20261121).integers(0, 9, (100, 100))
    zarr.create_array(str(tmp_path / "array"), data=data, chunks=(50, 50))
    uri = kp.store_dir(str(tmp_path / "array"))
    removed = read_folder(f"{uri}/c/1")["files"]["1"]["sha1"]
    stored_path(offline, removed).unlink()
    assert np.array_equal(zarr.open_array(uri, mode="r")[:50], data[:50])


def test_xarray_reads_zarr_and_netcdf(offline: Path, tmp_path: Path) -> None:
    dataset = xarray.Dataset(
        {"t": (("time", "x"), np.random.default_rng(1).normal(size=(5, 4)))}, coords={"time": np.arange(5)}
    )
    dataset.to_zarr(str(tmp_path / "store.zarr"), consolidated=False)
    folder = kp.store_dir(str(tmp_path / "store.zarr"))
    xarray.testing.assert_identical(xarray.open_zarr(folder, chunks=None, consolidated=False).load(), dataset)
    dataset.to_netcdf(str(tmp_path / "data.nc"), engine="h5netcdf")
    uri = kp.store_file(str(tmp_path / "data.nc"))
    with fsspec.open(uri) as file:
        xarray.testing.assert_identical(xarray.open_dataset(file, engine="h5netcdf").load(), dataset)
    with kp.open(uri) as file:
        xarray.testing.assert_identical(xarray.open_dataset(file, engine="h5netcdf").load(), dataset)


@pytest.mark.parametrize("way", WAYS)
def test_netcdf_whose_source_is_lost_half_way_raises(
    share: Share, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(_local_store, "CHUNK_SIZE", 100_000)
    dataset = xarray.Dataset({"t": (("x",), np.random.default_rng(1).normal(size=50_000))})
    dataset.to_netcdf(str(tmp_path / "data.nc"), engine="h5netcdf")
    uri = share.store(lambda: kp.store_file(str(tmp_path / "data.nc")))
    content = (tmp_path / "data.nc").read_bytes()
    for start in (0, 100_000, 200_000, *range(400_000, len(content), 100_000)):
        (tmp_path / "piece").write_bytes(content[start : start + 100_000])
        share.store(lambda: kp.store_file(str(tmp_path / "piece")))
    share.lose(uri[len("sha1://") :][:40])
    with fsspec.open(uri) as file, xarray.open_dataset(file, engine="h5netcdf") as opened:
        assert np.array_equal(opened["t"][:10], dataset["t"][:10])
        lose, code = WAYS[way]
        lose(share.daemon)
        assert said(opened["t"].load).code == code
