"""Compiled loops over independent tasks, on as many threads as PyTorch may use."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  # the library that compiled matrix products call
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="compiled")


@cache
def _libraries() -> list[Any]:
    return ThreadpoolController().select(user_api="blas").lib_controllers


def run_tasks(kernel: Callable, count: int, *arguments: Any) -> None:
    """Call `kernel(first, step, *arguments)`, which does tasks first, first + step, ... of `count`.

    A kernel releases the interpreter's lock, writes to no place that another task writes to, and calls BLAS, which
    then must not start threads of its own. What a task computes does not depend on the number of threads.
    """
    threads = max(1, min(torch.get_num_threads(), count))
    with _one_thread_of_blas():
        if threads == 1:
            kernel(0, 1, *arguments)
            return
        running = [_pool(threads).submit(kernel, first, threads, *arguments) for first in range(threads)]
        for one in running:
            one.result()


def multiply(*products: tuple[Tensor, Tensor, Tensor]) -> None:
    """Matrix products `left^T right` into `out`, for triples of left `[P, n, a]`, right `[P, n, b]`, out `[P, a, b]`.

    NumPy's BLAS takes columns of a wider array as they are, and is faster than PyTorch's on processors not of Intel.
    """
    arrays = [tuple(tensor.numpy() for tensor in product) for product in products]
    run_tasks(_multiply, len(arrays), arrays)


def _multiply(first: int, step: int, products: list[tuple[np.ndarray, ...]]) -> None:
    for left, right, out in products[first::step]:
        np.matmul(left.swapaxes(1, 2), right, out=out)


@contextmanager
def _one_thread_of_blas() -> Generator[None]:
    """As threadpoolctl's limit, which costs a tenth of a millisecond a call also where there is nothing to limit."""
    before = [(library, library.num_threads) for library in _libraries()]
    for library, threads in before:
        if threads != 1:
            library.set_num_threads(1)
    try:
        yield
    finally:
        for library, threads in before:
            if threads != 1:
                library.set_num_threads(threads)


def array(tensor: Tensor) -> np.ndarray:
    """The memory of a tensor of any shape as an array (contiguous: copied if it was not)."""
    return tensor.detach().contiguous().numpy()
