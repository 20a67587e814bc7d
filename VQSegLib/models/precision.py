"""Run modules in a lower precision, and know of it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def autocasting(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Return the context in which convolutions run in ``dtype``."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)


def product_dtype(device: torch.device) -> torch.dtype:
    """Return the type that products take here: that of autocast where it is on, float32 where it is not."""
    is_on = torch.is_autocast_enabled(device.type)
    return torch.get_autocast_dtype(device.type) if is_on else torch.float32
