"""The model files of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from VQSegLib.errors import ModelFileError
from VQSegLib.models.card import ModelCard
from VQSegLib.models.checkpoint import read_card

MODEL_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class ModelEntry:
    """One model file: either its card, or the sentence that says why it cannot be used."""

    path: Path
    card: ModelCard | None
    problem: str | None = None


def list_models(folder: Path) -> list[ModelEntry]:
    """List the model files of ``folder``, by file name; only headers are read.

    Files that cannot be used are listed with the reason. Hidden files, such as one being written, are left out.

    Raises:
        ModelFileError: ``folder`` is not a folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        msg = f"There is no folder {folder} to list models from; check the name."
        raise ModelFileError(msg)
    names = sorted(path for path in folder.iterdir() if path.suffix.lower() == MODEL_SUFFIX)
    return [_entry(path) for path in names if not path.name.startswith(".")]


def _entry(path: Path) -> ModelEntry:
    try:
        return ModelEntry(path, read_card(path))
    except ModelFileError as exc:
        return ModelEntry(path, None, str(exc))
