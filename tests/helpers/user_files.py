"""Small files of users, in the formats that the tools write."""

from pathlib import Path

import h5py
import numpy as np
import scipy.sparse

from calcium_latents.seeds import generator

N_FRAMES, N_NEURONS, RATE = 400, 7, 30.0


def smooth_traces(frames: int = N_FRAMES, neurons: int = N_NEURONS) -> np.ndarray:
    """Return traces [frame, neuron] that decay over eight frames."""
    noise = generator(1, "tests", "readers").normal(size=(frames + 20, neurons))
    return np.stack([np.convolve(column, np.exp(-np.arange(21) / 8), "valid") for column in noise.T], axis=1)


def pickled(path: Path, value: object) -> None:
    """Write an object as suite2p does."""
    np.save(path, np.array(value, object), allow_pickle=True)


def suite2p_folder(folder: Path, dff: np.ndarray, stat: list[dict] | None = None, **ops: object) -> Path:
    """Write a folder of raw fluorescence of dF/F [frame, neuron], ROI 2 no cell, with ops.npy; neuropil is 50."""
    folder.mkdir(parents=True)
    count = dff.shape[1]
    raw = (100 * (1 + 0.02 * dff.T)).astype(np.float32)
    np.save(folder / "F.npy", raw)
    np.save(folder / "Fneu.npy", np.full_like(raw, 50))
    np.save(folder / "iscell.npy", np.stack([np.arange(count) != 2, np.ones(count)], axis=1))
    places = stat or [{"med": [64 * i, 10 * i]} for i in range(count)]
    pickled(folder / "stat.npy", places)
    pickled(folder / "ops.npy", {"fs": RATE, "Ly": 512, "Lx": 512, "nplanes": 1} | ops)
    return folder


def store_sparse(file: h5py.File, name: str, matrix: np.ndarray) -> None:
    """Store a matrix in parts, as CaImAn does with sparse ones."""
    sparse = scipy.sparse.csc_matrix(matrix)
    for part in ("data", "indices", "indptr", "shape"):
        file[f"{name}/{part}"] = getattr(sparse, part)


def footprints(centres: list[tuple[int, int]], dims: tuple[int, int]) -> np.ndarray:
    """Return squares of 3 x 3 px around centres (y, x) as CaImAn flattens them, [pixel, component]."""
    images = np.zeros((len(centres), *dims))
    for image, (y, x) in zip(images, centres, strict=True):
        image[y - 1 : y + 2, x - 1 : x + 2] = 1
    return images.transpose(0, 2, 1).reshape(len(centres), -1).T


def caiman_file(path: Path, dff: np.ndarray, rate: object = RATE, **more: object) -> None:
    """Write CaImAn's results with C + YrA = dff [frame, component], nothing evaluated, no F_dff."""
    count = dff.shape[1]
    with h5py.File(path, "w") as file:
        file["params/data/fr"] = rate
        file["dims"] = [40, 30]
        store_sparse(file, "estimates/A", footprints([(5 * i + 1, 3 * i + 1) for i in range(count)], (40, 30)))
        given = {"C": dff.T - 0.5, "YrA": np.full(dff.T.shape, 0.5), "F_dff": "NoneType", "idx_components": "NoneType"}
        for name, value in (given | more).items():
            if value is not None:
                file[f"estimates/{name}"] = value
