"""Convolutional encoder and decoder."""

from __future__ import annotations

import pytest
import torch

from VQSegLib.models.config import ConvEncoderConfig
from VQSegLib.models.conv import ConvDecoder, ConvEncoder


def image(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("strides", "size", "maps"),
    [
        (((1, 1), (2, 2), (2, 2)), (8, 12), [(8, 12), (4, 6), (2, 3)]),
        (((1, 1, 1), (1, 2, 2), (2, 2, 2)), (6, 8, 12), [(6, 8, 12), (6, 4, 6), (3, 2, 3)]),
    ],
)
def test_maps_shrink_by_the_strides_and_the_decoder_brings_them_back(
    strides: tuple[tuple[int, ...], ...], size: tuple[int, ...], maps: list[tuple[int, ...]]
) -> None:
    config = ConvEncoderConfig(channels=(8, 16, 24), strides=strides)
    encoder = ConvEncoder(len(size), 2, config)
    features = encoder(image(1, 2, *size))
    assert [tuple(feature.shape[1:]) for feature in features] == [
        (width, *shape) for width, shape in zip(config.channels, maps, strict=True)
    ]
    assert encoder.size_divisor == tuple(a // b for a, b in zip(size, maps[-1], strict=True))
    for skip in (True, False):
        assert ConvDecoder(len(size), 5, config, skip=skip)(features, size).shape == (1, 5, *size)


def test_a_first_stage_that_shrinks_is_made_up_for() -> None:
    config = ConvEncoderConfig(channels=(8, 16), strides=((2, 2), (2, 2)))
    features = ConvEncoder(2, 1, config)(image(1, 1, 16, 8))
    assert features[0].shape == (1, 8, 8, 4)
    assert ConvDecoder(2, 3, config, skip=True)(features, (16, 8)).shape == (1, 3, 16, 8)


def test_only_a_decoder_with_skips_sees_the_finer_maps() -> None:
    config = ConvEncoderConfig(channels=(8, 16), strides=((1, 1), (2, 2)))
    features = ConvEncoder(2, 1, config)(image(1, 1, 8, 8))
    other = [torch.zeros_like(features[0]), features[1]]
    with_skip, without = (ConvDecoder(2, 3, config, skip=skip) for skip in (True, False))
    assert not torch.allclose(with_skip(features, (8, 8)), with_skip(other, (8, 8)))
    assert torch.equal(without(features, (8, 8)), without(other, (8, 8)))
