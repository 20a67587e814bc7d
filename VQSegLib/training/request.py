"""What a user asks of a training run, and turning it into a complete configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from VQSegLib.documents import parse_document
from VQSegLib.errors import ConfigError, ProjectError
from VQSegLib.project.cases import make_id
from VQSegLib.project.folder import Project
from VQSegLib.training.config_values import complete, load_values, set_method, set_value
from VQSegLib.training.run_files import CONFIG_FILE

if TYPE_CHECKING:
    from VQSegLib.training.config import TrainingConfig


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
    values = load_values(request.config) if request.config else {}
    if request.method is not None:
        set_method(values, request.method)
    for setting in request.settings:
        set_value(values, setting)
    fill_from_parent(values)
    return complete(values, project.labels.num_classes, project.document.intensity_window)
