"""Run a function in a process of its own, whose peak memory is then that function's."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Answer = TypeVar("Answer")


def run_in_own_process(function: Callable[[Given], Answer], given: Given) -> Answer:
    """Return what a function of a module answers in a new process; what it raises is raised here.

    Args:
        function: Found again by its name.
        given: Its argument, which travels as a pickle.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(function, given).result()
