"""Tiny models for the predictor's tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from torch import nn

from VQSegLib.labels import Label, LabelTable
from VQSegLib.models.config import ConvEncoderConfig, NetworkConfig, PreprocessingConfig


@dataclass(frozen=True)
class TinyModel:
    network: nn.Module
    network_config: NetworkConfig
    preprocessing: PreprocessingConfig
    labels: LabelTable


@pytest.fixture(scope="session")
def make_model() -> Callable[..., TinyModel]:
    """Return a builder of models: network, label values, spatial dimensions, input channels, preprocessing fields."""

    def build(network: nn.Module, *, values=(1,), dims: int = 3, channels: int = 1, **preprocessing) -> TinyModel:
        encoder = ConvEncoderConfig(channels=(8,), strides=((1,) * dims,))
        return TinyModel(
            network=network,
            network_config=NetworkConfig(
                spatial_dims=dims, in_channels=channels, num_classes=len(values) + 1, encoder=encoder
            ),
            preprocessing=PreprocessingConfig(**preprocessing),
            labels=LabelTable(
                labels=tuple(Label(value=value, name=f"label {value}", color=(255, 0, 0)) for value in values)
            ),
        )

    return build
