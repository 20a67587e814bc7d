"""The optimization of a refinement: the decoder of one network learns from encoded windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from VQSegLib.errors import ConfigError
from VQSegLib.inference.refinement_windows import EncodedWindow
from VQSegLib.methods.base import IGNORED
from VQSegLib.methods.losses import segmentation_loss
from VQSegLib.models.network import VQSegNet
from VQSegLib.models.precision import autocasting

_WARMUP_STEPS = 5


@dataclass(frozen=True)
class RefinementSettings:
    """How much is learned; chosen on validation scans of OpenKBP (``experiments/openkbp/refinement.py``).

    Attributes:
        steps: Optimizer steps, one window each.
        learning_rate: Of AdamW, after a short warm-up and before its cosine decay.
        consistency_weight: Weight of the divergence from the model as it was, on voxels that nobody corrected.
        kept_change: Share of what was learned that is kept: weights between those before and after are steadier than
            either (WiSE-FT, arXiv 2109.01903).
        reach: Voxels of the model grid on either side of a corrected slice that a step looks at.
        seed: Order of the windows.
    """

    steps: int = 30
    learning_rate: float = 5e-4
    consistency_weight: float = 1.0
    kept_change: float = 0.6
    reach: int = 24
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            ConfigError: A value is out of range.
        """
        positive = self.steps >= 1 and self.learning_rate > 0 and 0 < self.kept_change <= 1
        if not positive or self.reach < 0 or self.consistency_weight < 0:
            msg = (
                "Refinement needs steps of at least 1, a learning_rate above 0, kept_change above 0 and at most 1, "
                f"reach and consistency_weight of at least 0, given {self}."
            )
            raise ConfigError(msg)


def learn(
    network: VQSegNet,
    windows: Sequence[EncodedWindow],
    settings: RefinementSettings,
    dtype: torch.dtype,
    on_step: Callable[[float], None],
) -> list[float]:
    """Train the decoder of ``network`` in place; return the supervised loss of each step.

    Batch norm keeps its statistics: those of a single patient's few windows would unsettle all that is not drawn.

    Args:
        network: Network in evaluation mode, on its device.
        windows: What to learn from, encoded by it.
        settings: How much is learned.
        dtype: bfloat16 turns autocast on.
        on_step: Called before each step with the share done; what it raises ends the work.
    """
    network.requires_grad_(False)
    parameters = list(network.segmentation_decoder.requires_grad_(True).parameters())
    before = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=0.0)
    device = windows[0].target.device
    losses = []
    with torch.enable_grad():
        for step, window in enumerate(_draw(windows, settings)):
            on_step(step / settings.steps)
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * _rate(step, settings.steps)
            with autocasting(device, dtype):
                logits = network.decode(window.features, window.features[-1], window.sides)
            supervised = segmentation_loss(logits, window.target, "ce_dice")
            loss = supervised + settings.consistency_weight * _divergence(logits, window)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(supervised.detach()))
    network.requires_grad_(False)
    for parameter, old in zip(parameters, before, strict=True):
        parameter.copy_(torch.lerp(old, parameter, settings.kept_change))
    return losses


def _draw(windows: Sequence[EncodedWindow], settings: RefinementSettings) -> Iterator[EncodedWindow]:
    """Yield a window for each step: all in random order, again and again."""
    rng = np.random.default_rng(settings.seed)
    for step in range(settings.steps):
        place = step % len(windows)
        if place == 0:
            order = rng.permutation(len(windows))
        yield windows[order[place]]


def _rate(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / _WARMUP_STEPS) * (1 + math.cos(math.pi * step / steps)) / 2


def _divergence(logits: Tensor, window: EncodedWindow) -> Tensor:
    """Return the mean Kullback-Leibler divergence from the answers before, over voxels that nobody corrected."""
    before = window.before
    each: Tensor = (torch.special.xlogy(before, before) - before * logits.float().log_softmax(1)).sum(1)
    free = window.target == IGNORED
    return torch.where(free, each, 0.0).sum() / free.sum().clamp_min(1)
