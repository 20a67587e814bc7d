"""Tiny stand-ins for what the benchmarks measure with."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from VQSegLib.labels import Label, LabelTable
from VQSegLib.models.config import (
    ConvEncoderConfig,
    Dinov2EncoderConfig,
    NetworkConfig,
    PreprocessingConfig,
    QuantizerConfig,
)
from VQSegLib.models.network import build_network
from VQSegLib.volume import Volume


@pytest.fixture
def small_scan() -> Volume:
    """Blobs of tissue in air, 16 x 24 x 20 voxels."""
    array = np.full((16, 24, 20), -900, np.int16)
    array[4:12, 6:18, 5:15] = np.random.default_rng(0).integers(-100, 400, (8, 12, 10))
    return Volume(array, np.diag([-2.0, -2.0, 3.0, 1.0]))


@pytest.fixture
def small_model(tiny_labels: LabelTable) -> SimpleNamespace:
    """3-D network with random weights and windows that overlap by half."""
    torch.manual_seed(0)
    config = NetworkConfig(
        spatial_dims=3,
        num_classes=3,
        encoder=ConvEncoderConfig(channels=(8, 8), strides=((1, 1, 1), (2, 2, 2))),
        quantizer=QuantizerConfig(codebook_size=16, code_dim=4),
    )
    preprocessing = PreprocessingConfig(patch_size=(8, 8, 8), overlap=0.5)
    network = build_network(config).eval()
    with torch.no_grad():  # no class wins everywhere
        network.segmentation_decoder.head.bias -= network(torch.randn(4, 1, 8, 8, 8)).mean((0, 2, 3, 4))
    return SimpleNamespace(network=network, network_config=config, preprocessing=preprocessing, labels=tiny_labels)


@pytest.fixture
def small_released_model() -> SimpleNamespace:
    """The released architecture in miniature."""
    torch.manual_seed(0)
    encoder = Dinov2EncoderConfig(
        hidden_size=24, num_layers=4, num_heads=2, image_size=224, layers=(0, 1, 2, 3), dpt_features=8,
        dpt_channels=(8, 8, 8, 8),
    )  # fmt: skip
    quantizer = QuantizerConfig(kind="simvq", codebook_size=32, code_dim=24)
    config = NetworkConfig(in_channels=3, num_classes=4, encoder=encoder, quantizer=quantizer)
    preprocessing = PreprocessingConfig(mean=(0.5,) * 3, std=(0.5,) * 3)
    labels = LabelTable(labels=tuple(Label(value=n, name=str(n), color=(255, 0, 0)) for n in (1, 2, 3)))
    return SimpleNamespace(
        network=build_network(config), network_config=config, preprocessing=preprocessing, labels=labels
    )


@pytest.fixture
def in_this_process() -> Callable[[Callable[[Any], Any], Any], Any]:
    """Stand-in for running in a process of its own."""
    return lambda function, given: function(given)
