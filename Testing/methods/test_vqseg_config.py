"""Switches and presets of method ``vqseg``."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from VQSegLib.methods.vqseg_config import VQSegConfig, release_preset
from VQSegLib.models.config import NetworkConfig


@pytest.mark.parametrize(
    ("switches", "sentence"),
    [
        ({"vq": False}, "qpm, dual_branch work on quantized features; switch them off too or keep vq on"),
        ({"vq": False, "qpm": False}, "dual_branch work on quantized"),
        ({"pfa": True}, "pfa and foundation_teacher go together"),
        ({"foundation_teacher": "dinov2:/x"}, "pfa and foundation_teacher go together"),
        ({"vq": False, "qpm": False, "dual_branch": False, "pfa": True}, "pfa work on quantized"),
        ({"strong_views": 0}, "strong_views"),
        ({"confidence_threshold": 1.0}, "confidence_threshold"),
        ({"usage_weight": 0.5}, "usage_weight"),
        ({"qpm_on": "both"}, "'weak' or 'strong'"),
        ({"epsilon": 0.7}, "epsilon"),
    ],
)
def test_contradictions_are_refused(switches: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        VQSegConfig(**switches)


def test_the_network_follows_the_switches() -> None:
    network = NetworkConfig(num_classes=2)
    assert VQSegConfig().adapt_network(network).image_decoder
    assert not VQSegConfig(dual_branch=False).adapt_network(network).image_decoder
    off = VQSegConfig(vq=False, qpm=False, dual_branch=False).adapt_network(network)
    assert off.quantizer is None
    with pytest.raises(ValueError, match="vq is on but the network has no quantizer"):
        VQSegConfig().adapt_network(NetworkConfig(num_classes=2, quantizer=None))


def test_presets_hold_the_published_numbers() -> None:
    paper, release = VQSegConfig(), release_preset()
    assert (paper.code_perturbation.perturbation_rate, paper.ema_decay, paper.consistency_weight) == (0.7, 0.99, 1)
    assert (paper.alignment_weight, paper.segmentation_loss, paper.confidence_threshold) == (5, "ce", None)
    assert (release.code_perturbation.perturbation_rate, release.ema_decay) == (0.1, 0.996)
    assert (release.code_perturbation.distance, release.code_perturbation.temperature) == ("squared", 1)
    assert (release.strong_views, release.confidence_threshold, release.cutmix) == (2, 0.95, True)
    assert not release.student_sees_weak
    assert VQSegConfig.model_validate_json(release_preset().model_dump_json()) == release


@pytest.mark.parametrize(
    ("switches", "seen"),
    [
        ({}, True),
        ({"dual_branch": False}, True),
        ({"dual_branch": False, "qpm_on": "strong"}, False),
        ({"qpm": False}, True),
        ({"qpm": False, "dual_branch": False}, False),
    ],
)
def test_the_student_encodes_the_weak_view_only_when_a_term_needs_it(switches: dict[str, Any], seen: bool) -> None:
    assert VQSegConfig(**switches).student_sees_weak is seen
