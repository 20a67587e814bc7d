"""Teachers in general, and DINOv2: tiny random weights stand in for the real ones, read by the real loading code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from VQSegLib.errors import ConfigError, ModelFileError
from VQSegLib.models.config import PreprocessingConfig
from VQSegLib.models.feature_adapter import FeatureAdapter, alignment_loss
from VQSegLib.models.foundation import build_teacher, check_disjoint
from VQSegLib.models.foundation_dinov2 import Dinov2Teacher
from VQSegLib.models.foundation_frozen import FrozenTeacher

transformers = pytest.importorskip("transformers", reason="the extra 'teacher' is not installed")

WINDOW = PreprocessingConfig(window_low=-200.0, window_high=300.0, mean=(0.4,), std=(0.3,))
RGB = PreprocessingConfig(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
    "mlp_ratio": 2,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("Gewichte für VQSeg") / "dinov2-tiny"
    transformers.Dinov2Model(transformers.Dinov2Config(**TINY)).save_pretrained(path)
    return path


@pytest.fixture
def teacher(folder: Path) -> Dinov2Teacher:
    return Dinov2Teacher(str(folder), WINDOW)


def _copy(folder: Path, target: Path, *, drop: str = "") -> Path:
    """Copy a saved model without the weights whose name starts with ``drop``."""
    target.mkdir()
    (target / "config.json").write_bytes((folder / "config.json").read_bytes())
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not drop or not name.startswith(drop)}
    save_file(kept, target / "model.safetensors", metadata={"format": "pt"})
    return target


class _Probe(FrozenTeacher):
    """Returns what a teacher's network would be shown."""

    def __init__(self, preprocessing: PreprocessingConfig, context: int = 0, num_slices: int = 8) -> None:
        super().__init__(nn.Conv2d(1, 1, 1), "probe", 2 * context + 1, preprocessing, num_slices)
        self.context = context  # type: ignore[misc]

    def _encode(self, slabs: Tensor) -> Tensor:
        return slabs.flatten(0, 1)


def test_features_of_slices_and_volumes_lie_on_the_grid_of_tokens(teacher: Dinov2Teacher) -> None:
    assert teacher.features(torch.randn(2, 1, 40, 56)).features.shape == (2, 32, 16, 16)
    assert teacher.features(torch.randn(2, 5, 40, 40)).features.shape == (2, 32, 16, 16)
    volume = teacher.features(torch.randn(2, 1, 20, 32, 32))
    assert volume.features.shape == (2, 32, 8, 16, 16)
    assert volume.slice_indices == (1, 3, 6, 8, 11, 13, 16, 18)
    assert teacher.teacher_dim == 32


def test_tokens_are_those_of_the_network_without_the_class_token(teacher: Dinov2Teacher, folder: Path) -> None:
    # 224 pixels, every value between the percentiles: only ImageNet's mean and std are left to apply
    image = torch.linspace(0, 1, 224 * 224)[torch.randperm(224 * 224, generator=torch.Generator().manual_seed(1))]
    image = image.view(1, 1, 224, 224)
    low, high = torch.quantile(image, torch.tensor([0.005, 0.995]))
    scaled = ((image - low) / (high - low)).clamp(0, 1).repeat(1, 3, 1, 1)
    mean, std = torch.tensor(RGB.mean).view(1, 3, 1, 1), torch.tensor(RGB.std).view(1, 3, 1, 1)
    with torch.no_grad():
        model = transformers.Dinov2Model.from_pretrained(folder).eval()
        tokens = model((scaled - mean) / std).last_hidden_state
    expected = tokens[0, 1:].T.reshape(32, 16, 16)
    network_input = (image - WINDOW.mean[0]) / WINDOW.std[0]
    torch.testing.assert_close(teacher.features(network_input).features[0], expected, atol=1e-4, rtol=1e-4)


def test_slice_of_a_volume_is_seen_as_it_is_seen_alone(teacher: Dinov2Teacher) -> None:
    alone = torch.randn(1, 1, 32, 32)
    volume = alone[:, :, None].repeat(1, 1, 4, 1, 1)
    seen = teacher.features(volume).features
    torch.testing.assert_close(seen[:, :, 2], teacher.features(alone).features, atol=1e-5, rtol=1e-4)


def test_registers_are_dropped_too(tmp_path: Path) -> None:
    config = transformers.Dinov2WithRegistersConfig(**TINY, num_register_tokens=4)
    transformers.Dinov2WithRegistersModel(config).save_pretrained(tmp_path / "registers")
    teacher = Dinov2Teacher(str(tmp_path / "registers"), WINDOW)
    assert teacher.features(torch.randn(1, 1, 32, 32)).features.shape == (1, 32, 16, 16)


def test_empty_slice_gives_finite_features(teacher: Dinov2Teacher) -> None:
    assert torch.isfinite(teacher.features(torch.full((1, 1, 32, 32), -3.0)).features).all()


def test_network_input_is_taken_back_to_the_intensity_window() -> None:
    windowed = torch.rand(2, 1, 6, 6)
    seen = _Probe(WINDOW).features((windowed - 0.4) / 0.3).features
    torch.testing.assert_close(seen, windowed)
    assert _Probe(WINDOW).features(torch.full((1, 1, 2, 2), 9.0)).features.max() == 1.0
    copies = (windowed - torch.tensor(RGB.mean).view(1, 3, 1, 1)) / torch.tensor(RGB.std).view(1, 3, 1, 1)
    torch.testing.assert_close(_Probe(RGB).features(copies).features, windowed)


def test_middle_of_neighbouring_slices_is_looked_at_with_its_neighbours() -> None:
    slices = torch.arange(5.0).div(10).view(1, 5, 1, 1).repeat(1, 1, 2, 2)
    as_input = (slices - 0.4) / 0.3
    assert _Probe(WINDOW).features(as_input).features[0, :, 0, 0].tolist() == pytest.approx([0.2])
    with_context = _Probe(WINDOW, context=2).features(as_input).features[0, :, 0, 0]
    assert with_context.tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    beyond = _Probe(WINDOW, context=3).features(as_input[:, :3]).features[0, :, 0, 0]
    assert beyond.tolist() == pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2, 0.2, 0.2])


@pytest.mark.parametrize(
    ("depth", "count", "expected"), [(1, 8, (0,)), (3, 8, (0, 1, 2)), (16, 4, (2, 6, 10, 14)), (10, 1, (5,))]
)
def test_slices_of_a_patch_are_spread_evenly_and_keep_their_order(
    depth: int, count: int, expected: tuple[int, ...]
) -> None:
    patch = torch.arange(float(depth)).div(20).view(1, 1, depth, 1, 1).repeat(2, 1, 1, 2, 2)
    seen = _Probe(WINDOW, num_slices=count).features((patch - 0.4) / 0.3)
    assert seen.slice_indices == expected
    assert seen.features[1, 0, :, 0, 0].tolist() == pytest.approx([k / 20 for k in expected], abs=1e-6)


@pytest.mark.parametrize("shape", [(2, 2, 4, 8, 8), (8, 8), (1, 1, 1, 1, 8, 8)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="takes images"):
        _Probe(WINDOW).features(torch.zeros(shape))
    with pytest.raises(ConfigError, match="3 means"):
        _Probe(RGB).features(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ConfigError, match="num_slices = 0"):
        _Probe(WINDOW, num_slices=0)


def test_teacher_is_frozen_and_a_training_step_leaves_it_unchanged(teacher: Dinov2Teacher) -> None:
    assert not any(tensor.requires_grad for tensor in teacher.tensors())
    before = [tensor.clone() for tensor in teacher.tensors()]
    student = nn.Conv2d(1, 8, 3, stride=4)
    adapter = FeatureAdapter(8, teacher.teacher_dim, 2)
    student.guide = teacher  # type: ignore[assignment]  # no module: must not become a part of the student
    assert sorted(student.state_dict()) == ["bias", "weight"]
    student.train()
    optimizer = torch.optim.SGD([*student.parameters(), *adapter.parameters()], lr=1.0)
    images = torch.randn(2, 1, 32, 32)
    target = teacher.features(images).features
    assert not target.requires_grad
    weight = student.weight.clone()
    alignment_loss(adapter(student(images), target.shape[2:]), target).backward()
    optimizer.step()
    assert not torch.equal(student.weight, weight)
    assert not any(layer.training for layer in teacher._module.modules())
    for old, new in zip(before, teacher.tensors(), strict=True):
        assert torch.equal(old, new)


def test_student_that_shares_a_tensor_with_the_teacher_is_refused(teacher: Dinov2Teacher) -> None:
    check_disjoint(teacher, nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))
    with pytest.raises(ConfigError, match=r"student's tensor '0\..*' is also one of the foundation teacher"):
        check_disjoint(teacher, nn.Sequential(teacher._module))
    thief = nn.Linear(3, 3)
    # a view of the same memory counts, also as a buffer
    thief.register_buffer("borrowed", next(teacher.tensors()).view(-1)[2:5])
    with pytest.raises(ConfigError, match="'borrowed'"):
        check_disjoint(teacher, thief)


def test_two_teachers_from_one_folder_are_separate(teacher: Dinov2Teacher, folder: Path) -> None:
    check_disjoint(teacher, Dinov2Teacher(str(folder), WINDOW)._module)


def test_name_for_the_card_tells_the_weights_and_no_path(teacher: Dinov2Teacher, folder: Path, tmp_path: Path) -> None:
    assert teacher.name.startswith("dinov2:dinov2-tiny (sha256 ")
    assert str(folder.parent) not in teacher.name
    other = _copy(folder, tmp_path / "dinov2-tiny")
    weights = load_file(other / "model.safetensors")
    weights["layernorm.bias"] += 1.0
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    assert Dinov2Teacher(str(other), WINDOW).name != teacher.name


def test_build_teacher_follows_the_configuration(folder: Path) -> None:
    teacher = build_teacher(f"dinov2:{folder}", WINDOW, num_slices=2)
    assert teacher.features(torch.randn(1, 1, 6, 32, 32)).features.shape == (1, 32, 2, 16, 16)


@pytest.mark.parametrize("name", ["clip", "dinov2", "dinov2:", "astra-ct:x", "", "DINOv2:x"])
def test_unknown_teacher_is_refused_with_the_allowed_ones(name: str) -> None:
    with pytest.raises(ConfigError, match=r"is not known; allowed are 'dinov2:<local folder or hub id>', 'astra-ct'"):
        build_teacher(name, WINDOW)


@pytest.mark.parametrize("source", ["facebook/dinov2-small-that-is-not-here", "no/such/folder", "not a name!"])
def test_weights_that_are_nowhere_are_refused(source: str) -> None:
    with pytest.raises(ModelFileError, match="neither a folder here nor to be had from the hub"):
        Dinov2Teacher(source, WINDOW, local_files_only=True)


def test_folder_without_config_or_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no config\.json"):
        build_teacher(f"dinov2:{tmp_path}", WINDOW)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(ModelFileError, match="holds no weights, and a random teacher would teach nothing"):
        build_teacher(f"dinov2:{tmp_path}", WINDOW)


def test_weights_as_pickle_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save(load_file(folder / "model.safetensors"), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match=r"only as pickle \('pytorch_model.bin'\)"):
        build_teacher(f"dinov2:{tmp_path}", WINDOW)


def test_pickle_is_not_read_beside_other_safetensors(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, tmp_path / "pytorch_model.bin")
    save_file(weights, tmp_path / "model.of-another-kind.safetensors")
    with pytest.raises(ModelFileError, match="damaged or do not fit"):
        build_teacher(f"dinov2:{tmp_path}", WINDOW)


def test_incomplete_weights_are_refused_and_not_filled_with_random_numbers(folder: Path, tmp_path: Path) -> None:
    short = _copy(folder, tmp_path / "short", drop="encoder.layer.1.attention")
    with pytest.raises(ModelFileError, match=r"lacks .* weights, the first is"):
        build_teacher(f"dinov2:{short}", WINDOW)


def test_damaged_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    cut = _copy(folder, tmp_path / "cut")
    content = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelFileError, match=r"damaged or do not fit its config\.json"):
        build_teacher(f"dinov2:{cut}", WINDOW)
    wide = _copy(folder, tmp_path / "wide")
    config = json.loads((wide / "config.json").read_text())
    (wide / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
    with pytest.raises(ModelFileError, match=r"damaged or do not fit its config\.json"):
        build_teacher(f"dinov2:{wide}", WINDOW)


@pytest.mark.parametrize("config", ["{not json", '{"hidden_size": 32}'])
def test_unreadable_config_is_refused(folder: Path, tmp_path: Path, config: str) -> None:
    broken = _copy(folder, tmp_path / "broken")
    (broken / "config.json").write_text(config)
    with pytest.raises(ModelFileError, match=r"config\.json of the teacher"):
        build_teacher(f"dinov2:{broken}", WINDOW)


def test_another_kind_of_model_is_refused(folder: Path, tmp_path: Path) -> None:
    other = _copy(folder, tmp_path / "other")
    (other / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(ModelFileError, match=r"is a 'vit' model, allowed are \['dinov2', 'dinov2_with_registers'\]"):
        build_teacher(f"dinov2:{other}", WINDOW)


def test_missing_package_is_named_with_the_line_that_installs_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"needs the package 'transformers'.*pip install 'vqseg\[teacher\]'"):
        build_teacher(f"dinov2:{folder}", WINDOW)
