"""What all decoders share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from VQSegLib.errors import ConfigError
from VQSegLib.inference.predictor import Predictor
from VQSegLib.labels import LabelTable
from VQSegLib.models.card import ModelCard
from VQSegLib.models.checkpoint import load_checkpoint, save_checkpoint
from VQSegLib.models.config import NetworkConfig, PreprocessingConfig
from VQSegLib.models.decoder import build_enlargement
from VQSegLib.models.network import build_decoder, build_network

KINDS: dict[str, dict[str, Any]] = {
    "vnet": {"channels": (8, 16), "convolutions": (1, 1)},
    "unet": {"channels": (8, 16), "dropout": (0.1, 0.2)},
    "conv": {"channels": (8, 16)},
}


def config(kind: str, dims: int, **changes: Any) -> NetworkConfig:
    encoder = {"kind": kind, **KINDS[kind], **({"strides": ((1,) * dims, (2,) * dims)} if kind == "conv" else {})}
    values = {"spatial_dims": dims, "num_classes": 3, "encoder": encoder, **changes}
    return NetworkConfig.model_validate(values)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_head_sees_the_last_map(kind: str) -> None:
    torch.manual_seed(0)
    network = build_network(config(kind, 2, quantizer=None)).eval()
    features = network.encode(torch.randn(1, 1, 8, 8))
    decoder = network.staged_decoder
    finest = decoder.maps(features)[-1]
    assert finest.shape[1] == decoder.map_channels[-1]
    assert torch.equal(decoder.classify(finest, (8, 8)), decoder(features, (8, 8)))


@pytest.mark.parametrize("way", ["linear", "nearest"])
@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("skip", [True, False])
def test_other_ways_of_enlarging_have_no_transposed_convolution(kind: str, way: Any, skip: bool) -> None:
    network = config(kind, 2)
    network = network.model_copy(update={"encoder": network.encoder.model_copy(update={"skip": skip})})
    decoder = build_decoder(network, way)
    assert not any(isinstance(part, torch.nn.ConvTranspose2d) for part in decoder.modules())
    features = build_network(network).encode(torch.randn(1, 1, 8, 8))
    assert decoder(features, (8, 8)).shape == (1, 3, 8, 8)


def test_linear_interpolation_aligns_corners() -> None:
    layers = build_enlargement(2, 1, 1, (2, 2), "linear", 1)
    with torch.no_grad():
        layers[1].weight.fill_(1)
        layers[1].bias.zero_()
    assert torch.allclose(layers(torch.tensor([[[[0.0, 3.0]]]]))[0, 0, 0], torch.tensor([0.0, 1, 2, 3]))


@pytest.mark.parametrize("kind", ["vnet", "unet"])
@pytest.mark.parametrize("dims", [2, 3])
def test_a_model_file_keeps_the_network_and_the_predictor_runs_it(
    kind: str, dims: int, tmp_path: Path, tiny_labels: LabelTable, make_scan_volume: Any
) -> None:
    """With quantizer and image decoder, as VQ-Seg trains it."""
    torch.manual_seed(0)
    shape = config(kind, dims, quantizer={"codebook_size": 8, "code_dim": 4}, image_decoder=True)
    network = build_network(shape).eval()
    card = ModelCard(
        name=kind,
        network=shape,
        preprocessing=PreprocessingConfig(patch_size=(16, 16, 16)[:dims]),
        labels=tiny_labels,
    )
    save_checkpoint(tmp_path / "model.safetensors", network, card)
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    x = torch.randn(1, 1, *(16 for _ in range(dims)))
    assert torch.equal(loaded.network(x), network(x))
    quantized = network.quantize(network.encode(x))
    assert quantized is not None
    assert network.reconstruct(quantized.quantized, x.shape[2:]).shape == x.shape
    volume = make_scan_volume()
    assert Predictor(loaded, device="cpu").predict(volume).label_map.has_geometry_of(volume)


def test_a_vision_transformer_has_no_decoder_of_stages() -> None:
    dinov2 = {"kind": "dinov2", "hidden_size": 24, "num_layers": 4, "num_heads": 2, "image_size": 56}
    dinov2 |= {"layers": (0, 1, 2, 3), "dpt_features": 8, "dpt_channels": (4, 6, 8, 10)}
    network = NetworkConfig.model_validate({"num_classes": 2, "encoder": dinov2})
    with pytest.raises(ConfigError, match="conv, unet, vnet"):
        build_decoder(network, "linear")
    with pytest.raises(ConfigError, match="dinov2"):
        _ = build_network(network).staged_decoder


@pytest.fixture
def make_scan_volume() -> Any:
    import numpy as np

    from VQSegLib.volume import Volume

    return lambda: Volume(
        np.random.default_rng(0).integers(-1000, 1000, (18, 20, 24), dtype=np.int16), np.diag([-1.0, -1, 1, 1])
    )
