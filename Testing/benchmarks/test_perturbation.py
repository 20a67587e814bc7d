"""The benchmark of QPM."""

import torch

from VQSegLib.benchmarks.perturbation import PerturbationSettings, benchmark_perturbation, perturb_in_a_loop
from VQSegLib.benchmarks.report import Bound, Ratio
from VQSegLib.models.code_perturbation import CodePerturbationConfig


def test_both_ways_are_reported_and_follow_the_law():
    report = benchmark_perturbation(PerturbationSettings(2, 64, codebook_size=256, repeats=1, device="cpu"))
    ratios = [line for line in report.lines if isinstance(line, Ratio)]
    assert len(ratios) == 2
    assert all(" s / " in str(ratio) for ratio in ratios)
    tests = [line for line in report.lines if isinstance(line, Bound)]
    assert len(tests) == 4
    assert all(line.is_reached for line in tests)


def test_the_loop_replaces_the_share_of_tokens_asked_for_and_never_by_themselves():
    torch.manual_seed(0)
    codes, indices = torch.randn(64, 8), torch.randint(0, 64, (4, 512))
    config = CodePerturbationConfig(perturbation_rate=0.5, top_m=4)
    changed = (perturb_in_a_loop(indices, codes, config, 1.0) != indices).float().mean()
    assert abs(float(changed) - 0.5) < 0.05
