"""The machine a benchmark runs on: description, and how fast it multiplies matrices at this moment."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from typing import Any, Literal

import psutil
import torch

from VQSegLib.documents import Document

ClockName = Literal["wall", "processor"]
CLOCKS: dict[ClockName, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}
"""Clocks by name. That of the processor counts what this process computes: on one thread, other work on the machine
hardly changes it. It tells nothing of several threads, which spin while they wait, and nothing of a GPU."""
_SIDES = {"cpu": 2048, "cuda": 8192}
_SECONDS = 0.5


class Machine(Document):
    """Where a benchmark ran.

    Attributes:
        processor: Name of the processor.
        device: Name of the device the networks ran on.
        threads: Threads torch computes with.
        processors_usable: Processors this process may run on.
        memory_gib: Memory of the machine.
        load: Mean number of running processes of the last minute; above ``processors_usable`` figures are worse than
            the machine's own. None where the system does not tell.
        system: Operating system.
        python: Version.
        torch: Version.
    """

    processor: str
    device: str
    threads: int
    processors_usable: int
    memory_gib: float
    load: float | None
    system: str
    python: str
    torch: str

    def __str__(self) -> str:
        """One line for people."""
        load = "" if self.load is None else f", load {self.load:.1f}"
        return (
            f"{self.processor}, device {self.device}, {self.threads} threads on {self.processors_usable} processors, "
            f"{self.memory_gib:.0f} GiB, {self.system}, Python {self.python}, torch {self.torch}{load}"
        )


def describe_machine(device: torch.device) -> Machine:
    """Return what this machine is."""
    process = psutil.Process()
    usable = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count() or 1
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    processor = str(capabilities.get("cpu_name") or platform.processor() or platform.machine())
    matrix_units = [name for name in ("amx_bf16", "avx512_bf16", "avx512_f", "avx2") if capabilities.get(name)]
    return Machine(
        processor=f"{processor} ({', '.join(matrix_units)})" if matrix_units else processor,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        processors_usable=usable,
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        load=round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        system=platform.system(),
        python=platform.python_version(),
        torch=torch.__version__,
    )


def measure_matrix_rate(device: torch.device, dtype: torch.dtype, clock: Callable[[], float]) -> float:
    """Return GFLOP/s of the best of many square matrix products: the peak other figures are compared with.

    Args:
        device: Where to multiply.
        dtype: Type of the matrices.
        clock: One of :data:`CLOCKS`.
    """
    side = _SIDES[device.type]
    left, right = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    left @ right
    best, ends = float("inf"), time.perf_counter() + _SECONDS
    while time.perf_counter() < ends:
        synchronize(device)
        began = clock()
        left @ right
        synchronize(device)
        best = min(best, clock() - began)
    return 2 * side**3 / best / 1e9


def measure_peak_gib(device: torch.device) -> float:
    """Return the most memory that this process has held: on a GPU that of its tensors there, else its resident size."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    info = psutil.Process().memory_info()
    if hasattr(info, "peak_wset"):  # Windows
        return int(info.peak_wset) / 2**30
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what it was told; the processor always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
