"""The assembled network: who sees what, sizes, and configurations that are refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from VQSegLib.models.config import NetworkConfig
from VQSegLib.models.network import VQSegNet, build_network, compute_size_divisor

CONV = {"kind": "conv", "channels": (8, 16), "strides": ((1, 1), (2, 2))}
CONV_3D = {"kind": "conv", "channels": (8, 16), "strides": ((1, 1, 1), (2, 2, 2))}
DINOV2 = {
    "kind": "dinov2",
    "hidden_size": 24,
    "num_layers": 4,
    "num_heads": 2,
    "image_size": 56,
    "layers": (0, 1, 2, 3),
    "dpt_features": 8,
    "dpt_channels": (4, 6, 8, 10),
}
QUANTIZER = {"codebook_size": 16, "code_dim": 4}


def build(**changes: Any) -> VQSegNet:
    torch.manual_seed(0)
    values = {"num_classes": 3, "encoder": CONV, "quantizer": QUANTIZER, "image_decoder": True, **changes}
    return build_network(NetworkConfig.model_validate(values)).eval()


def image(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


CASES = {
    "2-D": ({}, (8, 12)),
    "3-D": ({"spatial_dims": 3, "encoder": CONV_3D}, (4, 6, 8)),
    "dinov2": ({"encoder": DINOV2, "in_channels": 1}, (28, 42)),
}


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> tuple[VQSegNet, torch.Tensor]:
    changes, size = CASES[request.param]
    return build(**changes), image(2, 1, *size)


@torch.no_grad()
def test_logits_and_image_have_the_size_of_the_input(case: tuple[VQSegNet, torch.Tensor]) -> None:
    network, x = case
    assert network(x).shape == (2, 3, *x.shape[2:])
    result = network.quantize(network.encode(x))
    assert result is not None
    assert network.reconstruct(result.quantized, x.shape[2:]).shape == x.shape
    assert all(side % part == 0 for side, part in zip(x.shape[2:], network.size_divisor, strict=True))


@torch.no_grad()
def test_the_image_decoder_sees_the_input_only_through_the_codes(case: tuple[VQSegNet, torch.Tensor]) -> None:
    """With zeros for codes the reconstruction does not depend on the input; the segmentation's skips do."""
    network, x = case
    other = image(*x.shape, seed=1)
    outputs = []
    for seen in (x, other):
        features = network.encode(seen)
        quantized = network.quantize(features)
        assert quantized is not None
        zeros = torch.zeros_like(quantized.quantized)
        outputs.append((network.reconstruct(zeros, x.shape[2:]), network.decode(features, zeros, x.shape[2:])))
    assert torch.equal(outputs[0][0], outputs[1][0])
    assert not torch.allclose(outputs[0][1], outputs[1][1])


def test_the_image_decoders_gradient_reaches_the_quantized_map_alone(case: tuple[VQSegNet, torch.Tensor]) -> None:
    network, x = case
    features = [feature.detach().requires_grad_() for feature in network.encode(x)]
    quantized = network.quantize(features)
    assert quantized is not None
    network.reconstruct(quantized.quantized, x.shape[2:]).square().mean().backward()
    assert all(feature.grad is None for feature in features[:-1])
    assert bool((features[-1].grad != 0).any())


@torch.no_grad()
def test_the_codes_reach_the_segmentation(case: tuple[VQSegNet, torch.Tensor]) -> None:
    network, x = case
    features = network.encode(x)
    quantized = network.quantize(features)
    assert quantized is not None
    assert network.quantizer is not None
    other = network.quantizer.indices_to_features((quantized.indices + 1) % 16)
    size = x.shape[2:]
    assert not torch.allclose(
        network.decode(features, quantized.quantized, size), network.decode(features, other, size)
    )


@torch.no_grad()
def test_without_skips_the_codes_are_all_the_segmentation_sees() -> None:
    network = build(encoder={**CONV, "skip": False})
    x, other = image(1, 1, 8, 8), image(1, 1, 8, 8, seed=1)
    zeros = torch.zeros(1, 16, 4, 4)
    assert torch.equal(
        network.decode(network.encode(x), zeros, (8, 8)), network.decode(network.encode(other), zeros, (8, 8))
    )


@torch.no_grad()
def test_without_quantizer_the_features_pass_unchanged() -> None:
    network = build(quantizer=None, image_decoder=False)
    x = image(1, 1, 8, 8)
    features = network.encode(x)
    assert network.quantize(features) is None
    assert torch.equal(network(x), network.decode(features, features[-1], (8, 8)))


def test_a_network_without_image_decoder_cannot_reconstruct() -> None:
    with pytest.raises(RuntimeError, match="without an image decoder"):
        build(image_decoder=False).reconstruct(torch.zeros(1, 16, 4, 4), (8, 8))


def test_memory_layout_changes_no_value() -> None:
    network = build(spatial_dims=3, encoder=CONV_3D)
    x = image(1, 1, 4, 6, 8)
    with torch.no_grad():
        expected = network(x)
        assert torch.allclose(network(x.contiguous(memory_format=torch.channels_last_3d)), expected, atol=1e-6)


@pytest.fixture
def two_threads() -> Iterator[None]:
    """With one, torch computes 1x1x1 convolutions in another way, which knows one layout only."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_all_maps_of_a_volume_have_one_layout(layout: torch.memory_format) -> None:
    """A map laid out otherwise is copied by every layer that meets it: a tenth of a training step."""
    network = build(spatial_dims=3, encoder=CONV_3D)
    convolved: list[torch.Tensor] = []
    for module in network.encoder.modules():
        if isinstance(module, torch.nn.Conv3d):
            module.register_forward_hook(lambda *given: convolved.append(given[2]))
    network(image(2, 1, 4, 6, 8).contiguous(memory_format=layout))
    assert len(convolved) == 2 * 3
    assert all(one.is_contiguous(memory_format=torch.channels_last_3d) for one in convolved)


def test_the_same_seed_builds_the_same_network() -> None:
    first, second = build().state_dict(), build().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("channels", [(8, 16), (16, 32)])
def test_narrow_networks_learn_on_several_threads(channels: tuple[int, int]) -> None:
    code = (
        "import sys, torch\n"
        "from VQSegLib.models.config import NetworkConfig\n"
        "from VQSegLib.models.network import build_network\n"
        "torch.set_num_threads(2)\n"
        "network = build_network(NetworkConfig.model_validate_json(sys.argv[1])).train()\n"
        "for _ in range(60): network(torch.randn(3, 1, 32, 32)).square().mean().backward()"
    )
    config = NetworkConfig.model_validate(
        {"num_classes": 3, "quantizer": QUANTIZER, "encoder": {**CONV, "channels": channels}}
    )
    root = Path(__file__).resolve().parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code, config.model_dump_json()], cwd=root, capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr.decode()[-500:]


def test_default_encoders_fit_both_dimensions() -> None:
    assert compute_size_divisor(NetworkConfig(num_classes=2)) == (8, 8)
    assert compute_size_divisor(NetworkConfig(num_classes=2, spatial_dims=3)) == (8, 8, 8)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"spatial_dims": 3}, "strides need one tuple of 3 numbers"),
        ({"encoder": {**CONV, "strides": ((1, 1),)}}, "strides need one tuple of 2 numbers per entry of channels"),
        ({"encoder": {**CONV, "channels": (8, 12), "norm": "group"}}, r"multiples of 8 .*given \(8, 12\)"),
        ({"encoder": {**CONV, "channels": (8, 0)}}, r"must be positive.*given \(8, 0\)"),
        ({"encoder": {**CONV, "channels": ()}}, "at least 1 item"),
        ({"encoder": DINOV2, "spatial_dims": 3}, "'dinov2' is 2-D"),
        ({"num_classes": 1}, "num_classes"),
        ({"quantizer": {"kind": "fsq"}}, "'simvq' or 'ema'"),
    ],
)
def test_impossible_networks_are_refused(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        build(**wrong)
