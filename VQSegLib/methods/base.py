"""The one interface behind which every training method stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from VQSegLib.documents import Document
from VQSegLib.models.config import NetworkConfig, PreprocessingConfig
from VQSegLib.models.network import VQSegNet

IGNORED = -1
"""Target value of voxels that enter no supervised loss."""


class Batch(NamedTuple):
    """Patches of one step; ``(C, *spatial)`` is ``(C, K, J, I)`` in 3-D and ``(C, J, I)`` in 2-D.

    Attributes:
        labeled: ``(B_l, C, *spatial)`` network input.
        target: ``(B_l, *spatial)`` int64 class, or :data:`IGNORED`.
        unlabeled_weak: ``(B_u, C, *spatial)`` weakly augmented; None for methods that use no unlabeled scans.
        unlabeled_strong: ``(V, B_u, C, *spatial)`` strong views of the same patches in the same geometry.
    """

    labeled: Tensor
    target: Tensor
    unlabeled_weak: Tensor | None = None
    unlabeled_strong: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """Return the batch on ``device``."""
        weak, strong = self.unlabeled_weak, self.unlabeled_strong
        return Batch(
            self.labeled.to(device, non_blocking=True),
            self.target.to(device, non_blocking=True),
            None if weak is None else weak.to(device, non_blocking=True),
            None if strong is None else strong.to(device, non_blocking=True),
        )


class StepResult(NamedTuple):
    """Loss to minimize and scalars to log under the project's fixed names (``loss/supervised``, ``vq/...``)."""

    loss: Tensor
    logs: Mapping[str, float]


class MethodConfig(Document):
    """What every method can be told."""

    strong_views: int = Field(default=0, ge=0, description="Strong views per unlabeled patch the data must deliver.")

    def needs_unlabeled(self, step: int) -> bool:
        """Return whether training step ``step`` (0-based) looks at unlabeled patches."""
        del step
        return True

    def adapt_network(self, network: NetworkConfig) -> NetworkConfig:
        """Return the network this method trains, for example without a quantizer."""
        return network


class Method(nn.Module):
    """Student, optional teacher and losses of one method; the trainer owns loop, optimizer and data.

    Subclasses implement :meth:`forward`. Everything that must survive a resume is a submodule or a buffer. Random draws
    use PyTorch's global generator, which the trainer seeds before every step, so that a resumed run draws the same.

    Attributes:
        student: The network being trained.
        teacher: Exponential moving average of the student, never trained; None for methods without one.
    """

    uses_unlabeled: ClassVar[bool] = False

    def __init__(self, student: VQSegNet, preprocessing: PreprocessingConfig, max_steps: int) -> None:
        super().__init__()
        self.student = student
        self.teacher: VQSegNet | None = None
        self.preprocessing = preprocessing
        self.max_steps = max_steps

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return loss and logs of training step ``step`` (0-based)."""
        raise NotImplementedError

    def after_step(self, step: int) -> None:
        """Update what moves without a gradient, after the optimizer's step ``step``."""

    def inference_network(self) -> VQSegNet:
        """Return the network that validation scores and the checkpoint keeps."""
        return self.student
