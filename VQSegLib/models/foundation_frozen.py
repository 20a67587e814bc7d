"""What every foundation teacher shares: frozen weights, the way back from network input, and slice-wise encoding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from VQSegLib.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from VQSegLib.models.config import PreprocessingConfig

DEFAULT_NUM_SLICES = 8
"""Slices of a 3-D patch that a teacher looks at; neighbours are so alike that all of them would teach little more."""


class TeacherFeatures(NamedTuple):
    """What a teacher says about a batch.

    Attributes:
        features: fp32 ``(B, teacher_dim, J', I')`` in 2-D, ``(B, teacher_dim, S, J', I')`` in 3-D; no gradient.
        slice_indices: The S slices of the patch that were looked at, evenly spread; empty in 2-D.
    """

    features: Tensor
    slice_indices: tuple[int, ...]


class FrozenTeacher(ABC):
    """A pre-trained network that is only ever read: evaluation mode, no gradient, weights never change.

    It is on purpose no ``nn.Module``: kept as an attribute of a student, it enters neither the student's parameters,
    nor its checkpoint, nor its EMA copy. Weights move to the device of the images they are asked about.

    Args:
        module: Pre-trained network; frozen here.
        name: What the model card says about it.
        teacher_dim: Channels of its features.
        preprocessing: How the network input was made from HU, to be undone.
        num_slices: Slices looked at in a 3-D patch; thinner patches use all.
    """

    context: ClassVar[int] = 0
    """Neighbouring slices the network needs on each side."""

    def __init__(
        self,
        module: nn.Module,
        name: str,
        teacher_dim: int,
        preprocessing: PreprocessingConfig,
        num_slices: int = DEFAULT_NUM_SLICES,
    ) -> None:
        if num_slices < 1:
            msg = f"A foundation teacher looks at 1 or more slices of a patch, given num_slices = {num_slices}."
            raise ConfigError(msg)
        self.name = name
        self.teacher_dim = teacher_dim
        self.num_slices = num_slices
        self._preprocessing = preprocessing
        self._module = module.eval().requires_grad_(False)

    def tensors(self) -> Iterator[Tensor]:
        """Yield every weight and buffer."""
        yield from self._module.parameters()
        yield from self._module.buffers()

    def features(self, images: Tensor) -> TeacherFeatures:
        """Return the features of a batch of network inputs.

        Args:
            images: ``(B, C, J, I)`` slices (C neighbouring slices, the middle one is looked at; or three times the same
                slice where the preprocessing has three means) or ``(B, 1, K, J, I)`` patches, canonical axes.

        Raises:
            ConfigError: Another shape.
        """
        with torch.no_grad():
            stacks = _to_stacks(images, self._preprocessing)
            is_volume = images.ndim == 5
            depth = stacks.shape[1]
            centers = _spread(depth, self.num_slices) if is_volume else (depth // 2,)
            encoded = self._encode(_slabs(stacks, centers, self.context)).float()
        if not is_volume:
            return TeacherFeatures(encoded, ())
        # (B * S, D, J', I') -> (B, D, S, J', I')
        per_patch = encoded.view(-1, len(centers), *encoded.shape[1:])
        return TeacherFeatures(per_patch.transpose(1, 2).contiguous(), centers)

    @abstractmethod
    def _encode(self, slabs: Tensor) -> Tensor:
        """Encode the middle slice of each slab.

        Args:
            slabs: ``(B, S, 2 * context + 1, J, I)`` in [0, 1]: the intensity window of the preprocessing.

        Returns:
            ``(B * S, teacher_dim, J', I')``.
        """


def _to_stacks(images: Tensor, preprocessing: PreprocessingConfig) -> Tensor:
    """Undo mean and std; return ``(B, K, J, I)`` in [0, 1], the slices of a patch or the neighbours of a slice."""
    mean, std = preprocessing.mean, preprocessing.std
    is_volume = images.ndim == 5 and images.shape[1] == 1 and len(mean) == 1
    is_slice = images.ndim == 4 and len(mean) in (1, images.shape[1])
    if not (is_volume or is_slice):
        msg = (
            f"A foundation teacher takes images (B, C, J, I) or (B, 1, K, J, I), with C = 3 where the preprocessing "
            f"has three means; given {tuple(images.shape)} and {len(mean)} means."
        )
        raise ConfigError(msg)
    per_channel = (1, -1) + (1,) * (images.ndim - 2)
    scale = torch.tensor(std, device=images.device).view(per_channel)
    shift = torch.tensor(mean, device=images.device).view(per_channel)
    windowed = (images.float() * scale + shift).clamp(0.0, 1.0)
    return windowed[:, 0] if is_volume else windowed


def _spread(depth: int, count: int) -> tuple[int, ...]:
    """Return ``count`` slices at the centers of equal parts of ``depth``, where a resize to ``count`` samples too."""
    count = min(depth, count)
    return tuple((2 * s + 1) * depth // (2 * count) for s in range(count))


def _slabs(stacks: Tensor, centers: tuple[int, ...], context: int) -> Tensor:
    """Cut ``(B, S, 2 * context + 1, J, I)`` slabs around ``centers``; beyond an end its last slice repeats."""
    around = torch.arange(-context, context + 1, device=stacks.device)
    indices = (torch.tensor(centers, device=stacks.device)[:, None] + around).clamp(0, stacks.shape[1] - 1)
    return stacks[:, indices]
