"""DINOv2 encoder: maps, positions, pre-trained weights and refusals."""

from __future__ import annotations

import builtins
import copy
import json
from pathlib import Path

import pytest
import torch
from transformers import Dinov2Backbone, Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from VQSegLib.errors import ConfigError
from VQSegLib.models.config import Dinov2EncoderConfig
from VQSegLib.models.dinov2 import Dinov2Encoder, interpolate_positions, stable_name

TINY = Dinov2EncoderConfig(
    hidden_size=24, num_layers=5, num_heads=2, image_size=70, layers=(0, 1, 3, 4), dpt_features=8
)
THEIRS = Dinov2Config(
    hidden_size=24, num_hidden_layers=5, num_attention_heads=2, image_size=70, patch_size=14, layer_norm_eps=1e-6
)


def with_weights(folder: Path) -> Dinov2EncoderConfig:
    return TINY.model_copy(update={"weights": str(folder)})


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "mit Leerzeichen ü"
    torch.manual_seed(1)
    Dinov2Model(THEIRS).save_pretrained(folder)
    return folder


def test_maps_equal_those_of_transformers_at_the_size_of_training(weights: Path) -> None:
    """At its own size no position is interpolated, so transformers' backbone is an independent reference."""
    encoder = Dinov2Encoder(with_weights(weights), 3).eval()
    stages = [f"stage{layer + 1}" for layer in TINY.layers]
    reference = Dinov2Backbone.from_pretrained(weights, out_features=stages).eval()
    x = torch.randn(2, 3, 70, 70)
    with torch.no_grad():
        ours, theirs = encoder(x), reference(x).feature_maps
    assert len(ours) == 4
    for our_map, their_map in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our_map, their_map, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(14, 14), (28, 56), (70, 70), (98, 42)])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_any_size_and_number_of_channels(size: tuple[int, int], channels: int) -> None:
    encoder = Dinov2Encoder(TINY, channels)
    features = encoder(torch.randn(1, channels, *size))
    assert {tuple(feature.shape) for feature in features} == {(1, 24, size[0] // 14, size[1] // 14)}
    assert encoder.size_divisor == (14, 14)


def test_rows_and_columns_are_not_swapped() -> None:
    """A change in one patch moves that place of the first map most."""
    torch.manual_seed(0)
    encoder = Dinov2Encoder(TINY, 1).eval()
    x = torch.zeros(1, 1, 42, 70)
    changed = x.clone()
    changed[..., 28:42, 14:28] = 5
    with torch.no_grad():
        difference = (encoder(changed)[0] - encoder(x)[0]).norm(dim=1)[0]
    assert divmod(int(difference.argmax()), 5) == (2, 1)


def test_positions_are_sampled_at_the_places_of_the_released_code() -> None:
    """A linear ramp over rows shows the sampled places: patch r reads row (r + 0.5) * side / (n + 0.1) - 0.5."""
    side, rows = 37, 16
    ramp = torch.arange(side, dtype=torch.float32).repeat_interleave(side)
    positions = torch.cat([torch.tensor([99.0]), ramp]).reshape(1, -1, 1)
    resampled = interpolate_positions(positions, rows, side)
    assert resampled[0, 0] == 99
    sampled = resampled[0, 1:, 0].reshape(rows, side)[2:-2, 0]
    expected = (torch.arange(rows)[2:-2] + 0.5) * side / (rows + 0.1) - 0.5
    # Bicubic interpolation misses a ramp by 0.05; transformers' rule misses it by 0.2.
    torch.testing.assert_close(sampled, expected, atol=0.06, rtol=0)
    assert torch.equal(interpolate_positions(positions, side, side), positions)


def test_stored_names_do_not_follow_transformers(weights: Path) -> None:
    encoder = Dinov2Encoder(with_weights(weights), 3)
    names = encoder.state_dict().keys()
    block = "backbone.encoder.layer.4.attention"
    assert {f"{block}.{part}.weight" for part in ("query", "key", "value", "output")} <= names
    for theirs in ("attention.attention.query", "attention.q_proj"):
        assert stable_name(f"layer.0.{theirs}.bias") == "layer.0.attention.query.bias"
    for theirs in ("attention.output.dense", "attention.o_proj"):
        assert stable_name(f"layer.0.{theirs}.bias") == "layer.0.attention.output.bias"


def test_state_of_a_copy_loads_back_strictly() -> None:
    encoder, other = Dinov2Encoder(TINY, 1).eval(), Dinov2Encoder(TINY, 1)
    twin = copy.deepcopy(other).eval()
    torch.nn.Sequential(twin).load_state_dict(torch.nn.Sequential(encoder).state_dict())
    x = torch.randn(1, 1, 28, 28)
    with torch.no_grad():
        assert torch.equal(encoder(x)[-1], twin(x)[-1])
        assert not torch.equal(encoder(x)[-1], other.eval()(x)[-1])


def test_gradient_reaches_every_parameter() -> None:
    encoder = Dinov2Encoder(TINY, 1)
    torch.stack([feature.square().mean() for feature in encoder(torch.randn(1, 1, 28, 28))]).sum().backward()
    assert [name for name, parameter in encoder.named_parameters() if parameter.grad is None] == []


def test_missing_folder_or_weights_are_refused(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(ConfigError, match="No DINOv2 weights can be loaded"):
        Dinov2Encoder(with_weights(tmp_path / "none"), 3)
    (weights / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="No DINOv2 weights can be loaded"):
        Dinov2Encoder(with_weights(weights), 3)


def test_pickled_weights_are_refused(weights: Path) -> None:
    (weights / "model.safetensors").unlink()
    torch.save(Dinov2Model(THEIRS).state_dict(), weights / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"model\.safetensors"):
        Dinov2Encoder(with_weights(weights), 3)


def test_damaged_weights_are_refused(weights: Path) -> None:
    file = weights / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ConfigError, match="No DINOv2 weights can be loaded"):
        Dinov2Encoder(with_weights(weights), 3)


def test_incomplete_weights_are_refused_rather_than_filled_at_random(weights: Path) -> None:
    model = Dinov2Model(THEIRS)
    state = {name: tensor for name, tensor in model.state_dict().items() if "layer.3.norm1" not in name}
    model.save_pretrained(weights, state_dict=state)
    with pytest.raises(ConfigError, match=r"lack 2 tensors, first 'encoder\.layer\.3\.norm1\.bias'"):
        Dinov2Encoder(with_weights(weights), 3)


def test_weights_of_another_size_or_type_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="have num_channels 3, but the network needs 1"):
        Dinov2Encoder(with_weights(weights), 1)
    with pytest.raises(ConfigError, match="have num_hidden_layers 5, but the network needs 6"):
        Dinov2Encoder(with_weights(weights).model_copy(update={"num_layers": 6}), 3)
    vit = ViTModel(ViTConfig(hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8))
    vit.save_pretrained(tmp_path / "vit")
    with pytest.raises(ConfigError, match="have model_type vit, but the network needs dinov2"):
        Dinov2Encoder(with_weights(tmp_path / "vit"), 3)


def test_configuration_that_is_no_json_is_refused(weights: Path) -> None:
    (weights / "config.json").write_text(json.dumps({})[:-1])
    with pytest.raises(ConfigError, match="No DINOv2 weights can be loaded"):
        Dinov2Encoder(with_weights(weights), 3)


def test_missing_transformers_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def no_transformers(name: str, *args: object, **kwargs: object) -> object:
        if name == "transformers":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", no_transformers)
    with pytest.raises(ConfigError, match=r"vqseg\[teacher\]"):
        Dinov2Encoder(TINY, 1)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"layers": (0, 1, 3, 5)}, "layers must ascend within 0..4"),
        ({"layers": (1, 0, 3, 4)}, "layers must ascend"),
        ({"num_heads": 5}, "multiple of num_heads"),
        ({"image_size": 71}, "multiple of patch_size"),
    ],
)
def test_impossible_sizes_are_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Dinov2EncoderConfig.model_validate(TINY.model_dump() | changes)
