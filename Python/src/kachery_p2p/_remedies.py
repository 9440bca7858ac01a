"""Suggestions for values that cannot be stored unchanged."""

from __future__ import annotations

import sys
from typing import Any

_BY_NAME: dict[str, str] = {
    "builtins.bytes": "decode it, or store it with store_pkl or as a file",
    "builtins.bytearray": "use bytes(x)",
    "builtins.memoryview": "use bytes(x)",
    "builtins.set": "use sorted(x)",
    "builtins.frozenset": "use sorted(x)",
    "builtins.complex": "use [x.real, x.imag]",
    "builtins.range": "use list(x), or store_pkl",
    "builtins.slice": "use store_pkl",
    "builtins.generator": "use list(x)",
    "decimal.Decimal": "use str(x), or float(x) if its precision is enough",
    "fractions.Fraction": "use [x.numerator, x.denominator], or float(x) if its precision is enough",
    "datetime.datetime": "use x.isoformat()",
    "datetime.date": "use x.isoformat()",
    "datetime.time": "use x.isoformat()",
    "datetime.timedelta": "use x.total_seconds()",
    "uuid.UUID": "use str(x)",
    "pathlib.PosixPath": "use str(x)",
    "collections.OrderedDict": "use dict(x)",
    "collections.defaultdict": "use dict(x)",
    "collections.Counter": "use dict(x)",
    "collections.deque": "use list(x)",
}
_BY_PACKAGE: dict[str, str] = {
    "pandas": "write it with to_parquet or to_csv and store the file, or store x.to_numpy() without its labels",
    "polars": "write it with write_parquet or write_csv and store the file, or store x.to_numpy() without its labels",
    "pyarrow": "write it as Parquet and store the file",
    "xarray": "write it with to_netcdf and store the file, or with to_zarr and store the folder",
    "scipy": "store x.toarray(), or write it with scipy.sparse.save_npz and store the file",
    "ml_dtypes": "use float(x) or int(x)",
}


def kind_of(value: Any) -> str:
    """The full name of a value's type, and for an array also the type of its elements."""
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else _full_name(kind)
    return f"{name} of {type_name(value.dtype)}" if is_array(value) else name


def _full_name(kind: type) -> str:
    """The name under which programs import a type. Python 3.13 defines paths in a private module."""
    module = "pathlib" if kind.__module__ == "pathlib._local" else kind.__module__
    return f"{module}.{kind.__qualname__}"


def type_name(dtype: Any) -> str:
    """The name of an element's type. NumPy names a foreign type in the other byte order only as bytes."""
    return str(dtype.type.__name__ if dtype.names is None and is_foreign(dtype) else dtype)


def is_array(value: Any) -> bool:
    """Whether this is a NumPy array or an instance of a subclass. Does not import NumPy."""
    np = sys.modules.get("numpy")
    return np is not None and isinstance(value, np.ndarray)


def package_of(kind: type) -> str:
    """The package that defines a type."""
    return kind.__module__.partition(".")[0]


def has_labels(value: Any) -> bool:
    """Whether this value has more than an array stores: labels, units or a mask."""
    is_known = package_of(type(value)) in _BY_PACKAGE and package_of(type(value)) != "ml_dtypes"
    return is_known or any(hasattr(value, name) for name in ("columns", "coords", "dims", "unit", "units", "mask"))


def instead_of(value: Any) -> str:
    """The end of a sentence that says what to store instead."""
    if is_array(value):
        return _instead_of_array(value)
    kind = type(value)
    if kind.__module__ == "numpy" and hasattr(value, "dtype"):
        return "use x.item() or str(x)"
    for parent in kind.__mro__:
        known = _BY_NAME.get(_full_name(parent)) or _BY_PACKAGE.get(package_of(parent))
        if known is not None:
            return known
    for attribute, remedy in (("_asdict", "x._asdict()"), ("__dataclass_fields__", "dataclasses.asdict(x)")):
        if hasattr(kind, attribute):
            return f"use {remedy}"
    if hasattr(kind, "__members__"):
        return "use x.value"
    if value is None or kind in (dict, list, tuple):
        return "use store_json or store_pkl"
    for plain in (bool, int, float, complex, str, bytes, list, tuple, dict, frozenset):
        if isinstance(value, plain):
            return f"use {plain.__name__}(x)"
    return "convert it to plain data (numbers, text, lists and dicts) for store_json or store_pkl"


def _instead_of_array(array: Any) -> str:
    if type(array).__module__.startswith("numpy.ma"):
        return "store x.data and x.mask as two arrays, or x.filled(…)"
    if array.dtype.hasobject:
        return "convert it to numbers, text or times, such as x.astype(float) or x.astype('U'), or store x.tolist()"
    if is_foreign(array.dtype):
        return "store x.astype('float32') or x.astype('int8'), or x.view('uint8') for its bytes"
    if array.dtype.names is not None:
        return "store each of its fields as an array, such as x['name']"
    return "store numpy.asarray(x), the plain array without what its class adds"


def is_foreign(dtype: Any) -> bool:
    """Whether a type, or the type of one of its fields, is not NumPy's own: bfloat16, float8 or int4, for example."""
    if dtype.names is not None:
        return any(is_foreign(dtype.fields[name][0]) for name in dtype.names)
    if dtype.subdtype is not None:
        return is_foreign(dtype.subdtype[0])
    return bool(dtype.isbuiltin == 2) or not dtype.type.__module__.startswith("numpy")
