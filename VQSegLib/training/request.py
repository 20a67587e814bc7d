"""What a user asks of a training run, and turning it into a complete configuration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from VQSegLib.documents import describe_validation_error, parse_document
from VQSegLib.errors import ConfigError, ProjectError
from VQSegLib.project.cases import make_id
from VQSegLib.project.folder import Project
from VQSegLib.training.run_files import CONFIG_FILE

if TYPE_CHECKING:
    from VQSegLib.training.config import TrainingConfig

DEFAULT_METHOD = "vqseg"
_DEFAULT_PATCH_SIZE = {2: [128, 128], 3: [64, 64, 64]}


@dataclass(frozen=True)
class TrainingRequest:
    """One training run as it is asked for.

    Attributes:
        output: Run folder; None makes one in the project's ``runs``.
        config: JSON file with any part of the training configuration.
        method: Method or preset; None takes the configuration's, or ``vqseg``.
        settings: Single values such as ``optimizer.learning_rate=0.001``; they win over the file.
        resume: Go on with the run in ``output``, by its own configuration unless another is given.
        command: Command line for the model card, without paths.
    """

    output: Path | None = None
    config: Path | None = None
    method: str | None = None
    settings: Sequence[str] = ()
    resume: bool = False
    command: str = ""


def choose_run_folder(project: Project, request: TrainingRequest) -> Path:
    """Return the folder of the run.

    Raises:
        ProjectError: A run is to be resumed and no folder is given, or the folder would lie in a missing one.
    """
    if request.output is None:
        if request.resume:
            msg = f"Say which run to resume: --output with one of the folders in '{project.path / 'runs'}'."
            raise ProjectError(msg)
        return project.path / "runs" / make_id("run")
    if not request.output.parent.is_dir():
        msg = f"The folder '{request.output.parent}' does not exist; create it or choose another run folder."
        raise ProjectError(msg)
    return request.output


def build_config(project: Project, request: TrainingRequest, run_folder: Path) -> TrainingConfig:
    """Return the complete configuration: file, then method, then single settings, then what the project says.

    Raises:
        ConfigError: A file or value is not valid.
    """
    from VQSegLib.training.config import TrainingConfig
    from VQSegLib.training.parent import fill_from_parent

    is_plain_resume = request.resume and not (request.config or request.method or request.settings)
    if is_plain_resume and (run_folder / CONFIG_FILE).is_file():
        saved = run_folder / CONFIG_FILE
        return parse_document(TrainingConfig, saved.read_bytes(), str(saved), ConfigError)
    values = _load_values(request.config) if request.config else {}
    if request.method is not None:
        set_method(values, request.method)
    for setting in request.settings:
        set_value(values, setting)
    fill_from_parent(values)
    return complete_config(values, project)


def complete_config(values: dict[str, Any], project: Project) -> TrainingConfig:
    """Return the configuration that ``values`` (JSON, changed in place) and the project make.

    Raises:
        ConfigError: A value is not valid.
    """
    from VQSegLib.training.config import TrainingConfig

    _fill_from_project(values, project)
    try:
        return TrainingConfig.model_validate_json(json.dumps(values))
    except ValidationError as exc:
        raise ConfigError(describe_validation_error(exc, "The training configuration")) from exc


def _load_values(path: Path) -> dict[str, Any]:
    """Read a configuration file, which may leave out anything that has a default."""
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
    """Choose a method, or a preset of one, in JSON values of a configuration.

    Raises:
        ConfigError: There is none of that name.
    """
    from VQSegLib.methods import METHODS
    from VQSegLib.training.presets import PRESETS, build_preset

    if name in PRESETS:
        for key, preset in build_preset(name).items():
            # What the file says of a section wins, but a preset's method is taken whole.
            given = {} if key == "method" else _section(values, key)
            values[key] = {**preset, **given}
    elif name not in METHODS:
        msg = f"The method '{name}' is not known; choose one of {', '.join(sorted({*METHODS, *PRESETS}))}."
        raise ConfigError(msg)
    elif _section(values, "method").get("name") != name:
        values["method"] = {"name": name}


def set_value(values: dict[str, Any], setting: str) -> None:
    """Apply ``section.name=value`` to JSON values; the value is JSON, or text where that is no JSON.

    Raises:
        ConfigError: The setting has another form.
    """
    key, found, text = setting.partition("=")
    if not found or not key.strip():
        msg = f"The setting '{setting}' must look like optimizer.learning_rate=0.001 (name, =, value)."
        raise ConfigError(msg)
    *sections, name = key.strip().split(".")
    for section in sections:
        values = _section(values, section)
    try:
        values[name] = json.loads(text)
    except ValueError:
        values[name] = text


def _section(values: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a part of the configuration, made if it is missing."""
    section = values.setdefault(name, {})
    if not isinstance(section, dict):
        msg = f"The setting '{name}' is a group of settings, given {section!r}; set one part as {name}.part=value."
        raise ConfigError(msg)
    return section


def _fill_from_project(values: dict[str, Any], project: Project) -> None:
    """Fill in what follows from the project and was not set."""
    _section(values, "method").setdefault("name", DEFAULT_METHOD)
    network, preprocessing = _section(values, "network"), _section(values, "preprocessing")
    network.setdefault("num_classes", project.labels.num_classes)
    _fill_encoder(_section(network, "encoder"), network.setdefault("spatial_dims", 2))
    low, high = project.document.intensity_window
    preprocessing.setdefault("window_low", low)
    preprocessing.setdefault("window_high", high)
    patch_size = _DEFAULT_PATCH_SIZE.get(network["spatial_dims"])
    if patch_size:
        _section(values, "data").setdefault("patch_size", patch_size)


def _fill_encoder(encoder: dict[str, Any], spatial_dims: Any) -> None:
    """Halve every axis from stage to stage unless strides are given, for any number of stages and axes."""
    if encoder.setdefault("kind", "conv") != "conv" or spatial_dims not in (2, 3):
        return
    from VQSegLib.models.config import ConvEncoderConfig

    channels = encoder.get("channels", ConvEncoderConfig().channels)
    if isinstance(channels, (list, tuple)):
        encoder.setdefault("strides", [[1 if stage == 0 else 2] * spatial_dims for stage in range(len(channels))])
