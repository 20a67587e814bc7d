"""Files shipped with VQSeg: label tables, the demo scan and the demo model."""

from __future__ import annotations

from pathlib import Path

from VQSegLib.documents import parse_document
from VQSegLib.errors import ModelFileError, UserError
from VQSegLib.labels import LabelTable

MODEL_SUFFIX = ".safetensors"
PROJECT_NAME = "project.json"


def resources_folder() -> Path:
    """Return the ``Resources`` folder, which lies beside ``VQSegLib`` in a checkout and once installed."""
    return Path(__file__).resolve().parent.parent / "Resources"


def find_model(name_or_path: str) -> Path:
    """Return the file of a model given by its path, by the name of a shipped model, or by the project that uses it.

    Raises:
        ModelFileError: There is no such file and no shipped model of that name, or the project uses none.
        ProjectError: What the project says about its models is damaged.
    """
    path = Path(name_or_path).expanduser()
    if path.is_file():
        return path
    if (path / PROJECT_NAME).is_file():
        return _find_active_model(path)
    folder = resources_folder() / "models"
    shipped = folder / f"{name_or_path}{MODEL_SUFFIX}"
    if path.name == name_or_path and shipped.is_file():
        return shipped
    msg = (
        f"There is no model '{name_or_path}'; give the path of a model file ({MODEL_SUFFIX}) or the name of a shipped "
        f"model ({_listed(folder, MODEL_SUFFIX)})."
    )
    raise ModelFileError(msg)


def _find_active_model(project: Path) -> Path:
    from VQSegLib.project.model_shelf import ModelShelf

    active = ModelShelf(project / "models").active_path()
    if active is None:
        msg = f"The project '{project}' has no model in use; promote one or give a model file."
        raise ModelFileError(msg)
    return active


def load_label_table(name_or_path: str) -> LabelTable:
    """Load a label table given by the path of a JSON file or by the name of a shipped table.

    Raises:
        UserError: There is no such table, or it is not valid.
    """
    path = Path(name_or_path).expanduser()
    folder = resources_folder() / "labels"
    if not path.is_file() and path.name == name_or_path:
        path = folder / f"{name_or_path}.json"
    try:
        text = path.read_bytes()
    except OSError as exc:
        msg = (
            f"There is no label table '{name_or_path}'; give a JSON file or the name of a shipped table "
            f"({_listed(folder, '.json')})."
        )
        raise UserError(msg) from exc
    return parse_document(LabelTable, text, str(path), UserError)


def _listed(folder: Path, suffix: str) -> str:
    """Return the names of a folder's files for a sentence."""
    names = sorted(path.name.removesuffix(suffix) for path in folder.glob(f"*{suffix}"))
    return ", ".join(names) or "none is there yet"
