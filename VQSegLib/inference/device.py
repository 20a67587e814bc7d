"""Device, precision, window batch and out-of-memory: what depends on the machine."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass
from typing import Literal

import psutil
import torch

from VQSegLib.errors import ConfigError

Precision = Literal["auto", "float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("auto", "float32", "bfloat16")
_OUT_OF_MEMORY_TEXTS = ("not enough memory", "out of memory", "can't allocate memory", "alloc_failed")
_AMPERE = (8, 0)
_FEATURE_CHANNELS = 256
"""Float32 maps of full size alive at once in a window's forward pass: what a U-Net of 32 channels needs, generously."""
_MAX_BATCH = {"cpu": 8, "cuda": 16}
_MAX_CPU_BYTES = 400_000_000
"""Larger batches lose on a CPU: a map above 32 MB is new memory for glibc each time, and the system clears its pages
first. And cancelling waits for the batch to end."""


@dataclass(frozen=True)
class Device:
    """One device work can run on.

    Attributes:
        id: As :func:`resolve_device` takes it.
        name: What its maker calls it.
        memory_bytes: Its own memory, or the machine's for the processor.
    """

    id: str
    name: str
    memory_bytes: int


def list_devices() -> list[Device]:
    """Return the devices of this machine, the one "auto" chooses first."""
    found = [
        Device(f"cuda:{number}", torch.cuda.get_device_name(number), torch.cuda.mem_get_info(number)[1])
        for number in range(torch.cuda.device_count())
    ]
    processor = platform.processor() or platform.machine()
    return [*found, Device("cpu", processor, int(psutil.virtual_memory().total))]


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the torch device for "cpu", "cuda", "cuda:<n>" or "auto" (CUDA if there is one).

    Raises:
        ConfigError: If the name is not one of these or the machine has no such device.
    """
    name = str(device)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        msg = f"Unknown device '{name}'; choose auto, cpu, cuda or cuda:<number>."
        raise ConfigError(msg)
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        msg = (
            f"Device '{name}' was asked for, but {torch.cuda.device_count()} CUDA devices are usable here; choose cpu."
        )
        raise ConfigError(msg)
    return torch.device(name)


def resolve_precision(precision: str, device: torch.device) -> torch.dtype:
    """Return the type convolutions run in.

    "auto" is bfloat16 where :func:`has_fast_bfloat16`; with AMX it is four times as fast as float32. Labels differ from
    those of float32 on fewer than one voxel in a thousand.

    Raises:
        ConfigError: If the name is unknown.
    """
    if precision not in PRECISIONS:
        msg = f"Unknown precision '{precision}'; choose one of {', '.join(PRECISIONS)}."
        raise ConfigError(msg)
    if precision == "auto":
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix units for bfloat16 are known to be there: on CUDA since Ampere, and on CPUs with AMX.

    What computes with "auto" asks this: segmentation, refinement and fine-tuning. (Torch 2.13 can tell of a CPU.)
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= _AMPERE
    get_capabilities = getattr(torch.cpu, "get_capabilities", None)
    return bool(get_capabilities is not None and get_capabilities().get("amx_bf16", False))


def compute_batch_size(device: torch.device, window_shape: tuple[int, ...], channels: int) -> int:
    """Return how many windows of ``window_shape`` half of the free memory holds, at least one.

    Args:
        device: Where the network runs.
        window_shape: Spatial sides of the network's input.
        channels: Input channels plus classes.
    """
    needed = math.prod(window_shape) * 4 * (_FEATURE_CHANNELS + channels)
    return max(1, min(_MAX_BATCH[device.type], _budget_bytes(device) // needed))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch or numpy means that memory ran out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _OUT_OF_MEMORY_TEXTS)


def release_cached_memory(device: torch.device) -> None:
    """Give memory that torch keeps for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _budget_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) // 2
    return min(int(psutil.virtual_memory().available) // 2, _MAX_CPU_BYTES)
