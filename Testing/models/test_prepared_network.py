"""Networks prepared for answering."""

import pytest
import torch

from VQSegLib.models import folded_layers
from VQSegLib.models.backbone_config import UNetEncoderConfig, VNetEncoderConfig
from VQSegLib.models.coded_network import CodedNetwork
from VQSegLib.models.config import ConvEncoderConfig, Dinov2EncoderConfig, NetworkConfig, QuantizerConfig
from VQSegLib.models.network import build_network
from VQSegLib.models.prepared_network import prepare_network

SMALL_VIT = Dinov2EncoderConfig(
    hidden_size=24, num_layers=4, num_heads=2, patch_size=4, image_size=16, layers=(0, 1, 2, 3), dpt_features=8,
    dpt_channels=(8, 8, 8, 8),
)  # fmt: skip


def conv(dims: int, **fields) -> ConvEncoderConfig:
    return ConvEncoderConfig(channels=(8, 16, 24), strides=((1,) * dims, (2,) * dims, (2,) * dims), **fields)


NETWORKS = [
    (2, conv(2), {}),
    (3, conv(3), {}),
    (2, conv(2), {"in_channels": 3}),
    (3, conv(3, norm="group"), {}),
    (3, conv(3, skip=False), {}),
    (3, conv(3), {"quantizer": None}),
    (2, conv(2), {"quantizer": QuantizerConfig(kind="ema", codebook_size=8, code_dim=4)}),
    (2, ConvEncoderConfig(channels=(8, 8), strides=((2, 2), (2, 2))), {}),
    (2, SMALL_VIT, {}),
    (3, VNetEncoderConfig(channels=(8, 16), convolutions=(1, 2)), {}),
    (2, UNetEncoderConfig(channels=(8, 16), dropout=(0.1, 0.5)), {"quantizer": None}),
]


def build(dims, encoder, fields):
    torch.manual_seed(0)
    quantizer = QuantizerConfig(codebook_size=8, code_dim=4)
    config = NetworkConfig(spatial_dims=dims, num_classes=3, encoder=encoder, **{"quantizer": quantizer} | fields)
    network = build_network(config).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    for name, values in network.named_parameters():
        if "lambda1" in name:
            torch.nn.init.uniform_(values, 0.5, 1.5)
    return network, torch.randn(2, config.in_channels, *[16] * dims)


@pytest.mark.parametrize(("dims", "encoder", "fields"), NETWORKS)
@pytest.mark.parametrize("is_fusable", [True, False])
def test_answers_are_those_of_the_network(dims, encoder, fields, is_fusable, monkeypatch):
    network, image = build(dims, encoder, fields)
    if not is_fusable:
        monkeypatch.setattr(folded_layers, "_can_fuse", lambda *_: False)
    with torch.no_grad():
        torch.testing.assert_close(prepare_network(network, torch.float32)(image), network(image), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("dims", "encoder", "fields"), NETWORKS)
def test_parts_answer_for_codes_given_by_hand(dims, encoder, fields):
    network, image = build(dims, encoder, fields)
    prepared = prepare_network(network, torch.float32)
    assert isinstance(prepared, CodedNetwork)
    if network.quantizer is None:
        assert prepared.lookup is None
        return
    with torch.no_grad():
        features = network.encode(image)
        own = prepared.encode(image)
        shared = prepared.share(own)
        assert torch.equal(prepared.lookup.find(own[-1]), network.quantize(features).indices)
        for _ in range(2):
            indices = torch.randint(0, 8, (2, *features[-1].shape[2:]))
            expected = network.decode(features, network.quantizer.indices_to_features(indices), image.shape[2:])
            answer = prepared.decode(shared, prepared.lookup.look_up(indices), image.shape[2:])
            torch.testing.assert_close(answer, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("dims", "encoder", "fields"), NETWORKS)
def test_bfloat16_stays_close(dims, encoder, fields):
    network, image = build(dims, encoder, fields)
    # Rounding may change a code, which is no small difference; so without codes here.
    network.quantizer = None
    with torch.no_grad():
        answer, expected = prepare_network(network, torch.bfloat16)(image).float(), network(image)
    assert (answer - expected).abs().mean() < 0.02 * expected.abs().mean()


def test_the_network_itself_is_left_alone():
    network, image = build(2, conv(2), {})
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        prepare_network(network, torch.bfloat16)(image)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_other_modules_answer_as_they_are():
    module = torch.nn.Conv2d(1, 2, 3)
    image = torch.randn(1, 1, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(prepare_network(module, torch.float32)(image), module(image))
        assert prepare_network(module, torch.bfloat16)(image).dtype == torch.bfloat16
