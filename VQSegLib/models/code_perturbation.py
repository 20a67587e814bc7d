"""Quantized perturbation module (QPM): replaces codes by near ones (VQ-Seg, arXiv 2601.10124, section 3.2).

A token with code ``i`` keeps it with probability ``1 - rate``; otherwise it takes code ``j != i`` with probability
proportional to ``exp(-d(c_i, c_j) / T)``. The paper writes the law with ``T = 1`` and an unnamed distance; on real
codebooks that is close to uniform or to a jump to the nearest code, depending on the scale of the codes. So ``T`` is
calibrated to a target perplexity unless it is given.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.documents import Document
from VQSegLib.models.lowest_columns import lowest_columns

_CALIBRATION_CODES = 512
_BISECTIONS = 40
_LEAST_TAKEN = 1 / 16
"""Share of proposed replacements below which computing the law is cheaper than proposing again."""
_MAX_ENTRIES = 1 << 23
"""Entries of the code-by-code law computed at once (64 MiB in float64)."""


class CodePerturbationConfig(Document):
    """Settings of QPM."""

    perturbation_rate: float = Field(default=0.7, ge=0, le=1, description="Share of tokens replaced (paper: epsilon).")
    distance: Literal["euclidean", "squared"] = Field(
        default="euclidean", description="The release uses squared distances."
    )
    temperature: float | None = Field(default=None, gt=0, description="null: calibrated to target_perplexity.")
    target_perplexity: float = Field(default=64, gt=1, description="Effective number of candidate codes per token.")
    top_m: int | None = Field(default=64, ge=1, description="Only the nearest codes are candidates; null: all.")
    refresh_steps: int = Field(default=500, ge=1, description="Training steps between two calibrations.")


class PerturbationStatistics(NamedTuple):
    """What a perturbation did: share of tokens changed and mean distance between old and new code."""

    change_rate: float
    mean_jump: float


def code_distances(codes: Tensor, rows: Tensor, distance: str) -> Tensor:
    """Return distances from codes ``rows`` (U,) to all codes of ``(K, D)``: ``(U, K)``, infinite to itself."""
    distances = torch.cdist(codes[rows].float(), codes.float())
    if distance == "squared":
        distances = distances.square()
    return distances.scatter_(1, rows.unsqueeze(1), torch.inf)


def replacement_law(distances: Tensor, temperature: float, top_m: int | None) -> tuple[Tensor, Tensor]:
    """Return candidates and their probabilities given that a token is replaced.

    Args:
        distances: ``(U, K)``, infinite where a code must not be chosen.
        temperature: ``T`` in ``exp(-d / T)``.
        top_m: Number of nearest candidates; None for all.

    Returns:
        ``(candidates, probabilities)``, both ``(U, m)``; rows of probabilities sum to one.
    """
    count = distances.shape[1] - 1
    if top_m is not None and top_m < count:
        nearest, candidates = distances.topk(top_m, dim=1, largest=False)
    else:
        nearest, candidates = distances, torch.arange(count + 1, device=distances.device).expand_as(distances)
    return candidates, F.softmax(-nearest.double() / temperature, dim=1)


def nearest_distances(codes: Tensor, rows: Tensor, config: CodePerturbationConfig) -> tuple[Tensor, Tensor]:
    """Return the distances ``(U, top_m)`` of codes ``rows`` (U,) to the nearest others, ascending, and those others.

    The same as the lowest of :func:`code_distances`, but only those kept are made distances of.
    """
    codes, wanted = codes.float(), codes[rows].float()
    half_norms = codes.square().sum(1) / 2
    scores = torch.addmm(half_norms, wanted, codes.T, alpha=-1)
    found = lowest_columns(scores.scatter_(1, rows.unsqueeze(1), torch.inf), config.top_m or codes.shape[0] - 1)
    squared = (scores.gather(1, found) + half_norms[rows].unsqueeze(1)).mul_(2).clamp_min_(0)
    return squared if config.distance == "squared" else squared.sqrt_(), found


def calibrate_temperature(codes: Tensor, used: Tensor, config: CodePerturbationConfig) -> float:
    """Return the temperature at which the mean perplexity of the law equals the target.

    Args:
        codes: ``(K, D)``.
        used: ``(U,)`` distinct codes in use; at most 512 of them are looked at, evenly spaced.
        config: Target and distance. The target is capped at half the number of other codes, which small codebooks need.
    """
    step = max(1, -(-used.numel() // _CALIBRATION_CODES))
    distances = code_distances(codes.detach(), used[::step], config.distance).double()
    target = min(config.target_perplexity, max(1.0 + 1e-6, (codes.shape[0] - 1) / 2))
    finite = distances[torch.isfinite(distances)]
    low, high = torch.tensor([1e-6, 1e3]).double().mul(float(finite.mean().clamp_min(1e-12))).log().tolist()
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        law = F.softmax(-distances / torch.tensor(middle).double().exp(), dim=1)
        perplexity = torch.special.entr(law).sum(1).exp().mean()
        low, high = (middle, high) if perplexity < target else (low, middle)
    return float(torch.tensor((low + high) / 2).double().exp())


def perturb_codes(
    indices: Tensor,
    codes: Tensor,
    config: CodePerturbationConfig,
    temperature: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return perturbed indices of the same shape; no gradient flows through the sampling.

    Args:
        indices: ``(B, *spatial)`` int64.
        codes: ``(K, D)``.
        config: Rate, distance, top-m.
        temperature: See :func:`calibrate_temperature`.
        generator: Source of randomness on the device of ``indices``; None uses the global one.
    """
    perturbed = indices.reshape(-1).clone()
    hit = torch.rand(perturbed.shape, generator=generator, device=indices.device) < config.perturbation_rate
    if codes.shape[0] > 1 and bool(hit.any()):
        perturbed[hit] = _draw_replacements(perturbed[hit], codes.detach(), config, temperature, generator)
    return perturbed.reshape(indices.shape)


def measure_perturbation(before: Tensor, after: Tensor, codes: Tensor) -> PerturbationStatistics:
    """Return how many tokens changed and how far they jumped in code space."""
    changed = before != after
    jumps = (codes[before[changed]] - codes[after[changed]]).norm(dim=-1)
    return PerturbationStatistics(float(changed.float().mean()), float(jumps.mean()) if jumps.numel() else 0.0)


def _draw_replacements(
    tokens: Tensor, codes: Tensor, config: CodePerturbationConfig, temperature: float, generator: torch.Generator | None
) -> Tensor:
    """Draw one replacement per token."""
    if config.top_m is not None and config.top_m < codes.shape[0] - 1:
        return _draw_from_laws(tokens, codes, config, temperature, generator)
    drawn, left = _draw_by_rejection(tokens, codes, config, temperature, generator)
    if left.numel():
        drawn[left] = _draw_from_laws(tokens[left], codes, config, temperature, generator)
    return drawn


def _draw_by_rejection(
    tokens: Tensor, codes: Tensor, config: CodePerturbationConfig, temperature: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw among all codes without computing their law; also return which tokens are left without a replacement.

    A code drawn uniformly is taken with probability ``exp(-d / T)``, which gives exactly the law of those taken (von
    Neumann 1951). Only where the law is wide is that likely: the release's ``T = 1`` takes every second one.
    """
    drawn, left = tokens.clone(), torch.arange(tokens.numel(), device=tokens.device)
    taken_share = 1.0
    while left.numel() and taken_share >= _LEAST_TAKEN:
        own = tokens[left]
        proposed = torch.randint(codes.shape[0] - 1, own.shape, generator=generator, device=own.device)
        proposed += proposed >= own  # every code but the own one
        distances = (codes[own].float() - codes[proposed].float()).square().sum(1)
        if config.distance != "squared":
            distances = distances.sqrt()
        uniform = torch.rand(own.shape, generator=generator, device=own.device)
        is_taken = uniform < (-distances / temperature).exp()
        drawn[left[is_taken]] = proposed[is_taken]
        taken_share = float(is_taken.float().mean())
        left = left[~is_taken]
    return drawn, left


def _draw_from_laws(
    tokens: Tensor, codes: Tensor, config: CodePerturbationConfig, temperature: float, generator: torch.Generator | None
) -> Tensor:
    """Draw one replacement per token: one law per distinct code, sampled by inverting its cumulative sum."""
    unique, row_of_token = tokens.unique(return_inverse=True)
    uniform = torch.rand(tokens.shape, generator=generator, device=tokens.device, dtype=torch.float64)
    drawn = torch.empty_like(tokens)
    rows_at_once = max(1, _MAX_ENTRIES // codes.shape[0])
    for start in range(0, unique.numel(), rows_at_once):
        rows = unique[start : start + rows_at_once]
        if config.top_m is not None and config.top_m < codes.shape[0] - 1:
            nearest, candidates = nearest_distances(codes, rows, config)
            law = F.softmax(-nearest.double() / temperature, dim=1)
        else:
            candidates, law = replacement_law(code_distances(codes, rows, config.distance), temperature, None)
        here = (row_of_token >= start) & (row_of_token < start + rows.numel())
        row = row_of_token[here] - start
        column = _invert_cumulative(law, row, uniform[here])
        drawn[here] = candidates[row, column]
    return drawn


def _invert_cumulative(law: Tensor, row: Tensor, uniform: Tensor) -> Tensor:
    """Return for each token the first column whose cumulative probability exceeds ``uniform``.

    Adding the row number makes all rows one sorted sequence, so one binary search serves every token.
    """
    cumulative = law.cumsum(1)
    cumulative = cumulative / cumulative[:, -1:]
    offsets = torch.arange(law.shape[0], device=law.device, dtype=law.dtype).unsqueeze(1)
    found = torch.searchsorted((cumulative + offsets).reshape(-1), uniform + row, right=True)
    column = (found - row * law.shape[1]).clamp(0, law.shape[1] - 1)
    # Rounding of the sum can land on a column of probability zero (the code itself): take the likeliest instead.
    return torch.where(law[row, column] > 0, column, law.argmax(1)[row])
