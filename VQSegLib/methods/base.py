"""The one interface behind which every training method stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

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
        labeled_strong: ``(B_l, C, *spatial)`` strong view of the labeled patches, for methods that ask for it.
    """

    labeled: Tensor
    target: Tensor
    unlabeled_weak: Tensor | None = None
    unlabeled_strong: Tensor | None = None
    labeled_strong: Tensor | None = None

    @property
    def weak(self) -> Tensor:
        """Weak view of the unlabeled patches; there must be one."""
        return _present(self.unlabeled_weak, "unlabeled patches")

    @property
    def strong(self) -> Tensor:
        """Strong views of the unlabeled patches; there must be some."""
        return _present(self.unlabeled_strong, "strong views of unlabeled patches")

    def to(self, device: torch.device) -> Batch:
        """Return the batch on ``device``."""
        return Batch(*(None if part is None else part.to(device, non_blocking=True) for part in self))  # type: ignore[arg-type]


class StepResult(NamedTuple):
    """Loss to minimize and scalars to log under the project's fixed names (``loss/supervised``, ``vq/...``)."""

    loss: Tensor
    logs: Mapping[str, float]

    @classmethod
    def of(cls, terms: Mapping[str, Tensor], logs: Mapping[str, float]) -> StepResult:
        """Return the sum of ``terms``, each of which is logged beside ``logs``."""
        values = {name: float(term.detach()) for name, term in terms.items()}
        return cls(torch.stack(list(terms.values())).sum(), {**logs, **values})


class MethodConfig(Document):
    """What every method can be told."""

    name: str
    strong_views: int = Field(default=0, ge=0, description="Strong views per unlabeled patch the data must deliver.")

    @property
    def uses_unlabeled(self) -> bool:
        """Whether the method looks at unlabeled scans at all."""
        return True

    @property
    def labeled_strong_view(self) -> bool:
        """Whether the data must also deliver a strong view of the labeled patches."""
        return False

    def needs_unlabeled(self, step: int, max_steps: int) -> bool:
        """Return whether step ``step`` (0-based) of a training of ``max_steps`` looks at unlabeled patches."""
        del step, max_steps
        return self.uses_unlabeled

    def check_batch(self, labeled: int, unlabeled: int) -> None:
        """Make sure that batches of so many labeled and unlabeled patches can be trained on.

        Raises:
            ValueError: They cannot.
        """

    def adapt_network(self, network: NetworkConfig) -> NetworkConfig:
        """Return the network this method trains: without quantizer and image decoder unless it says otherwise."""
        return network.model_copy(update={"quantizer": None, "image_decoder": False})


ConfigT = TypeVar("ConfigT", bound=MethodConfig)


class Method(nn.Module, Generic[ConfigT]):
    """Student, optional teacher and losses of one method; the trainer owns loop, optimizer and data.

    Subclasses implement :meth:`forward`, and :meth:`build_parts` where they hold more than the student. Everything that
    must survive a resume is a submodule or a buffer. Random draws use PyTorch's global generator, which the trainer
    seeds before every step, so that a resumed run draws the same.

    Attributes:
        config: Settings of the method.
        student: The network being trained.
        teacher: Exponential moving average of the student, never trained; None for methods without one.
        max_steps: Length of the training.
    """

    def __init__(self, config: ConfigT, student: VQSegNet, preprocessing: PreprocessingConfig, max_steps: int) -> None:
        super().__init__()
        self.config = config
        self.student = student
        self.teacher: VQSegNet | None = None
        self.preprocessing = preprocessing
        self.max_steps = max_steps
        self.build_parts()

    def build_parts(self) -> None:
        """Add what the method holds beside the student: teacher, heads, buffers."""

    def forward(self, batch: Batch, step: int) -> StepResult:
        """Return loss and logs of training step ``step`` (0-based)."""
        raise NotImplementedError

    def after_step(self, step: int) -> None:
        """Update what moves without a gradient, after the optimizer's step ``step``."""

    def inference_network(self) -> VQSegNet:
        """Return the network that validation scores and the checkpoint keeps."""
        return self.student


def _present(part: Tensor | None, name: str) -> Tensor:
    if part is None:
        msg = f"this step needs {name}, and the batch has none"
        raise RuntimeError(msg)
    return part
