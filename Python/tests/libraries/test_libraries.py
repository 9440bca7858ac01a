"""pandas, xarray and Zarr read kachery URIs as they are; run where they are installed, by `make test-python`."""

import os

import fsspec
import kachery_p2p as kp
import numpy as np
import pandas
import pytest
import xarray
import zarr
from kachery_p2p import _local_store
from kachery_p2p.filesystem import KacheryFileSystem, KacheryFolderFileSystem
from losses import WAYS, Share, said


@pytest.fixture(autouse=True)
def registered():
    """As the entry points of the installed package do it."""
    for kind in (KacheryFileSystem, KacheryFolderFileSystem):
        fsspec.register_implementation(kind.protocol, kind, clobber=True)
        kind.clear_instance_cache()


def test_pandas_reads_a_table(offline):
    table = pandas.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "größer"]})
    uri = kp.store_text(table.to_csv(index=False), basename="table.csv")
    pandas.testing.assert_frame_equal(pandas.read_csv(uri), table)
    lines = kp.store_text(table.to_json(orient="records", lines=True), basename="table.jsonl")
    pandas.testing.assert_frame_equal(pandas.read_json(lines, lines=True), table)


def test_zarr_reads_an_array_and_a_group(offline, tmp_path):
    data = np.arange(10_000, dtype=np.int32).reshape(100, 100)
    group = zarr.open_group(str(tmp_path / "group"), mode="w")
    group.create_array("inner", data=data, chunks=(10, 10))
    uri = kp.store_dir(str(tmp_path / "group"))
    loaded = zarr.open_group(uri, mode="r")
    assert np.array_equal(loaded["inner"][20:40, 5], data[20:40, 5])
    assert np.array_equal(zarr.open_array(f"{uri}/inner", mode="r")[:], data)
    with pytest.raises(Exception, match="read.only|never changes|mode"):
        zarr.open_array(f"{uri}/inner", mode="r+")[0, 0] = 1


def test_zarr_fetches_only_the_chunks_that_it_reads(offline, tmp_path):
    data = np.random.default_rng(20261121).integers(0, 9, (100, 100))
    zarr.create_array(str(tmp_path / "array"), data=data, chunks=(50, 50))
    uri = kp.store_dir(str(tmp_path / "array"))
    removed = kp.read_dir(f"{uri}/c/1")["files"]["1"]["sha1"]
    os.unlink(offline / "sha1" / removed[:2] / removed[2:4] / removed[4:6] / removed)
    assert np.array_equal(zarr.open_array(uri, mode="r")[:50], data[:50])


def test_xarray_reads_zarr_and_netcdf(offline, tmp_path):
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
def test_netcdf_whose_source_is_lost_half_way_raises(stand_in, tmp_path, monkeypatch, way):
    monkeypatch.setattr(_local_store, "CHUNK_SIZE", 100_000)
    share = Share(stand_in, monkeypatch)
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
        lose(stand_in)
        assert said(lambda: opened["t"].load()).code == code
