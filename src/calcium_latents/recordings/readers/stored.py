"""Matrices in a user's files that are read in parts, whichever of their axes is time."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from calcium_latents.recordings.on_disk import Columns, empty, first_frames, is_large, runs
from calcium_latents.recordings.readers.opening import load_npy, open_hdf5

#: So many values are read at once: 64 MiB of float64.
BLOCK = 2**23


class Stored:
    """A matrix in a file, of which nothing is read yet.

    The file is opened for each part anew: what is mapped counts as memory until it is closed.
    """

    ndim = 2

    def __init__(self, opened: Callable[[], AbstractContextManager[Any]], turned: bool = False) -> None:
        """Look at the matrix.

        Args:
            opened: gives what has shape, dtype and maybe chunks, and parts of it by slices.
            turned: take its transpose.
        """
        self._opened, self._turned = opened, turned
        with opened() as source:
            shape = tuple(map(int, source.shape))
            self.dtype, self._chunks = np.dtype(source.dtype), getattr(source, "chunks", None)
            self._parts = parts(shape, self._chunks)
        self.shape: tuple[int, int] = (shape[1], shape[0]) if turned else (shape[0], shape[1])

    @property
    def T(self) -> "Stored":  # noqa: N802 (as of arrays)
        """The transpose."""
        return Stored(self._opened, not self._turned)

    def every(self, step: int) -> np.ndarray:
        """Return each `step`-th column in memory."""
        found = np.empty((self.shape[0], len(range(0, self.shape[1], step))), self.dtype)
        for rows, columns, block in self._read():
            first = -columns.start % step
            at = (columns.start + first) // step
            chosen = block[:, first::step]
            found[rows, at : at + chosen.shape[1]] = chosen
        return found

    def columns(self) -> np.ndarray | Columns:
        """Return the matrix as traces [frame, neuron]: in memory if it is small, else read as it is used."""
        frames, neurons = self.shape
        if not is_large(frames, neurons):
            with self._opened() as source:
                matrix = np.asarray(source[:, :])
            return matrix.T if self._turned else matrix
        order = "F" if self._turned else "C"
        if self._turned and (self._chunks is None or self._chunks[0] == 1):
            return Columns(self.shape, self.dtype, self._rows, order)
        traces = empty(frames, neurons, self.dtype, order)
        for rows, columns, block in self._read():
            traces[rows, columns] = block
        return traces

    def _rows(self, numbers: np.ndarray) -> np.ndarray:
        """Return rows of the file, as traces [frame, neuron]."""
        found = np.empty((numbers.size, self.shape[0]), self.dtype)
        with self._opened() as source:
            for part, number in runs(numbers):
                found[part] = source[number : number + part.stop - part.start, :]
        return found.T

    def _read(self) -> Iterator[tuple[slice, slice, np.ndarray]]:
        """Yield (rows, columns, block) of parts of whole chunks, turned where the matrix is."""
        for part in self._parts:
            with self._opened() as source:
                block = np.asarray(source[part]) if self._chunks else np.array(source[part])
            yield (part[1], part[0], block.T) if self._turned else (part[0], part[1], block)


def read_rows(tables: Iterable[pd.DataFrame], most: int) -> np.ndarray | Columns:
    """Return the numbers [row, column] of tables that follow each other, of `most` rows at most in all."""
    found, at = np.empty((0, 0)), 0
    for table in tables:
        values = table.to_numpy()
        if not at:
            found = empty(most, values.shape[1], values.dtype, "C")
        found[at : at + len(values), :] = values
        at += len(values)
    return found if at == most else first_frames(found, at, found.dtype)


def npy_matrix(
    path: Path, expected: str = "a .npy file of numbers", advice: str = "Save it with numpy.save."
) -> Stored | np.ndarray:
    """Return the matrix of a .npy file; an array of other dims as it is, mapped.

    Raises:
        UserError: the file cannot be read.
    """
    array = load_npy(path, expected, advice, mapped=True)
    if array.ndim != 2 or 0 in array.shape:
        return array
    # Column by column on disk: its transpose is row by row.
    turned = bool(np.isfortran(array))

    @contextmanager
    def opened() -> Generator[np.ndarray]:
        mapped = load_npy(path, expected, advice, mapped=True)
        yield mapped.T if turned else mapped

    return Stored(opened, turned)


def hdf5_matrix(path: str | Path, name: str, turned: bool = False) -> Stored:
    """Return dataset `name`, of two dims, of an HDF5 file."""

    @contextmanager
    def opened() -> Generator[Any]:
        with open_hdf5(Path(path)) as file:
            yield file[name]

    return Stored(opened, turned)


def parts(shape: Sequence[int], chunks: Sequence[int] | None) -> list[tuple[slice, ...]]:
    """Return parts of a dataset that hold whole chunks, so that none is unpacked twice."""
    chunks = chunks or (1,) * len(shape)
    others = int(np.prod(shape[1:]))
    axis = 0 if len(shape) == 1 or chunks[0] * others <= BLOCK else 1
    across = max(1, int(np.prod(shape)) // max(1, shape[axis]))
    step = chunks[axis] * max(1, BLOCK // (chunks[axis] * across))
    whole = [slice(0, length) for length in shape]
    return [
        (*whole[:axis], slice(start, min(start + step, shape[axis])), *whole[axis + 1 :])
        for start in range(0, shape[axis], step)
    ]
