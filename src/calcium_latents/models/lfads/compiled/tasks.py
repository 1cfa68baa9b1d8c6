"""Compiled loops over independent tasks, on as many threads as PyTorch may use."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="compiled")


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


def run_tasks(kernel: Callable, count: int, *arguments: Any) -> None:
    """Call `kernel(first, step, *arguments)`, which does tasks first, first + step, ... of `count`.

    A kernel releases the interpreter's lock, writes to no place that another task writes to, and calls BLAS, which
    then must not start threads of its own. What a task computes does not depend on the number of threads.
    """
    threads = max(1, min(torch.get_num_threads(), count))
    with _libraries().limit(limits=1, user_api="blas"):
        if threads == 1:
            kernel(0, 1, *arguments)
            return
        running = [_pool(threads).submit(kernel, first, threads, *arguments) for first in range(threads)]
        for one in running:
            one.result()


def array(tensor: Tensor) -> np.ndarray:
    """The memory of a tensor of any shape as an array (contiguous: copied if it was not)."""
    return tensor.detach().contiguous().numpy()
