"""Decoding many quantized maps beside the same finer maps."""

import pytest
import torch

from VQSegLib.models.config import ConvEncoderConfig, Dinov2EncoderConfig, NetworkConfig, QuantizerConfig
from VQSegLib.models.network import build_network
from VQSegLib.models.repeated_decoding import RepeatedDecoder

SMALL_VIT = Dinov2EncoderConfig(
    hidden_size=24, num_layers=4, num_heads=2, patch_size=4, image_size=16, layers=(0, 1, 2, 3), dpt_features=8,
    dpt_channels=(8, 8, 8, 8),
)  # fmt: skip


def conv(dims: int, **fields) -> ConvEncoderConfig:
    return ConvEncoderConfig(channels=(8, 16, 24), strides=((1,) * dims, (2,) * dims, (2,) * dims), **fields)


@pytest.mark.parametrize(
    ("dims", "encoder"),
    [
        (2, conv(2)),
        (3, conv(3)),
        (3, conv(3, norm="group")),
        (3, conv(3, skip=False)),
        (2, SMALL_VIT),
    ],
)
def test_decodes_are_those_of_the_network(dims, encoder):
    torch.manual_seed(0)
    quantizer = QuantizerConfig(codebook_size=8, code_dim=4)
    network = build_network(
        NetworkConfig(spatial_dims=dims, num_classes=3, encoder=encoder, quantizer=quantizer)
    ).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.01, 0.1)
    image = torch.randn(2, 1, *[16] * dims)
    with torch.no_grad():
        features = network.encode(image)
        decoder = RepeatedDecoder(network)
        shared = decoder.share(features)
        for _ in range(2):
            quantized = torch.randn_like(features[-1])
            expected = network.decode(features, quantized, image.shape[2:])
            torch.testing.assert_close(
                decoder.decode(shared, quantized, image.shape[2:]), expected, rtol=1e-4, atol=1e-4
            )
