"""Every random number has an address: one seed, and a named stream for each use of it."""

import hashlib

import numpy as np


def seed_sequence(seed: int, *address: str | int) -> np.random.SeedSequence:
    """Return the seed sequence at `address` under `seed`.

    The address is hashed, so that streams are independent of each other and of the order in which they are made.
    """
    words = [
        int.from_bytes(hashlib.sha256(f"{type(part).__name__}:{part}".encode()).digest()[:4], "little")
        for part in address
    ]
    return np.random.SeedSequence(entropy=int(seed), spawn_key=tuple(words))


def generator(seed: int, *address: str | int) -> np.random.Generator:
    """Return a NumPy random generator for the stream at `address` under `seed`."""
    return np.random.default_rng(seed_sequence(seed, *address))


def integer(seed: int, *address: str | int) -> int:
    """Return a 63-bit integer seed for libraries that take one (PyTorch)."""
    return int(seed_sequence(seed, *address).generate_state(1, np.uint64)[0] >> np.uint64(1))
