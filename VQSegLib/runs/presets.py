"""How long a run learns, and its configuration: what the parent was trained with, changed where fine-tuning differs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from VQSegLib.errors import ConfigError
from VQSegLib.training.config_values import complete, section, set_method, set_value

if TYPE_CHECKING:
    from VQSegLib.models.card import ModelCard
    from VQSegLib.project.folder import Project
    from VQSegLib.training.config import TrainingConfig

FINE_TUNING_RATE = 0.25
"""Share of the parent's learning rate that a run starting from its weights uses."""
_VALIDATIONS = 10
"""Points of the validation curve; the state to resume from is saved as often."""
_COPIED_SECTIONS = ("optimizer", "augmentation", "data")


@dataclass(frozen=True)
class Preset:
    """One choice of how long to learn."""

    name: str
    steps: int
    purpose: str


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("quick", 200, "a first impression"),
        Preset("standard", 1000, "after a few new scans"),
        Preset("thorough", 5000, "over night or on a GPU"),
    )
}
DEFAULT_PRESET = "standard"


def find_preset(name: str) -> Preset:
    """Return a preset.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in PRESETS:
        msg = f"The preset '{name}' is not known; choose one of {', '.join(PRESETS)}."
        raise ConfigError(msg)
    return PRESETS[name]


@dataclass(frozen=True)
class Wish:
    """What a user asks of a run.

    Attributes:
        preset: Key of :data:`PRESETS`.
        method: Training method; None learns semi-supervised where there are unlabeled scans and the network has codes.
        settings: Single values of the configuration such as ``optimizer.learning_rate=0.001``; they win.
    """

    preset: str = DEFAULT_PRESET
    method: str | None = None
    settings: Sequence[str] = ()


def build_run_config(
    project: Project, wish: Wish, name: str, parent: ModelCard | None, parent_path: str | None, *, has_unlabeled: bool
) -> TrainingConfig:
    """Return the configuration of a run.

    Args:
        project: Project.
        wish: What is asked for.
        name: Name of the new model.
        parent: Card of the model to start from; None for random weights.
        parent_path: Its file, absolute or relative to the run folder.
        has_unlabeled: Whether there are scans for the unlabeled stream.

    Raises:
        ConfigError: A value is not valid or not known, or the machine lacks the device asked for.
    """
    steps = _count_steps(wish)
    values: dict[str, Any] = {} if parent is None else _copy_parent(parent)
    has_codes = parent is None or parent.network.quantizer is not None
    if parent is not None and not has_codes and wish.method == "vqseg":
        msg = f"The model '{parent.name}' has no codebook, which method 'vqseg' needs; choose method 'supervised'."
        raise ConfigError(msg)
    method = wish.method or ("vqseg" if has_codes and (has_unlabeled or parent is not None) else "supervised")
    is_labeled_only = parent is not None and has_codes and (method == "supervised" or not has_unlabeled)
    # A network with codes stays one: what makes its training supervised is that it sees labeled patches only.
    set_method(values, "vqseg" if is_labeled_only and method == "supervised" else method)
    if parent is not None:
        values["parent"] = parent_path
        _adapt_schedule(values, steps)
        if is_labeled_only:
            values["method"]["pretraining_steps"] = steps
    values.update(name=name, max_steps=steps, validation_interval=max(1, steps // _VALIDATIONS))
    for setting in wish.settings:
        set_value(values, setting)
    _choose_precision(section(values, "device"))
    return complete(values, project.labels.num_classes, project.document.intensity_window)


def _count_steps(wish: Wish) -> int:
    """Return the steps of a run, on which its ramps depend: those of the preset unless they are set singly."""
    chosen: dict[str, Any] = {"max_steps": find_preset(wish.preset).steps}
    for setting in wish.settings:
        if setting.partition("=")[0].strip() == "max_steps":
            set_value(chosen, setting)
    steps = chosen["max_steps"]
    if not isinstance(steps, int) or steps < 1:
        msg = f"A run needs a whole number of steps, at least 1; given max_steps={steps}."
        raise ConfigError(msg)
    return steps


def _copy_parent(parent: ModelCard) -> dict[str, Any]:
    saved: dict[str, Any] = {} if parent.training is None else dict(parent.training.config)
    values = {section: saved[section] for section in (*_COPIED_SECTIONS, "method") if section in saved}
    values["network"] = parent.network.model_dump(mode="json")
    values["preprocessing"] = parent.preprocessing.model_dump(mode="json")
    data = values.setdefault("data", {})
    if parent.preprocessing.patch_size is not None:
        data.setdefault("patch_size", parent.preprocessing.patch_size)
    # The parent may come from a machine with many more cores.
    data["workers"] = min(data.get("workers", 1), max(1, (os.cpu_count() or 1) // 2))
    return values


def _adapt_schedule(values: dict[str, Any], steps: int) -> None:
    """Make a schedule for a network that can segment already."""
    method = values["method"]
    if method["name"] == "vqseg":
        # Corrections first: the averaged teacher begins as the parent, and its pseudo-labels repeat the very mistakes
        # that were corrected. The feature adapter's teacher lies in a folder of the machine the parent was trained on.
        method.update(pretraining_steps=steps // 2, rampup_steps=steps - steps // 2, pfa=False, foundation_teacher=None)
    optimizer = values.setdefault("optimizer", {})
    rate = float(optimizer.get("learning_rate", 1e-3))
    optimizer.update(learning_rate=rate * FINE_TUNING_RATE, warmup_steps=min(50, steps // 10))


def _choose_precision(device: dict[str, Any]) -> None:
    """Compute as segmentation does here, unless the user chose; a resumed run keeps what its configuration says."""
    from VQSegLib.inference.device import has_fast_bfloat16, resolve_device

    if "precision" not in device and has_fast_bfloat16(resolve_device(device.get("accelerator", "auto"))):
        device["precision"] = "bf16-mixed"
