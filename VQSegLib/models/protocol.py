"""What the predictor needs to know of a model, and a model that is in no file."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class InMemoryModel:
    """A network with its description that is in no file: one in training, or one that learned from corrections.

    Attributes:
        network: As in :class:`SegmentationModel`, and so are the rest.
        network_config: Shape of input and output.
        preprocessing: How the input is prepared.
        labels: Label value of each class.
    """

    network: nn.Module
    network_config: NetworkConfig
    preprocessing: PreprocessingConfig
    labels: LabelTable
