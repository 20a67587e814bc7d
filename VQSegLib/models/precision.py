"""Run modules in a lower precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def autocasting(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Return the context in which convolutions run in ``dtype``."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(device.type, dtype)
