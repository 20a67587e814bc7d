"""What may stand in a run folder before a run begins, and the configuration kept there."""

from __future__ import annotations

from pathlib import Path

from VQSegLib.atomic_files import write_text
from VQSegLib.documents import parse_document
from VQSegLib.errors import ConfigError, ProjectError
from VQSegLib.labels import LabelTable
from VQSegLib.models.network import compute_size_divisor
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.run_files import CONFIG_FILE
from VQSegLib.training.splits import TrainingCases, save_cases


def check_config(labels: LabelTable, config: TrainingConfig) -> None:
    """Make sure that a configuration fits the label table of its run and itself.

    Raises:
        ConfigError: Another number of classes than the table has, or patches the network cannot take.
    """
    if labels.num_classes != config.network.num_classes:
        msg = (
            f"network.num_classes is {config.network.num_classes}, but the project has "
            f"{labels.num_classes} classes with background; set it to {labels.num_classes}."
        )
        raise ConfigError(msg)
    sides, divisor = config.data.patch_size, compute_size_divisor(config.network)
    if any(side <= 0 or side % part for side, part in zip(sides, divisor, strict=True)):
        msg = f"data.patch_size is {sides}, but this network needs multiples of {divisor}; change it to such multiples."
        raise ConfigError(msg)


def check_new(folder: Path) -> None:
    """Make sure that a new run overwrites nothing.

    Raises:
        ProjectError: The folder holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"The run folder '{folder}' exists already; choose a new one or go on with --resume."
        raise ProjectError(msg)


def check_resumable(folder: Path, config: TrainingConfig) -> None:
    """Make sure that the run in ``folder`` was started with this configuration.

    Raises:
        ProjectError: There is no run.
        ConfigError: The run has another configuration, or its file is damaged.
    """
    saved = folder / CONFIG_FILE
    if not saved.is_file():
        msg = f"There is no run to resume in '{folder}' (no {CONFIG_FILE}); start it without --resume."
        raise ProjectError(msg)
    if parse_document(TrainingConfig, saved.read_bytes(), str(saved), ConfigError) != config:
        msg = f"The run in '{folder}' was started with another configuration; resume it with its own {CONFIG_FILE}."
        raise ConfigError(msg)


def prepare(folder: Path, config: TrainingConfig, cases: TrainingCases) -> None:
    """Make the run folder and keep configuration and choice of cases in it.

    Raises:
        ProjectError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_cases(folder, cases)
        write_text(folder / CONFIG_FILE, config.model_dump_json(indent=2))
    except OSError as exc:
        msg = f"The run folder '{folder}' cannot be written ({exc.strerror}); choose a folder you may write to."
        raise ProjectError(msg) from exc
