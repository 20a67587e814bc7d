"""Tiny models for the predictor's tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from VQSegLib.labels import Label, LabelTable
from VQSegLib.models.config import ConvEncoderConfig, NetworkConfig, PreprocessingConfig, QuantizerConfig
from VQSegLib.models.network import build_network
from VQSegLib.volume import Volume


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


def _make_sure_in_air(network: nn.Module) -> None:
    """Let random weights answer background in air, or every window would be ambiguous; elsewhere mixed classes."""
    head = network.segmentation_decoder.head
    air = torch.full((1, 1, *[16] * (head.weight.ndim - 2)), -1.0)
    with torch.no_grad():
        head.bias.zero_()
        head.weight.mul_(8.0 / network(torch.rand_like(air)).abs().mean())
        head.bias.sub_(network(air).flatten(2).mean(2)[0])
        head.bias[0].add_(3.0)


@pytest.fixture(scope="session")
def make_vq_model() -> Callable[..., TinyModel]:
    """Return a builder of tiny VQ-Seg models with random weights: label values, dimensions, seed, preprocessing."""

    def build(*, values=(1, 2), dims: int = 3, quantizer: bool = True, seed: int = 0, **preprocessing) -> TinyModel:
        config = NetworkConfig(
            spatial_dims=dims,
            num_classes=len(values) + 1,
            encoder=ConvEncoderConfig(channels=(8, 8), strides=((1,) * dims, (2,) * dims)),
            quantizer=QuantizerConfig(codebook_size=16, code_dim=4) if quantizer else None,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_network(config).eval()
            _make_sure_in_air(network)
        return TinyModel(
            network=network,
            network_config=config,
            preprocessing=PreprocessingConfig(**{"window_low": -500.0, "window_high": 500.0} | preprocessing),
            labels=LabelTable(
                labels=tuple(Label(value=value, name=f"label {value}", color=(255, 0, 0)) for value in values)
            ),
        )

    return build


@pytest.fixture(scope="session")
def store_otherwise() -> Callable[[Volume, tuple[int, ...], tuple[bool, ...]], Volume]:
    """Return a function that permutes and reverses axes of a volume without moving any voxel in the patient."""

    def store(volume: Volume, order: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
        array = np.transpose(volume.array, order)
        shuffle = np.zeros((4, 4))
        shuffle[3, 3] = 1
        for axis, (source, flipped) in enumerate(zip(order, flips, strict=True)):
            shuffle[2 - source, 2 - axis] = -1 if flipped else 1
            if flipped:
                shuffle[2 - source, 3] = array.shape[axis] - 1
        array = array[tuple(slice(None, None, -1 if flipped else 1) for flipped in flips)]
        return Volume(np.ascontiguousarray(array), volume.affine_ijk_to_ras @ shuffle)

    return store
