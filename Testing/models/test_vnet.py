"""V-Net of UA-MT."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from VQSegLib.models.config import NetworkConfig
from VQSegLib.models.network import VQSegNet, build_decoder, build_network


def build(dims: int = 3, **encoder: object) -> VQSegNet:
    torch.manual_seed(0)
    values = {"spatial_dims": dims, "num_classes": 2, "encoder": {"kind": "vnet", **encoder}, "quantizer": None}
    return build_network(NetworkConfig.model_validate(values))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_it_has_the_published_number_of_parameters() -> None:
    network = build()
    assert count(network.encoder) == 7_376_896
    assert count(network.segmentation_decoder) == 2_071_970
    further = sum(count(build_decoder(network.config, way)) for way in ("linear", "nearest"))
    assert (count(network) + further) / 1e6 == pytest.approx(15.25, abs=0.01), "MC-Net+"


@pytest.mark.parametrize("dims", [2, 3])
def test_maps_halve_and_the_decoder_brings_them_back(dims: int) -> None:
    network = build(dims, channels=(4, 6, 8), convolutions=(1, 2, 2)).eval()
    x = torch.randn(1, 1, *(8 for _ in range(dims)))
    features = network.encode(x)
    assert [tuple(level.shape[1:3]) for level in features] == [(4, 8), (6, 4), (8, 2)]
    assert network(x).shape == (1, 2, *x.shape[2:])
    assert network.size_divisor == (4,) * dims
    assert [level.shape[1] for level in network.staged_decoder.maps(features)] == [6, 4]


def test_skips_are_added() -> None:
    """Only the sum of the enlarged map and the encoder's matters, so moving a part from one to the other does not."""
    network = build(2, channels=(4, 6), convolutions=(1, 1)).eval()
    up, finer = network.staged_decoder.ups[0], torch.randn(1, 4, 8, 8)
    x = torch.randn(1, 6, 4, 4)
    assert torch.allclose(up(x, finer), up.block(up.up(x) + finer))


def test_dropout_acts_in_training_only_and_on_whole_channels() -> None:
    network = build(2, channels=(4, 64), convolutions=(1, 1), dropout=0.5)
    x = torch.randn(1, 1, 8, 8)
    coarsest = network.train().encode(x)[-1]
    silent = (coarsest == 0).flatten(2).all(2).float().mean()
    assert 0.25 < float(silent) < 0.75
    network.eval()
    assert torch.equal(network(x), network(x))


def test_a_wrong_number_of_stages_is_refused() -> None:
    with pytest.raises(ValueError, match="one number per stage"):
        build(channels=(4, 6), convolutions=(1, 2, 3))
