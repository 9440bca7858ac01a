"""Arrays in the .npy format: what is written is what is read."""

from __future__ import annotations

from typing import IO, Any, Optional

import numpy as np

from ._errors import BadRequest
from ._remedies import has_labels, instead_of, is_foreign, kind_of

# Readers refuse a longer header (numpy.load, max_header_size), which a type with hundreds of fields has.
_LONGEST_HEADER = 10_000
_PADDING = 128  # what a header has beyond its text, at most
_PLAIN_SUBCLASSES = ("ndarray", "memmap", "matrix", "recarray", "chararray")
_PLAIN = (bool, int, float, complex, str, bytes, list, tuple, range)


def save(array: Any, file: IO[bytes]) -> None:
    """Writes an array. What would not be read as the same array is refused."""
    values = _values(array)
    if values.dtype.hasobject or is_foreign(values.dtype):
        raise BadRequest(
            f"A {kind_of(values)} cannot be stored with store_npy: its elements would not come back; "
            f"{instead_of(values)}."
        )
    _check_header(values)
    np.save(file, values, allow_pickle=False)


def load(path: str, mmap_mode: Optional[str]) -> "np.ndarray[Any, Any]":
    """Reads an array; one of Python objects is refused."""
    array: "np.ndarray[Any, Any]" = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)  # type: ignore[arg-type]
    return array


def _values(array: Any) -> "np.ndarray[Any, Any]":
    """The array to write, which has all that the argument has."""
    if isinstance(array, np.ndarray):
        kind = type(array)
        if kind.__module__.partition(".")[0] == "numpy" and kind.__name__ in _PLAIN_SUBCLASSES:
            return array
    elif isinstance(array, _PLAIN) and not isinstance(array, np.generic):
        return _array_of(array)
    elif hasattr(array, "__array__") and not has_labels(array):
        return np.asarray(array)  # a scalar of NumPy's, a tensor
    raise BadRequest(
        f"A {kind_of(array)} cannot be stored with store_npy, which keeps values only; {instead_of(array)}."
    )


def _array_of(value: Any) -> "np.ndarray[Any, Any]":
    """The array of a number, a text or nested lists, unless that changes one of them, as [1, 'a'] becomes ['1', 'a']."""
    try:
        array = np.asarray(value)
        given = np.empty(array.shape, object)
        given[...] = value
        given = given.ravel()
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRequest(f"This {kind_of(value)} is no array ({error}); use store_json or store_pkl.") from error
    if array.dtype.hasobject:
        raise BadRequest(f"This {kind_of(value)} is no array of numbers, text or times; use store_json or store_pkl.")
    flat = array.ravel()
    for index, (element, kept) in enumerate(
        zip(given.tolist(), flat.tolist() if array.dtype.kind in "biufc" else flat)
    ):
        if element != kept and element == element:
            raise BadRequest(
                f"This cannot be stored as an array: element {index}, {element!r}, would become {kept!r}; make it an "
                "array of the type that you want first."
            )
    return array


def _check_header(array: "np.ndarray[Any, Any]") -> None:
    try:
        description = np.lib.format.dtype_to_descr(array.dtype)  # type: ignore[no-untyped-call]
        dtype = np.lib.format.descr_to_dtype(description)  # type: ignore[no-untyped-call]
    except (TypeError, ValueError) as error:
        raise BadRequest(f"A {kind_of(array)} cannot be stored with store_npy: {error}; use store_pkl.") from error
    if dtype != array.dtype or dtype.fields != np.dtype(array.dtype).fields:
        raise BadRequest(
            f"A {kind_of(array)} cannot be stored with store_npy, which would change its type; use store_pkl."
        )
    header = repr({"descr": description, "fortran_order": array.flags.f_contiguous, "shape": array.shape})
    if len(header) + _PADDING > _LONGEST_HEADER:
        raise BadRequest(
            "The type of this array has more fields than readers of the .npy format take; use store_pkl, or "
            f"{instead_of(array)}."
        )
