"""Where and how a model runs: what everything that segments can be told."""

from __future__ import annotations

from typing import TypedDict

import torch


class RunOptions(TypedDict, total=False):
    """Where and how to run; what is left out is chosen by the machine and the model.

    Attributes:
        device: "auto", "cpu", "cuda" or "cuda:<n>".
        precision: "auto", "float32" or "bfloat16"; auto is bfloat16 where the device has matrix units for it.
        window_batch_size: Windows or slices per forward pass; None chooses by free memory.
        stride: Distance of windows in voxels, one per side of the model's patch; None for the model's overlap.
    """

    device: str | torch.device
    precision: str
    window_batch_size: int | None
    stride: tuple[int, ...] | None
