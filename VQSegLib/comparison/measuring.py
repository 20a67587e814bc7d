"""Time and memory that training takes."""

from __future__ import annotations

import ctypes
import gc
import statistics
import sys
import threading
from pathlib import Path
from types import TracebackType

import psutil
import torch

from VQSegLib.training.events import read_events

_INTERVAL_SECONDS = 0.05
_MEGABYTE = 1e6


class PeakMemory:
    """Context that measures the largest memory in use.

    With CUDA what torch allocated at most; without, how far the process grew, sampled. Where the C library cannot be
    told to give free memory back first (only glibc can), a second run in one process seems to need less than it does.

    Attributes:
        megabytes: The peak, after the context.
    """

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._process = psutil.Process()

    def __enter__(self) -> PeakMemory:
        _give_back_free_memory()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        self._start = self._peak = self._process.memory_info().rss
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._sampler.join()
        grown = self._peak - self._start
        if torch.cuda.is_available():
            grown = torch.cuda.max_memory_allocated()
        self.megabytes = grown / _MEGABYTE

    def _sample(self) -> None:
        while not self._ended.wait(_INTERVAL_SECONDS):
            self._peak = max(self._peak, self._process.memory_info().rss)


def _give_back_free_memory() -> None:
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def seconds_per_step(folder: Path) -> float:
    """Return the median over the logged intervals of a run; validation and the first interval's start-up hardly count.

    Returns:
        0 where nothing was logged.
    """
    found = [event["seconds_per_step"] for event in read_events(folder) if event.get("seconds_per_step") is not None]
    return statistics.median(found) if found else 0.0
