"""What a variable of a box on disk must look like, and checks that say in plain words where it does not."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import xarray as xr

from calcium_latents.errors import UserError
from calcium_latents.recordings.lazy import LazyArray, is_lazy
from calcium_latents.recordings.slabs import slabs


@dataclass(frozen=True)
class Field:
    """One variable: its dims, dtype, units and the values it may take.

    `dtype` is a NumPy dtype name, or "int" for any signed integer and "str" for text. `missing` allows NaN.
    `among` lists the values: names, or the parts of a partition that numbers from 0 on stand for.
    `unique`: each value comes once.
    """

    dims: tuple[str, ...]
    dtype: str
    units: str
    long_name: str
    missing: bool = False
    minimum: float | None = None
    among: tuple[str, ...] = ()
    unique: bool = False


def variable(field: Field, values: Any, units: str | None = None) -> tuple[tuple[str, ...], Any, dict]:
    """Return `(dims, values, attrs)` for xarray, with values cast to the field's dtype.

    Counts and other integers must survive the cast unchanged. A `LazyArray` has the field's dtype.
    """
    if isinstance(values, LazyArray):
        return field.dims, values.indexed(), {"units": units or field.units, "long_name": field.long_name}
    array = np.asarray(values)
    if field.dtype == "str":
        array = array.astype(object)
    else:
        target = np.dtype("int32" if field.dtype == "int" else field.dtype)
        if target.kind == "i" and array.size and not np.array_equal(array.astype(target), array):
            raise UserError(
                f"{field.long_name}: expected whole numbers that fit {target}, found values from "
                f"{array.min()} to {array.max()}. Give integers."
            )
        # A recording of many thousand neurons is held once, not twice.
        array = array.astype(target, copy=False)
    return field.dims, array, {"units": units or field.units, "long_name": field.long_name}


def fail(path: str | Path, name: str, expected: str, found: str, advice: str) -> NoReturn:
    """Raise a `UserError` naming the file, the field, what was expected, what was found, and what to do."""
    raise UserError(f"{path}: {name}: expected {expected}, found {found}. {advice}")


def place(recording: xr.Dataset, path: str | Path) -> str:
    """Return how messages name a recording that was read from `path`: by the user's file, where that is another."""
    source = recording.attrs.get("source")
    return f"{source} ({path})" if source and str(source) != Path(path).name else str(path)


def named_neurons(numbers: Any, most: int = 8) -> str:
    """Return "neuron 3", or "4 neurons (3, 5, 6, 7)" with at most so many of their numbers in the user's file."""
    listed = [int(number) for number in numbers]
    if len(listed) == 1:
        return f"neuron {listed[0]}"
    more = ", ..." if len(listed) > most else ""
    return f"{len(listed)} neurons ({', '.join(map(str, listed[:most]))}{more})"


#: What an image or a neuron is kept for.
PARTS = ("training", "validation", "test")
TRAINING, VALIDATION, TEST = range(3)
REMAKE = "Write it with this package's own functions, or delete the file and let the workflow make it again."


def check_variable(dataset: xr.Dataset, name: str, field: Field, path: str | Path) -> None:
    """Check dims, dtype, units and values of one variable of `dataset`; values that are not in memory are left out."""
    array = dataset[name]
    if array.dims != field.dims:
        fail(path, name, f"dims {field.dims}", f"{array.dims}", REMAKE)
    kind = array.dtype.kind
    right = {"int": kind == "i", "str": kind in "OUST"}.get(field.dtype, array.dtype == field.dtype)
    if not right:
        fail(path, name, f"type {field.dtype}", f"{array.dtype}", REMAKE)
    for attribute in ("units", "long_name"):
        if not array.attrs.get(attribute):
            fail(path, name, f"an attribute '{attribute}'", "none", REMAKE)
    if is_lazy(array):
        return
    if kind == "f":
        check = ValueCheck(name, field, path)
        for at in slabs(array.values):
            check.add({name: array.values[at]}, at)
        check.finish()
    elif kind == "i" and field.minimum is not None and array.size and array.values.min() < field.minimum:
        fail(path, name, f"values >= {field.minimum:g}", f"{array.values.min()}", REMAKE)
    elif field.among:
        _check_among(array.values, name, field, path)
    if field.unique and np.unique(array.values).size != array.size:
        fail(path, name, "each number once", "a number that comes again", REMAKE)


def _check_among(values: np.ndarray, name: str, field: Field, path: str | Path) -> None:
    if field.dtype == "str":
        others = sorted({str(value) for value in values} - set(field.among))
        if others:
            fail(path, name, f"one of {list(field.among)}", f"{others[0]!r}", REMAKE)
    elif values.max(initial=0) >= len(field.among):
        *first, last = (f"{number} ({meaning})" for number, meaning in enumerate(field.among))
        fail(path, name, f"{', '.join(first)} or {last}", f"{values.max()}", "Correct the partition.")


class ValueCheck:
    """Whether the values of a variable of floats are as its field says, a part after another."""

    def __init__(self, name: str, field: Field, path: str | Path):
        self.names: tuple[str, ...] = (name,)
        self.field, self.path = field, path
        self.wrong, self.smallest = 0, np.inf
        self.first: tuple[tuple[int, ...], Any] = ((), None)

    def add(self, parts: Mapping[str, np.ndarray], at: tuple[slice, ...]) -> None:
        """Look at the part of the variable, among `parts` (any shape), that stands `at` these slices of it."""
        part = parts[self.names[0]]
        wrong = np.isinf(part) if self.field.missing else ~np.isfinite(part)
        if wrong.any():
            begin = [one.start or 0 for one in at] + [0] * (part.ndim - len(at))
            where = np.argwhere(wrong)[0]
            found = tuple(int(start + index) for start, index in zip(begin, where, strict=True)), part[tuple(where)]
            self.first = min(self.first, found) if self.wrong else found
            self.wrong += int(wrong.sum())
        if self.field.minimum is not None:
            self.smallest = min(self.smallest, float(np.fmin.reduce(part, axis=None, initial=np.inf)))

    def finish(self) -> None:
        """Raise the UserError for what was found."""
        (name,), field = self.names, self.field
        if self.wrong:
            expected = "finite values, or NaN where nothing was sampled" if field.missing else "finite values"
            place, value = dict(zip(field.dims, self.first[0], strict=True)), self.first[1]
            found = f"{self.wrong} others, the first ({value}) at {place}"
            fail(self.path, name, expected, found, "Mend or leave out these samples in the source.")
        if field.minimum is not None and self.smallest < field.minimum:
            expected = f"values >= {field.minimum:g}"
            fail(self.path, name, expected, f"{self.smallest:g}", "Correct the source of this variable.")


def check_time(time: np.ndarray, bin_width_s: float | None, path: str | Path) -> None:
    """Check that `time` [time], s, increases strictly and, given `bin_width_s`, in steps of about that width."""
    steps = np.diff(time)
    if steps.size and steps.min() <= 0:
        at = int(np.argmin(steps > 0))
        fail(path, "time", "strictly increasing values", f"{time[at]:g} s, then {time[at + 1]:g} s", REMAKE)
    if bin_width_s is not None and steps.size:
        # Recorded timestamps jitter by up to half a bin; a missing frame (a step of two) must be a row of NaN instead.
        off = steps > 1.995 * bin_width_s
        if off.any() or abs(steps.mean() / bin_width_s - 1) > 0.01:
            at = int(np.argmax(np.abs(steps - bin_width_s)))
            found = f"a mean step of {steps.mean():g} s and a step of {steps[at]:g} s at index {at}"
            fail(path, "time", f"steps of {bin_width_s:g} s (bin_width_s)", found, "Fill missing frames with NaN.")
