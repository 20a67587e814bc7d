"""Perturb the codes of a training batch (QPM), here and in a loop over codes as the authors' release does it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

from VQSegLib.benchmarks.machine import describe_machine, synchronize
from VQSegLib.benchmarks.report import Bound, Figure, Line, Ratio, Report
from VQSegLib.benchmarks.workloads import build_released_quantizer
from VQSegLib.inference.device import resolve_device
from VQSegLib.models.code_perturbation import (
    CodePerturbationConfig,
    calibrate_temperature,
    code_distances,
    perturb_codes,
    replacement_law,
)
from VQSegLib.service_results import OnProgress

_LEAST_RATIO = 50.0
_LEAST_PROBABILITY = 0.001
"""Of the chi-square statistic, below which two laws count as different."""
_BINS, _DRAWS_PER_BIN = 32, 256
_RATE = 0.7
_LAWS = {
    "release's law (all codes, squared distance, T=1)": CodePerturbationConfig(
        perturbation_rate=_RATE, distance="squared", temperature=1.0, top_m=None
    ),
    "default law (64 nearest codes, calibrated T)": CodePerturbationConfig(perturbation_rate=_RATE),
}

Perturb = Callable[[Tensor, Tensor, CodePerturbationConfig, float], Tensor]


@dataclass(frozen=True)
class PerturbationSettings:
    """How much is measured.

    Attributes:
        images: Images in the batch.
        tokens: Tokens of each.
        codebook_size: Codes; each token has one of them, drawn evenly.
        repeats: Repetitions of each figure.
        device: "auto", "cpu", "cuda" or "cuda:<n>".
    """

    images: int = 16
    tokens: int = 256
    codebook_size: int = 16_384
    repeats: int = 3
    device: str = "auto"


def benchmark_perturbation(settings: PerturbationSettings, on_progress: OnProgress | None = None) -> Report:
    """Time both ways under two laws, and test that the draws of both follow the law.

    Args:
        settings: How much is measured.
        on_progress: Told what is being measured.

    Raises:
        ConfigError: The device is unknown or missing.
    """
    device = resolve_device(settings.device)
    torch.manual_seed(0)
    codes = build_released_quantizer(settings.codebook_size).codes().detach().to(device)
    indices = torch.randint(settings.codebook_size, (settings.images, settings.tokens), device=device)
    lines: list[Line] = [
        f"{settings.images} x {settings.tokens} tokens, {settings.codebook_size} codes of {codes.shape[1]} numbers, "
        f"{_RATE:.0%} of the tokens replaced"
    ]
    for number, (name, config) in enumerate(_LAWS.items()):
        if on_progress is not None:
            on_progress(number / len(_LAWS), name, None)
        lines += _compare(name, config, indices, codes, settings.repeats)
    return Report(
        benchmark="perturbation",
        command="vqseg benchmark perturbation",
        machine=describe_machine(device),
        lines=tuple(lines),
    )


def perturb_in_a_loop(indices: Tensor, codes: Tensor, config: CodePerturbationConfig, temperature: float) -> Tensor:
    """Return what :func:`perturb_codes` does, one distinct code after the other: the slow side of the ratio."""
    perturbed = indices.reshape(-1).clone()
    is_hit = torch.rand(perturbed.shape, device=indices.device) < config.perturbation_rate
    for code in perturbed[is_hit].unique().tolist():
        distances = (codes - codes[code]).square().sum(1)
        if config.distance != "squared":
            distances = distances.sqrt()
        distances[code] = torch.inf
        if config.top_m is not None:
            farthest = distances.topk(config.top_m, largest=False).values[-1]
            distances[distances > farthest] = torch.inf
        law = (-distances / temperature).softmax(0)
        here = is_hit & (indices.reshape(-1) == code)
        perturbed[here] = torch.multinomial(law, int(here.sum()), replacement=True)
    return perturbed.reshape(indices.shape)


def _compare(name: str, config: CodePerturbationConfig, indices: Tensor, codes: Tensor, repeats: int) -> list[Line]:
    temperature = config.temperature or calibrate_temperature(codes, indices.unique(), config)
    contenders: dict[str, Perturb] = {"VQSeg": perturb_codes, "loop over codes": perturb_in_a_loop}
    seconds: dict[str, list[float]] = {who: [] for who in contenders}
    for _ in range(repeats):
        for who, perturb in contenders.items():
            synchronize(codes.device)
            began = time.perf_counter()
            perturb(indices, codes, config, temperature)
            synchronize(codes.device)
            seconds[who].append(time.perf_counter() - began)
    times = {who: Figure.of(f"{name}: {who}", values) for who, values in seconds.items()}
    ratio = Ratio.at_least(f"{name}: loop / VQSeg", times["loop over codes"], times["VQSeg"], _LEAST_RATIO)
    tests = [
        Bound.at_least(
            Figure.of(
                f"{name}: {who}, probability of its draws (chi-square)",
                [_test(perturb, config, temperature, codes)],
                unit="",
            ),
            _LEAST_PROBABILITY,
        )
        for who, perturb in contenders.items()
    ]
    return [*times.values(), ratio, *tests]


def _test(perturb: Perturb, config: CodePerturbationConfig, temperature: float, codes: Tensor) -> float:
    """Return the probability of draws as far from the law as these, from a chi-square test in bins of equal weight."""
    start = 0
    law = torch.zeros(len(codes), dtype=torch.float64, device=codes.device)
    candidates, probabilities = replacement_law(
        code_distances(codes, torch.tensor([start], device=codes.device), config.distance), temperature, config.top_m
    )
    law[candidates[0]] = probabilities[0]
    order = law.argsort(descending=True)
    bins = torch.empty_like(order)
    bins[order] = ((law[order].cumsum(0) - law[order] / 2) * _BINS).long().clamp(0, _BINS - 1)
    tokens = torch.full((_BINS * _DRAWS_PER_BIN,), start, device=codes.device)
    drawn = perturb(tokens, codes, config, temperature)
    drawn = drawn[drawn != start]
    found = torch.bincount(bins[drawn], minlength=_BINS).double()
    expected = torch.zeros(_BINS, dtype=torch.float64, device=codes.device).index_add_(0, bins, law) * len(drawn)
    is_met = expected > 0
    return float(stats.chisquare(found[is_met].cpu().numpy(), expected[is_met].cpu().numpy()).pvalue)
