"""Runs of a benchmark and their configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from VQSegLib.comparison.opening import open_data
from VQSegLib.comparison.plan import BenchmarkPlan
from VQSegLib.comparison.rows import TABLE_1, Row, choose_rows
from VQSegLib.errors import ConfigError

UNET_F, UNET_S = choose_rows(["supervised"])


def plan(**changes: Any) -> BenchmarkPlan:
    return BenchmarkPlan(**{"rows": (UNET_F, UNET_S), "budgets": ("2", "5"), "seeds": (0, 1), "steps": 4000, **changes})


def test_an_upper_bound_runs_once_per_seed_and_others_once_per_budget(lidc: Path) -> None:
    runs = list(plan().runs(open_data(lidc)))
    assert [(run.row.name, run.labeled, run.seed) for run in runs] == [
        ("UNet-F", 14, 0),
        ("UNet-S", 2, 0),
        ("UNet-S", 5, 0),
        ("UNet-F", 14, 1),
        ("UNet-S", 2, 1),
        ("UNet-S", 5, 1),
    ]
    assert len({run.folder_name for run in runs}) == 6


def test_every_row_has_the_same_data_network_budget_and_selection(lidc: Path) -> None:
    data = open_data(lidc)
    whole = plan(rows=TABLE_1, budgets=("5%",), seeds=(0,))
    configs = {run.row.name: whole.build_config(run, data, 4000) for run in whole.runs(data)}
    for part in ("network", "preprocessing", "data", "max_steps", "validation_interval", "seed", "device"):
        assert len({repr(getattr(config, part)) for config in configs.values()}) == 1, part
    others = [config for name, config in configs.items() if not name.startswith("nnU-Net")]
    assert len({repr((config.optimizer, config.augmentation)) for config in others}) == 1
    assert configs["nnU-Net recipe-S"].optimizer.nesterov, "the optimizer is part of the recipe"
    assert configs["BCP"].validation_interval == 400
    assert configs["BCP"].network.encoder.kind == "unet"


def test_the_users_values_win_and_a_rows_own_win_over_them(lidc: Path) -> None:
    data, row = open_data(lidc), Row(name="a", method="nnunet", settings=("seed=7", "optimizer.momentum=0.5"))
    own = plan(rows=(row,), seeds=(3,), values={"optimizer": {"learning_rate": 0.5}}, settings=("device.threads=2",))
    config = own.build_config(next(own.runs(data)), data, 20)
    assert (config.optimizer.learning_rate, config.optimizer.momentum) == (0.5, 0.5)
    assert config.device.threads == 2
    assert (config.seed, config.max_steps, config.validation_interval) == (3, 20, 20)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"minutes": 3.0}, "--steps or --minutes"),
        ({"steps": None}, "--steps or --minutes"),
        ({"steps": 0}, "at least 1 step"),
        ({"steps": None, "minutes": -1.0}, "more than 0 minutes"),
        ({"values": {"method": {"name": "bcp"}}}, "leave 'method' to the benchmark"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plan(**changes)
