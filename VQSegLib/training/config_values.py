"""Training configurations while they are put together, as JSON values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from VQSegLib.documents import describe_validation_error
from VQSegLib.errors import ConfigError

if TYPE_CHECKING:
    from VQSegLib.training.config import TrainingConfig

DEFAULT_METHOD = "vqseg"
_DEFAULT_PATCH_SIZE = {2: [128, 128], 3: [64, 64, 64]}


def load_values(path: Path) -> dict[str, Any]:
    """Read a configuration file, which may leave out anything that has a default.

    Raises:
        ConfigError: It cannot be read, or is no JSON object.
    """
    try:
        values = json.loads(path.read_bytes())
    except OSError as exc:
        msg = f"The configuration '{path}' cannot be read ({exc.strerror}); give a JSON file."
        raise ConfigError(msg) from exc
    except ValueError as exc:
        msg = f"The configuration '{path}' is not JSON ({exc}); correct it or give another file."
        raise ConfigError(msg) from exc
    if not isinstance(values, dict):
        msg = f"The configuration '{path}' must hold a JSON object with settings, given {type(values).__name__}."
        raise ConfigError(msg)
    return values


def set_method(values: dict[str, Any], name: str) -> None:
    """Choose a method, or a preset of one.

    Raises:
        ConfigError: There is neither of this name.
    """
    from VQSegLib.methods import METHODS
    from VQSegLib.training.presets import PRESETS, build_preset

    if name in PRESETS:
        for key, preset in build_preset(name).items():
            # What the file says of a section wins, but a preset's method is taken whole.
            given = {} if key == "method" else section(values, key)
            values[key] = {**preset, **given}
    elif name not in METHODS:
        msg = f"The method '{name}' is not known; choose one of {', '.join(sorted({*METHODS, *PRESETS}))}."
        raise ConfigError(msg)
    elif section(values, "method").get("name") != name:
        values["method"] = {"name": name}


def set_value(values: dict[str, Any], setting: str) -> None:
    """Apply ``section.name=value``; the value is JSON, or text where that is no JSON.

    Raises:
        ConfigError: It does not look like that.
    """
    key, found, text = setting.partition("=")
    if not found or not key.strip():
        msg = f"The setting '{setting}' must look like optimizer.learning_rate=0.001 (name, =, value)."
        raise ConfigError(msg)
    *sections, name = key.strip().split(".")
    for part in sections:
        values = section(values, part)
    try:
        values[name] = json.loads(text)
    except ValueError:
        values[name] = text


def section(values: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a part of the configuration, made if it is missing.

    Raises:
        ConfigError: A single value is there.
    """
    found = values.setdefault(name, {})
    if not isinstance(found, dict):
        msg = f"The setting '{name}' is a group of settings, given {found!r}; set one part as {name}.part=value."
        raise ConfigError(msg)
    return found


def complete(values: dict[str, Any], num_classes: int, window: tuple[float, float]) -> TrainingConfig:
    """Return the complete configuration, with what follows from the data where it was not set.

    Args:
        values: Configuration as JSON values.
        num_classes: Classes of the data, background included.
        window: Lowest and highest intensity used.

    Raises:
        ConfigError: A value is not valid.
    """
    from VQSegLib.training.config import TrainingConfig

    section(values, "method").setdefault("name", DEFAULT_METHOD)
    network, preprocessing = section(values, "network"), section(values, "preprocessing")
    network.setdefault("num_classes", num_classes)
    _fill_encoder(section(network, "encoder"), network.setdefault("spatial_dims", 2))
    preprocessing.setdefault("window_low", window[0])
    preprocessing.setdefault("window_high", window[1])
    patch_size = _DEFAULT_PATCH_SIZE.get(network["spatial_dims"])
    if patch_size:
        section(values, "data").setdefault("patch_size", patch_size)
    try:
        return TrainingConfig.model_validate_json(json.dumps(values))
    except ValidationError as exc:
        raise ConfigError(describe_validation_error(exc, "The training configuration")) from exc


def _fill_encoder(encoder: dict[str, Any], spatial_dims: Any) -> None:
    """Halve every axis from stage to stage unless strides are given, for any number of stages and axes."""
    if encoder.setdefault("kind", "conv") != "conv" or spatial_dims not in (2, 3):
        return
    from VQSegLib.models.config import ConvEncoderConfig

    channels = encoder.get("channels", ConvEncoderConfig().channels)
    if isinstance(channels, (list, tuple)):
        encoder.setdefault("strides", [[1 if stage == 0 else 2] * spatial_dims for stage in range(len(channels))])
