"""QPM: the transition law, its sampler, its bound, and the temperature that makes it useful."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from VQSegLib.models import code_perturbation
from VQSegLib.models.code_perturbation import (
    CodePerturbationConfig,
    calibrate_temperature,
    code_distances,
    measure_perturbation,
    nearest_distances,
    perturb_codes,
    replacement_law,
)


def random_codes(size: int, dim: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(size, dim, generator=torch.Generator().manual_seed(seed))


def settings_of(rate: float = 0.7, **changes: object) -> CodePerturbationConfig:
    return CodePerturbationConfig(**{"perturbation_rate": rate, "top_m": None, **changes})


def transition_law(
    codes: torch.Tensor, rate: float, temperature: float = 1.0, distance: str = "euclidean"
) -> torch.Tensor:
    """Return pi(j|i) as a (K, K) matrix, from the product's own replacement law."""
    rows = torch.arange(len(codes))
    candidates, law = replacement_law(code_distances(codes, rows, distance), temperature, None)
    replaced = torch.zeros(len(codes), len(codes), dtype=torch.float64).scatter(1, candidates, law)
    return (1 - rate) * torch.eye(len(codes), dtype=torch.float64) + rate * replaced


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("top_m", [None, 4])
def test_rate_zero_changes_nothing_and_rate_one_everything(top_m: int | None) -> None:
    codes, indices = random_codes(20, 3), torch.randint(0, 20, (2, 8, 8), generator=generator())
    assert torch.equal(perturb_codes(indices, codes, settings_of(0, top_m=top_m), 1.0), indices)
    changed = perturb_codes(indices, codes, settings_of(1, top_m=top_m), 1.0)
    assert not bool((changed == indices).any())
    assert changed.shape == indices.shape
    assert bool(((changed >= 0) & (changed < 20)).all())


def test_indices_given_are_not_changed_in_place() -> None:
    indices = torch.zeros(50, dtype=torch.int64)
    perturb_codes(indices, random_codes(5, 2), settings_of(1), 1.0)
    assert int(indices.sum()) == 0


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.7])
def test_the_share_of_changed_tokens_is_the_rate(rate: float) -> None:
    codes, indices = random_codes(16, 4), torch.randint(0, 16, (20_000,), generator=generator())
    changed = perturb_codes(indices, codes, settings_of(rate), 1.0, generator(1)) != indices
    assert abs(float(changed.float().mean()) - rate) < 3 * math.sqrt(rate * (1 - rate) / 20_000)


def test_the_case_of_figure_3() -> None:
    """Four codes, rate 0.7: a token keeps its code with 30 %; the others share 70 %, most of it the nearest."""
    codes = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    law = transition_law(codes, 0.7)
    assert float(law[0, 0]) == pytest.approx(0.3)
    assert float(law[0, 1:].sum()) == pytest.approx(0.7)
    weights = [math.exp(-d) for d in (1, 2, math.hypot(3, 3))]
    assert law[0, 1:].tolist() == pytest.approx([0.7 * w / sum(weights) for w in weights], rel=1e-5)
    assert int(law[0, 1:].argmax()) == 0


@given(
    size=st.integers(2, 40),
    dim=st.integers(1, 6),
    rate=st.floats(0, 1),
    scale=st.floats(0.1, 3),
    seed=st.integers(0, 50),
)
@settings(max_examples=40, deadline=None)
def test_rows_sum_to_one_and_the_marginal_stays_within_the_bound(
    size: int, dim: int, rate: float, scale: float, seed: int
) -> None:
    """Appendix B: 0 <= KL(P||Q) <= D_max - D_min for a uniform prior P and every rate."""
    codes = random_codes(size, dim, seed, scale)
    law = transition_law(codes, rate)
    assert torch.allclose(law.sum(1), torch.ones(size, dtype=torch.float64), atol=1e-9)
    marginal = law.mean(0)
    assert float(marginal.sum()) == pytest.approx(1)
    distances = code_distances(codes, torch.arange(size), "euclidean")
    finite = distances[torch.isfinite(distances)]
    divergence = -float((size * marginal).log().mean())
    if size > 2 or rate < 1:
        assert -1e-9 <= divergence <= float(finite.max() - finite.min()) + 1e-5


@pytest.mark.parametrize(
    ("scale", "rate", "expected"),
    [
        (1, 0.3, 0.006),
        (1, 0.7, 0.035),
        (1, 0.9, 0.061),
        (1, 1.0, 0.078),
        (5, 0.3, 0.018),
        (5, 0.7, 0.113),
        (5, 1, 0.366),
    ],
)
def test_the_divergence_of_random_codebooks_is_small(scale: float, rate: float, expected: float) -> None:
    """Values measured once for 512 random codes of width 8."""
    law = transition_law(random_codes(512, 8, scale=scale), rate)
    assert -float((512 * law.mean(0)).log().mean()) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_dropout_as_the_paper_compares_it(p: float) -> None:
    """Appendix A: KL of N(0, s^2) to moment-matched dropout N(0, (1 - p) s^2) is (p / (1 - p) + ln(1 - p)) / 2.

    It grows without bound, while that of QPM stays below D_max - D_min. Nothing in the product uses it.
    """
    expected = {0.1: 0.0029, 0.3: 0.0359, 0.5: 0.1534, 0.7: 0.5647, 0.9: 3.3487, 0.99: 47.1974}[p]
    divergence = torch.distributions.kl_divergence(
        torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(0.0, math.sqrt(1 - p))
    )
    assert float(divergence) == pytest.approx(expected, abs=1e-3)
    assert (p / (1 - p) + math.log(1 - p)) / 2 == pytest.approx(expected, abs=6e-5)


@pytest.mark.parametrize("distance", ["euclidean", "squared"])
def test_cold_picks_the_nearest_and_hot_is_uniform(distance: str) -> None:
    codes = random_codes(30, 4)
    off = ~torch.eye(30, dtype=torch.bool)
    cold = transition_law(codes, 1, 1e-5, distance)
    nearest = code_distances(codes, torch.arange(30), distance).argmin(1)
    assert torch.equal(cold.argmax(1), nearest)
    assert float(cold.max(1).values.min()) > 0.99
    hot = transition_law(codes, 1, 1e6, distance)
    assert torch.allclose(hot[off], torch.full((30 * 29,), 1 / 29, dtype=torch.float64), atol=1e-5)


@pytest.mark.parametrize(("distance", "top_m"), [("euclidean", None), ("squared", None), ("euclidean", 5)])
def test_the_sampler_follows_the_law(distance: str, top_m: int | None) -> None:
    """Chi-square over many draws for each of several source codes."""
    codes, draws = random_codes(12, 2), 20_000
    for source in (0, 5, 11):
        rows = torch.tensor([source])
        candidates, law = replacement_law(code_distances(codes, rows, distance), 0.7, top_m)
        expected = torch.zeros(1, 12, dtype=torch.float64).scatter(1, candidates, law)[0] * draws
        config = settings_of(1, distance=distance, top_m=top_m)
        drawn = perturb_codes(torch.full((draws,), source), codes, config, 0.7, generator(source))
        observed = torch.bincount(drawn, minlength=12)
        possible = expected > 0
        assert int(observed[~possible].sum()) == 0
        assert stats.chisquare(observed[possible].numpy(), expected[possible].numpy()).pvalue > 1e-3


def test_working_in_pieces_draws_the_same_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, indices = random_codes(40, 3), torch.randint(0, 40, (500,), generator=generator())
    whole = perturb_codes(indices, codes, settings_of(), 0.5, generator(7))
    monkeypatch.setattr(code_perturbation, "_MAX_ENTRIES", 100)
    assert torch.equal(perturb_codes(indices, codes, settings_of(), 0.5, generator(7)), whole)


@given(seed=st.integers(0, 200), size=st.integers(2, 30), temperature=st.floats(1e-6, 1e3))
@settings(max_examples=40, deadline=None)
def test_a_replaced_token_never_keeps_its_code(seed: int, size: int, temperature: float) -> None:
    codes, indices = random_codes(size, 3, seed), torch.randint(0, size, (200,), generator=generator(seed))
    drawn = perturb_codes(indices, codes, settings_of(1), temperature, generator(seed))
    assert not bool((drawn == indices).any())


def test_a_codebook_of_one_code_is_left_alone() -> None:
    indices = torch.zeros(10, dtype=torch.int64)
    assert torch.equal(perturb_codes(indices, torch.ones(1, 3), settings_of(1), 1.0), indices)


def test_no_gradient_flows_through_the_sampling() -> None:
    codes = random_codes(8, 2).requires_grad_()
    drawn = perturb_codes(torch.zeros(20, dtype=torch.int64), codes, settings_of(1), 1.0)
    assert not drawn.requires_grad


@pytest.mark.parametrize("distance", ["euclidean", "squared"])
@pytest.mark.parametrize("scale", [0.01, 1, 30])
@pytest.mark.parametrize("target", [4, 64])
def test_calibration_hits_the_target_perplexity_at_any_scale(distance: str, scale: float, target: float) -> None:
    codes = random_codes(600, 16, scale=scale)
    used = torch.arange(0, 600, 2)
    temperature = calibrate_temperature(codes, used, settings_of(distance=distance, target_perplexity=target))
    _, law = replacement_law(code_distances(codes, used, distance), temperature, None)
    assert float(torch.special.entr(law).sum(1).exp().mean()) == pytest.approx(target, rel=1e-3)


@pytest.mark.parametrize("size", [2, 3, 9])
def test_small_codebooks_are_calibrated_to_half_of_the_other_codes(size: int) -> None:
    codes = random_codes(size, 4)
    temperature = calibrate_temperature(codes, torch.arange(size), settings_of(target_perplexity=64))
    _, law = replacement_law(code_distances(codes, torch.arange(size), "euclidean"), temperature, None)
    assert math.isfinite(temperature)
    assert float(torch.special.entr(law).sum(1).exp().mean()) <= max(1, (size - 1) / 2) + 1e-3


def test_equal_codes_can_be_calibrated() -> None:
    assert math.isfinite(calibrate_temperature(torch.ones(8, 4), torch.arange(8), settings_of()))


def test_only_the_nearest_codes_are_candidates() -> None:
    codes = torch.arange(10.0).unsqueeze(1)
    drawn = perturb_codes(torch.full((500,), 5), codes, settings_of(1, top_m=2), 100.0, generator())
    assert set(drawn.tolist()) == {4, 6}


def test_measured_rate_and_jump() -> None:
    codes = torch.tensor([[0.0], [3.0], [7.0]])
    measured = measure_perturbation(torch.tensor([0, 0, 1, 2]), torch.tensor([1, 0, 2, 2]), codes)
    assert measured.change_rate == pytest.approx(0.5)
    assert measured.mean_jump == pytest.approx((3 + 4) / 2)
    assert measure_perturbation(torch.tensor([1]), torch.tensor([1]), codes) == (0, 0)


@pytest.mark.parametrize(
    "wrong",
    [{"perturbation_rate": 1.1}, {"temperature": 0}, {"top_m": 0}, {"distance": "cosine"}, {"target_perplexity": 1}],
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        CodePerturbationConfig(**wrong)


@pytest.mark.parametrize("distance", ["euclidean", "squared"])
def test_draws_among_all_codes_follow_the_law(distance):
    torch.manual_seed(0)
    codes = torch.randn(6, 3) * 0.5
    config = CodePerturbationConfig(perturbation_rate=1, distance=distance, temperature=1, top_m=None)
    _, law = replacement_law(code_distances(codes, torch.tensor([2]), distance), 1.0, None)
    drawn = perturb_codes(torch.full((20_000,), 2), codes, config, 1.0)
    found = torch.bincount(drawn, minlength=6).double() / len(drawn)
    assert found[2] == 0
    assert (found - law[0]).abs().max() < 0.015


def test_draws_among_all_codes_follow_a_narrow_law_too():
    torch.manual_seed(0)
    codes = torch.tensor([[0.0], [1.0], [1.01], [5.0]])
    config = CodePerturbationConfig(perturbation_rate=1, top_m=None)
    drawn = perturb_codes(torch.zeros(4000, dtype=torch.long), codes, config, 0.01)
    found = torch.bincount(drawn, minlength=4).double() / len(drawn)
    law = torch.softmax(torch.tensor([-1.0, -1.01]) / 0.01, 0)
    assert found[0] == found[3] == 0
    assert abs(float(found[1] - law[0])) < 0.03


@pytest.mark.parametrize("distance", ["euclidean", "squared"])
def test_the_nearest_codes_are_those_of_all_distances(distance: str) -> None:
    codes, rows = random_codes(512, 8), torch.tensor([3, 500, 77])
    config = CodePerturbationConfig(distance=distance, top_m=20)
    nearest, candidates = nearest_distances(codes, rows, config)
    every = code_distances(codes, rows, distance).sort(dim=1)
    assert torch.equal(candidates, every.indices[:, :20])
    torch.testing.assert_close(nearest, every.values[:, :20], rtol=1e-4, atol=1e-4)
