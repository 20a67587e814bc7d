"""The post-VQ feature adapter and its alignment loss (PFA)."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from VQSegLib.errors import ConfigError
from VQSegLib.models import feature_adapter
from VQSegLib.models.feature_adapter import FeatureAdapter, alignment_loss

SHAPES = [(2, 32, 6, 5), (2, 32, 3, 6, 5)]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def _reference_loss(adapted: Tensor, teacher: Tensor, temperature: float) -> float:
    """The formula of the paper, position by position, for ``(N, C, J, I)``."""
    per_image = []
    for a, t in zip(adapted.flatten(2).double(), teacher.flatten(2).double(), strict=True):
        scores = [
            [math.exp(float(torch.cosine_similarity(a[:, i], t[:, j], dim=0)) / temperature) for j in range(t.shape[1])]
            for i in range(a.shape[1])
        ]
        per_image += [-math.log(row[i] / sum(row)) for i, row in enumerate(scores)]
    return sum(per_image) / len(per_image)


@pytest.mark.parametrize("shape", SHAPES)
def test_identical_features_at_low_temperature_give_zero(shape: tuple[int, ...]) -> None:
    features = torch.randn(shape)
    assert alignment_loss(features, features, temperature=0.005).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_shuffled_teacher_positions_raise_the_loss(shape: tuple[int, ...]) -> None:
    teacher = torch.randn(shape)
    adapted = teacher + 0.3 * torch.randn(shape)
    shuffled = teacher.flatten(-2)[..., torch.randperm(30)].view(shape)
    assert alignment_loss(adapted, shuffled) > alignment_loss(adapted, teacher) + 1.0


@pytest.mark.parametrize("spatial", [(16, 16), (4, 16, 16)])
def test_independent_features_give_the_logarithm_of_the_positions_of_a_slice(spatial: tuple[int, ...]) -> None:
    adapted, teacher = torch.randn(2, 384, *spatial), torch.randn(2, 384, *spatial)
    # at temperature 1 the cosines of random 384-vectors (about 0.05) hardly matter
    assert alignment_loss(adapted, teacher, temperature=1.0).item() == pytest.approx(math.log(256), abs=0.01)
    assert alignment_loss(adapted, teacher).item() == pytest.approx(math.log(256), abs=0.5)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_matches_the_formula_of_the_paper(temperature: float) -> None:
    adapted, teacher = torch.randn(2, 4, 3, 2), torch.randn(2, 4, 3, 2)
    expected = _reference_loss(adapted, teacher, temperature)
    assert alignment_loss(adapted, teacher, temperature).item() == pytest.approx(expected, rel=1e-5)


def test_positions_of_other_images_and_slices_are_no_negatives() -> None:
    adapted, teacher = torch.randn(2, 8, 3, 4, 4), torch.randn(2, 8, 3, 4, 4)
    per_slice = [alignment_loss(adapted[n : n + 1, :, k], teacher[n : n + 1, :, k]) for n in range(2) for k in range(3)]
    assert alignment_loss(adapted, teacher).item() == pytest.approx(torch.stack(per_slice).mean().item(), rel=1e-5)


def test_length_of_the_features_does_not_matter_and_zero_ones_give_bounded_gradients() -> None:
    adapted, teacher = torch.randn(1, 8, 4, 4), torch.randn(1, 8, 4, 4)
    torch.testing.assert_close(alignment_loss(3.0 * adapted, 0.1 * teacher), alignment_loss(adapted, teacher))
    zero = torch.zeros(1, 8, 4, 4, requires_grad=True)
    alignment_loss(zero, teacher).backward()
    assert zero.grad is not None
    assert zero.grad.abs().max() < 1e4


@pytest.mark.parametrize("limit", [1, 300])
@pytest.mark.parametrize("shape", SHAPES)
def test_working_in_pieces_changes_neither_loss_nor_gradient(
    shape: tuple[int, ...], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapted, teacher = torch.randn(shape, requires_grad=True), torch.randn(shape)
    whole = alignment_loss(adapted, teacher)
    (gradient,) = torch.autograd.grad(whole, adapted)
    monkeypatch.setattr(feature_adapter, "MAX_SIMILARITIES", limit)
    pieces = alignment_loss(adapted, teacher)
    torch.testing.assert_close(pieces, whole)
    torch.testing.assert_close(torch.autograd.grad(pieces, adapted)[0], gradient)


def test_similarities_held_at_once_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = feature_adapter._summed_cross_entropy

    def spy(queries: Tensor, keys: Tensor, start: int, temperature: float) -> Tensor:
        seen.append(queries.shape[0] * queries.shape[1] * keys.shape[1])
        return original(queries, keys, start, temperature)

    monkeypatch.setattr(feature_adapter, "_summed_cross_entropy", spy)
    monkeypatch.setattr(feature_adapter, "MAX_SIMILARITIES", 2**16)
    alignment_loss(torch.randn(2, 4, 40, 40), torch.randn(2, 4, 40, 40))
    assert max(seen) <= 2**16
    assert sum(seen) == 2 * 1600 * 1600


def test_autocast_does_not_reach_the_loss() -> None:
    adapted, teacher = torch.randn(2, 64, 8, 8), torch.randn(2, 64, 8, 8)
    expected = alignment_loss(adapted, teacher)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = alignment_loss(adapted, teacher)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, expected)


def test_teacher_features_receive_no_gradient() -> None:
    adapted, teacher = torch.randn(1, 4, 3, 3, requires_grad=True), torch.randn(1, 4, 3, 3, requires_grad=True)
    alignment_loss(adapted, teacher).backward()
    assert adapted.grad is not None
    assert teacher.grad is None


@pytest.mark.parametrize(("spatial", "grid"), [((8, 8), (16, 16)), ((4, 7, 7), (8, 16, 16)), ((16, 16), (16, 16))])
def test_adapter_reaches_the_grid_and_width_of_the_teacher(spatial: tuple[int, ...], grid: tuple[int, ...]) -> None:
    adapter = FeatureAdapter(dim=6, teacher_dim=10, spatial_dims=len(grid))
    assert adapter(torch.randn(2, 6, *spatial), grid).shape == (2, 10, *grid)


def test_adapter_on_the_same_grid_is_the_projection_alone() -> None:
    adapter = FeatureAdapter(dim=6, teacher_dim=10, spatial_dims=2)
    quantized = torch.randn(1, 6, 5, 5)
    weight = dict(adapter.named_parameters())["projection.weight"][:, :, 0, 0]
    bias = dict(adapter.named_parameters())["projection.bias"]
    expected = torch.einsum("oc,bcji->boji", weight, quantized) + bias[:, None, None]
    torch.testing.assert_close(adapter(quantized, (5, 5)), expected)


def test_adapter_learns_a_linear_teacher_and_passes_gradient_to_the_feature() -> None:
    adapter = FeatureAdapter(dim=16, teacher_dim=8, spatial_dims=2)
    quantized = torch.randn(2, 16, 6, 6, requires_grad=True)
    teacher = torch.einsum("oc,bcji->boji", torch.randn(8, 16), quantized.detach())
    optimizer = torch.optim.Adam(adapter.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        loss = alignment_loss(adapter(quantized, (6, 6)), teacher)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    assert quantized.grad is not None
    assert quantized.grad.abs().sum() > 0


def test_wrong_use_is_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigError, match="2 or 3 spatial dimensions, given 4"):
        FeatureAdapter(dim=4, teacher_dim=4, spatial_dims=4)
    adapter = FeatureAdapter(dim=4, teacher_dim=4, spatial_dims=2)
    with pytest.raises(ConfigError, match="built for 2 spatial axes, given a feature with 3"):
        adapter(torch.randn(1, 4, 2, 2, 2), (2, 2))
    with pytest.raises(ConfigError, match="teacher's grid with 3"):
        adapter(torch.randn(1, 4, 2, 2), (2, 2, 2))
    with pytest.raises(ConfigError, match=r"given \(1, 4, 2, 2\) and \(1, 4, 2, 3\)"):
        alignment_loss(torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 3))
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ConfigError, match="temperature of the alignment loss must be above 0"):
            alignment_loss(torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 2), temperature)
