"""Values of other libraries are never stored as something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pandas
import pytest
import xarray

import kachery_client
import kachery_p2p as kp

CLIENTS = pytest.mark.parametrize("client", [kp, kachery_client], ids=lambda client: client.__name__)
STORES = pytest.mark.parametrize("store", ["store_npy", "store_pkl", "store_json"])
FOREIGN = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4", "int2", "float4_e2m1fn"]


@CLIENTS
@STORES
@pytest.mark.parametrize("name", FOREIGN)
def test_arrays_of_foreign_types_are_refused(offline: Path, client: Any, store: str, name: str) -> None:
    array = np.ones(3, getattr(ml_dtypes, name))
    fields = np.ones(3, [("a", "i4"), ("b", array.dtype, (2,))])
    for value in (array, array.reshape(3, 1), fields, array[:0], array.astype(array.dtype.newbyteorder())):
        with pytest.raises(kp.BadRequest) as refusal:
            getattr(client, store)(value)
        assert name in str(refusal.value)
        assert ("x.tolist()" if store == "store_json" else "x.view('uint8')") in str(refusal.value)


@CLIENTS
@pytest.mark.parametrize("name", FOREIGN)
def test_scalars_of_foreign_types_are_refused(offline: Path, client: Any, name: str) -> None:
    for store in (client.store_pkl, client.store_json, client.store_npy):
        with pytest.raises(kp.BadRequest, match=r"float\(x\)|x\.view"):
            store(getattr(ml_dtypes, name)(1))


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_named_instead_works(offline: Path, name: str) -> None:
    array = np.arange(2).astype(getattr(ml_dtypes, name))
    as_bytes = kp.load_npy(kp.store_npy(array.view("uint8")))
    assert as_bytes is not None and np.array_equal(as_bytes.view(array.dtype), array)
    as_floats = kp.load_npy(kp.store_npy(array.astype("float32")))
    assert as_floats is not None and np.array_equal(as_floats.astype(array.dtype), array)


LABELLED = {
    "table": pandas.DataFrame({"a": [1, 2], "b": ["x", None]}),
    "series": pandas.Series([1.5, 2.5], index=["x", "y"], name="s"),
    "index": pandas.Index([1, 2], name="i"),
    "categories": pandas.Categorical(["x", "y"]),
    "time": pandas.Timestamp("2020-01-01"),
    "array": xarray.DataArray(np.zeros((2, 2)), dims=("t", "x"), coords={"t": [1, 2]}),
    "dataset": xarray.Dataset({"a": ("t", [1, 2])}),
}


@CLIENTS
@STORES
@pytest.mark.parametrize("value", LABELLED.values(), ids=LABELLED.keys())
def test_what_has_labels_is_refused_with_what_keeps_them(offline: Path, client: Any, store: str, value: Any) -> None:
    for holder in (value, [value]) if store != "store_npy" else (value,):
        with pytest.raises(kp.BadRequest) as refusal:
            getattr(client, store)(holder)
        assert any(word in str(refusal.value) for word in ("to_parquet", "to_netcdf", "isoformat")), str(refusal.value)


def test_the_values_without_labels_come_back(offline: Path) -> None:
    table = LABELLED["table"]
    assert np.array_equal(kp.load_npy(kp.store_npy(table["a"].to_numpy())), [1, 2])
    assert np.array_equal(kp.load_npy(kp.store_npy(LABELLED["array"].to_numpy())), np.zeros((2, 2)))
    assert kp.load_json(kp.store_json(table["a"].tolist())) == [1, 2]
