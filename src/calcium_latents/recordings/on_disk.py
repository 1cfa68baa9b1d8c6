"""Traces [frame, neuron] that memory need not hold: a few neurons are read when they are asked for.

`Columns` are indexed as arrays are, `values[:, neurons]`, so that what takes neurons a few at a time takes either.
"""

import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

import numpy as np

from calcium_latents.errors import UserError
from calcium_latents.recordings.lazy import LazyArray, neuron_blocks

#: Values from which on traces are kept in a file: 16 MiB of float32.
LARGE = 2**22
_FOLDER: ContextVar[Path | None] = ContextVar("folder", default=None)


@contextmanager
def scratch_folder(folder: Path | None) -> Generator[None]:
    """Keep temporary files of the block in `folder`; None: where the system keeps them, which may be its memory."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


class Columns:
    """Traces [frame, neuron] whose neurons are read, or worked out, when they are asked for.

    Attributes:
        shape: (frames, neurons).
        dtype: of the samples.
        order: how blocks lie in memory, "F" (a neuron after the other) or "C" (a frame after the other). Sums over
            frames round by it.
    """

    ndim = 2

    def __init__(
        self,
        shape: tuple[int, int],
        dtype: Any,
        read: Callable[[np.ndarray], np.ndarray],
        order: Literal["C", "F"] = "F",
    ) -> None:
        """`read` returns all frames of the neurons of these numbers: [frame, neuron]."""
        self.shape, self.dtype, self.order, self._read = shape, np.dtype(dtype), order, read

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: tuple[slice, Any]) -> np.ndarray:
        """Return a block; `at`: a slice of frames, and what NumPy takes for neurons."""
        frames, neurons = at
        numbers = np.arange(self.shape[1])[neurons]
        block = self._block(frames, np.atleast_1d(numbers)).astype(self.dtype, self.order, copy=False)
        return block if numbers.ndim else block[:, 0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all of them in memory."""
        return np.asarray(self[:, :], dtype)

    def _block(self, frames: slice, numbers: np.ndarray) -> np.ndarray:
        return self._read(numbers)[frames]

    def of(self, chosen: np.ndarray) -> "Columns":
        """Return those of the neurons `chosen`, a mask [neuron] or numbers."""
        numbers = np.arange(self.shape[1])[chosen]
        return Columns((len(self), numbers.size), self.dtype, lambda some: self[:, numbers[some]])


class Scratch(Columns):
    """Traces in a temporary file without a name, a neuron after the other, which goes when nothing refers to it."""

    def __init__(self, shape: tuple[int, int], dtype: Any, order: Literal["C", "F"] = "F") -> None:
        """Begin with zeros."""
        super().__init__(shape, dtype, lambda numbers: self[:, numbers], order)
        with _room(self):
            if (folder := _FOLDER.get()) is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (as long as the traces)

    def __setitem__(self, at: tuple[slice, Any], values: Any) -> None:
        """Fill a block."""
        first, last, _ = at[0].indices(self.shape[0])
        numbers = np.atleast_1d(np.arange(self.shape[1])[at[1]])
        rows = np.empty((numbers.size, last - first), self.dtype)
        rows.T[...] = values
        with _room(self):
            for part, number in self._together(numbers, last - first):
                self._seek(number, first)
                left = rows[part].reshape(-1).view(np.uint8).data
                while left:
                    left = left[self._file.write(left) :]

    def _block(self, frames: slice, numbers: np.ndarray) -> np.ndarray:
        first, last, step = frames.indices(self.shape[0])
        rows = np.zeros((numbers.size, max(0, last - first)), self.dtype)
        for part, number in self._together(numbers, rows.shape[1]):
            self._seek(number, first)
            left = rows[part].reshape(-1).view(np.uint8).data
            while left and (count := self._file.readinto(left)):  # what was never filled is short, and 0
                left = left[count:]
        return rows.T[::step]

    def _together(self, numbers: np.ndarray, frames: int) -> list[tuple[slice, int]]:
        """Return `runs` of what is together in the file: whole rows, or parts of single ones."""
        if frames == self.shape[0]:
            return runs(numbers)
        return [(slice(at, at + 1), int(number)) for at, number in enumerate(numbers) if frames]

    def _seek(self, number: int, frame: int) -> None:
        self._file.seek((number * self.shape[0] + frame) * self.dtype.itemsize)


def runs(numbers: np.ndarray) -> list[tuple[slice, int]]:
    """Return (where, first number) of the runs of consecutive `numbers` [neuron]."""
    if not numbers.size:
        return []
    starts = np.flatnonzero(np.r_[True, np.diff(numbers) != 1])
    return [(slice(int(a), int(b)), int(numbers[a])) for a, b in zip(starts, [*starts[1:], numbers.size], strict=True)]


@contextmanager
def _room(traces: Columns) -> Generator[None]:
    try:
        yield
    except OSError as error:
        folder = _FOLDER.get() or tempfile.gettempdir()
        size = traces.shape[0] * traces.shape[1] * traces.dtype.itemsize / 1e6
        text = error.strerror or str(error)
        raise UserError(
            f"{folder}: expected room for {size:.0f} MB of traces, found none ({text}). Make room there."
        ) from error


def is_large(frames: int, neurons: int) -> bool:
    """Whether traces of this size are kept on disk."""
    return frames * neurons >= LARGE


def empty(frames: int, neurons: int, dtype: Any, order: Literal["C", "F"] = "F") -> Any:
    """Return traces [frame, neuron] to be filled: an array, or, of many, `Scratch`; blocks of either lie by `order`."""
    if is_large(frames, neurons):
        return Scratch((frames, neurons), dtype, order)
    return np.empty((frames, neurons), dtype, order)


def held(values: Columns) -> np.ndarray | Columns:
    """Return traces in memory where they are small."""
    return values if is_large(*values.shape) else np.asarray(values)


def of_neurons(values: Any, keep: np.ndarray) -> Any:
    """Return the traces of the neurons where `keep` [neuron]."""
    return values.of(keep) if isinstance(values, Columns) else np.asarray(values)[:, keep]


def as_type(values: np.ndarray | Columns, dtype: Any) -> np.ndarray | Columns:
    """Return traces [frame, neuron] of this type; what is worked out from files, or cast, is kept in one."""
    if not isinstance(values, Columns):
        return np.asarray(values, dtype)
    if isinstance(values, Scratch) and values.dtype == dtype:
        return values
    kept = Scratch(values.shape, dtype, values.order)
    for block in neuron_blocks(values.shape):
        kept[:, block] = values[:, block]
    return kept


def summed(one: np.ndarray | Columns, other: np.ndarray | Columns) -> np.ndarray | Columns:
    """Return the sum of traces [frame, neuron] of one shape."""
    kind = np.result_type(one.dtype, other.dtype)
    return held(Columns((len(one), one.shape[1]), kind, lambda numbers: one[:, numbers] + other[:, numbers]))


def first_frames(values: np.ndarray | Columns, count: int, dtype: Any) -> np.ndarray | Columns:
    """Return so many frames of traces [frame, neuron] in another type."""
    return held(Columns((count, values.shape[1]), dtype, lambda numbers: values[:count, numbers].astype(dtype)))


def grid(values: np.ndarray | Columns) -> Any:
    """Return float32 traces [trial, time, neuron] of one trial, as `make_recording` takes them."""
    if not isinstance(values, Columns):
        return values[None]
    return LazyArray((1, *values.shape), np.float32, lambda first, stop: values[:, first:stop][None])
