"""NumPy's arrays, scalars and types as they stand in pickles: records of what was written, and the arrays made of them.

NumPy's own ways of setting a state are never called: they trust what they are given.
"""

from __future__ import annotations

import math
import sys
from typing import Any, Callable, Dict, Optional, Tuple

from ._errors import BadRequest

_OLD_MODULE = "numpy.core.multiarray"
_MODULES = (_OLD_MODULE, "numpy._core.multiarray")
_SIMPLE_KINDS = "biufcSUVmM"  # no Python objects


def is_plain(value: Any) -> bool:
    """Whether this is an array or a scalar of NumPy's own kind that holds no Python objects."""
    np = sys.modules.get("numpy")
    if np is None or not (type(value) is np.ndarray or isinstance(value, np.generic)):
        return False
    return not value.dtype.hasobject and type(value).__module__ == "numpy"


def old_name(value: Any) -> Optional[Tuple[str, str]]:
    """The module and name under which every version of NumPy knows one of its functions for pickles."""
    name = getattr(value, "__name__", None)
    is_known = name in ("_reconstruct", "scalar") and getattr(value, "__module__", None) in _MODULES
    return (_OLD_MODULE, str(name)) if is_known else None


class _Record:
    """Something of NumPy's, as written: what it was made with, and the state that it was given then."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def stand_ins() -> Dict[Tuple[str, str], Callable[..., Any]]:
    """What takes the place of NumPy's names, made anew at every call."""

    class Dtype(_Record):
        def value(self, finish: Callable[[Any], Any]) -> Any:
            return _dtype(str(self.arguments[0]), self.state, finish)

    class Array(_Record):
        def value(self, finish: Callable[[Any], Any]) -> Any:
            _, shape, dtype, is_fortran, content = self.state
            return _array(finish(dtype), shape, content, bool(is_fortran))

    class Scalar(_Record):
        def value(self, finish: Callable[[Any], Any]) -> Any:
            dtype, content = self.arguments
            return _array(finish(dtype), (), content, False)[()]

    class Slice(_Record):
        def value(self, finish: Callable[[Any], Any]) -> Any:
            return slice(*(finish(argument) for argument in self.arguments))

    class Ndarray:
        """Named by every array, and never made."""

    return {
        ("builtins", "slice"): Slice,
        ("numpy", "dtype"): Dtype,
        ("numpy", "ndarray"): Ndarray,
        **{(module, "_reconstruct"): Array for module in _MODULES},
        **{(module, "scalar"): Scalar for module in _MODULES},
    }


def finish(value: Any) -> Any:
    """The value with arrays in place of their records, wherever they stand in it."""
    return _Finisher().finish(value)


class _Finisher:
    def __init__(self) -> None:
        self._done: Dict[int, Any] = {}

    def finish(self, value: Any) -> Any:
        """Things that occur several times are made once, as they were before."""
        if not isinstance(value, (list, dict, tuple, set, frozenset, _Record)):
            return value
        key = id(value)  # stays its own: the unpickled value holds all of them until the end
        if key not in self._done:
            self._done[key] = value  # lists and dicts may hold themselves
            self._done[key] = self._make(value)
        return self._done[key]

    def _make(self, value: Any) -> Any:
        if isinstance(value, _Record):
            return value.value(self.finish)  # type: ignore[attr-defined]
        if isinstance(value, list):
            value[:] = [self.finish(item) for item in value]
        elif isinstance(value, dict):
            items = [(self.finish(key), self.finish(item)) for key, item in value.items()]
            value.clear()
            value.update(items)
        elif isinstance(value, tuple):
            return tuple(self.finish(item) for item in value)
        else:
            return type(value)(self.finish(item) for item in value)
        return value


def _dtype(name: str, state: Any, finish: Callable[[Any], Any]) -> Any:
    """A NumPy type; its state is (version, order, sub-array, names, fields, size, alignment, flags[, metadata])."""
    import numpy as np

    if name[:1] not in _SIMPLE_KINDS and name not in ("?",):
        raise BadRequest(
            f"The pickle holds an array of the type '{name}'; only plain numbers, text and times are read."
        )
    if state is None:
        return np.dtype(name)
    order, subarray, names, fields = state[1:5]
    if names is not None:
        return _structured(names, {key: (finish(field[0]), *field[1:]) for key, field in fields.items()}, int(state[5]))
    if subarray is not None:
        base, shape = subarray
        return np.dtype((finish(base), tuple(shape)))
    order = order if order in ("<", ">") else "="
    if name[0] in "mM" and len(state) > 8:
        unit, count = state[8][1][0:2]
        if unit == b"generic":
            return np.dtype(f"{order}{name[0]}8")
        return np.dtype(f"{order}{name}[{int(count)}{unit.decode('ascii')}]")
    return np.dtype(f"{order}{name}")


def _structured(names: Any, fields: Dict[str, Tuple[Any, ...]], size: int) -> Any:
    """A type of fields, each (type, offset[, title])."""
    import numpy as np

    description: Dict[str, Any] = {
        "names": list(names),
        "formats": [fields[name][0] for name in names],
        "offsets": [fields[name][1] for name in names],
        "itemsize": size,
    }
    titles = [fields[name][2] if len(fields[name]) > 2 else None for name in names]
    if any(titles):
        if not all(title is None or type(title) is str for title in titles):
            raise BadRequest("The pickle holds an array whose fields have titles that are no text.")
        description["titles"] = titles
    return np.dtype(description)  # type: ignore[call-overload]


def _array(dtype: Any, shape: Any, content: Any, is_fortran: bool) -> Any:
    import numpy as np

    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise BadRequest("The pickle holds an array of Python objects; only plain numbers, text and times are read.")
    if isinstance(content, str):
        content = content.encode("latin1")
    if not isinstance(content, bytes) or len(content) != math.prod(shape) * dtype.itemsize:
        raise BadRequest("The pickle holds an array whose bytes do not fill its shape.")
    if dtype.itemsize == 0:
        # By itself, text without any character would be made text of one.
        return np.zeros(shape, [("", dtype)])["f0"]
    flat = np.frombuffer(content, dtype)
    # The copy can be written to, as any array.
    return flat.reshape(shape, order="F" if is_fortran else "C").copy(order="K")
