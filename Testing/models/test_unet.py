"""UNet of the SSL4MIS family."""

from __future__ import annotations

import pytest
import torch

from VQSegLib.models.config import NetworkConfig
from VQSegLib.models.network import VQSegNet, build_decoder, build_network


def build(dims: int = 2, **encoder: object) -> VQSegNet:
    torch.manual_seed(0)
    values = {"spatial_dims": dims, "num_classes": 4, "encoder": {"kind": "unet", **encoder}, "quantizer": None}
    return build_network(NetworkConfig.model_validate(values))


@pytest.mark.parametrize("dims", [2, 3])
def test_maps_halve_and_the_decoder_brings_them_back(dims: int) -> None:
    network = build(dims, channels=(4, 6, 8), dropout=(0, 0.1, 0.2)).eval()
    x = torch.randn(1, 1, *(8 for _ in range(dims)))
    features = network.encode(x)
    assert [tuple(level.shape[1:3]) for level in features] == [(4, 8), (6, 4), (8, 2)]
    assert network(x).shape == (1, 4, *x.shape[2:])
    assert network.size_divisor == (4,) * dims
    for way in ("transposed", "linear", "nearest"):
        assert build_decoder(network.config, way)(features, x.shape[2:]).shape == (1, 4, *x.shape[2:])


def test_skips_are_joined() -> None:
    network = build(channels=(4, 6), dropout=(0, 0)).eval()
    up, x, finer = network.staged_decoder.ups[0], torch.randn(1, 6, 4, 4), torch.randn(1, 4, 8, 8)
    assert torch.allclose(up(x, finer), up.block(torch.cat([finer, up.up(x)], dim=1)))


def test_it_has_the_widths_and_dropout_of_the_family() -> None:
    network = build()
    rates = [part.p for part in network.encoder.modules() if isinstance(part, torch.nn.Dropout)]
    assert rates == [0.05, 0.1, 0.2, 0.3, 0.5]
    assert network.config.encoder.channels == (16, 32, 64, 128, 256)
    assert network.segmentation_decoder.head.weight.shape == (4, 16, 3, 3)


def test_a_wrong_number_of_stages_is_refused() -> None:
    with pytest.raises(ValueError, match="one number per stage"):
        build(channels=(4, 6), dropout=(0.1,))
