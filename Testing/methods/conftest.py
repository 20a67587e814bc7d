"""Tiny networks and batches on which methods take a step in milliseconds.

Group norm keeps the patches of a batch apart, so that a test can change one view and see what depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from VQSegLib.methods import AnyMethodConfig, Method, build_method
from VQSegLib.methods.base import Batch
from VQSegLib.models.config import NetworkConfig, PreprocessingConfig
from VQSegLib.models.network import build_network

NETWORK = NetworkConfig.model_validate(
    {
        "num_classes": 2,
        "encoder": {"kind": "conv", "channels": (8, 16), "strides": ((1, 1), (2, 2)), "norm": "group"},
        "quantizer": {"codebook_size": 16, "code_dim": 4},
    }
)


@pytest.fixture(scope="session")
def make_method() -> Callable[..., Method]:
    """Build a method around a seeded 2-D network of two classes."""

    def make(config: AnyMethodConfig, seed: int = 0, max_steps: int = 100, **network: Any) -> Method[Any]:
        torch.manual_seed(seed)
        adapted = config.adapt_network(NetworkConfig.model_validate({**NETWORK.model_dump(), **network}))
        return build_method(config, build_network(adapted), PreprocessingConfig(), max_steps)

    return make


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., Batch]:
    """Draw a seeded batch of 16 x 16 patches, the target being where the labeled image is bright."""

    def make(seed: int = 0, strong_views: int = 1, labeled: int = 4, unlabeled: int = 4) -> Batch:
        generator = torch.Generator().manual_seed(seed)

        def images(count: int) -> torch.Tensor:
            coarse = torch.randn((count, 1, 4, 4), generator=generator)
            return torch.nn.functional.interpolate(coarse, scale_factor=4.0, mode="bilinear")

        image, weak = images(labeled), images(unlabeled)
        noise = torch.randn((strong_views, *weak.shape), generator=generator)
        strong = image + 0.2 * torch.randn(image.shape, generator=generator)
        return Batch(image, (image[:, 0] > 0.3).long(), weak, weak + 0.2 * noise, strong)

    return make
