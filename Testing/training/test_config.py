"""The configuration of a run: contradictions are refused, and it survives its file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from VQSegLib.methods import METHODS
from VQSegLib.training.config import TrainingConfig


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": {"patch_size": (8, 8)}}, "patch_size needs 3 numbers for a 3-D network"),
        ({"network": {"in_channels": 3}}, "a 3-D network has one input channel, given in_channels=3"),
        ({"method": {"name": "unimatch"}}, "'unimatch_v1', 'unimatch_v2'"),
        ({"method": {"name": "bcp"}, "data": {"batch_unlabeled": 3}}, "equal and even, given 2 and 3"),
        ({"max_steps": 0}, "max_steps"),
        ({"optimizer": {"learning_rate": -1}}, "learning_rate"),
        ({"device": {"accelerator": "tpu"}}, "accelerator"),
        ({"preprocessing": {"std": (1, 2)}}, "mean and std"),
        ({"colour": 1}, "colour"),
    ],
)
def test_contradictions_are_refused(
    changes: dict[str, Any], sentence: str, make_config: Callable[..., TrainingConfig]
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        make_config(**changes)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_configuration_survives_its_file(method: str, make_config: Callable[..., TrainingConfig]) -> None:
    config = make_config(method)
    assert TrainingConfig.model_validate_json(config.model_dump_json()) == config
