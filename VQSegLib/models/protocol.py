"""What the predictor needs to know of a model."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from VQSegLib.labels import LabelTable
from VQSegLib.models.config import NetworkConfig, PreprocessingConfig


class SegmentationModel(Protocol):
    """A network with the description of its input and output; a loaded checkpoint is one, so is one in training."""

    @property
    def network(self) -> nn.Module:
        """Network from ``(B, C, K, J, I)`` (3-D) or ``(B, C, J, I)`` (2-D) float32 to logits of the same sides.

        Its optional attribute ``size_divisor`` (int, or one int per spatial axis) is the multiple its sides must have.
        """

    @property
    def network_config(self) -> NetworkConfig:
        """Shape of input and output."""

    @property
    def preprocessing(self) -> PreprocessingConfig:
        """How the input is prepared."""

    @property
    def labels(self) -> LabelTable:
        """Label value of each class."""
