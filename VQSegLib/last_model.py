"""The model that was used last stays in memory, on its device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from VQSegLib.resources import find_model

if TYPE_CHECKING:
    from pathlib import Path

    from VQSegLib.models.checkpoint import Model
    from VQSegLib.service_results import OnProgress


class LastModel:
    """Loads models and keeps the last one; a model file never changes after it is written."""

    def __init__(self) -> None:
        self._kept: dict[Path, Model] = {}

    def load(self, model: str, on_progress: OnProgress | None) -> Model:
        """Return a model, at once if it was used last.

        Args:
            model: Path of a model file or name of a shipped model.
            on_progress: Told when the file has to be read.

        Raises:
            ModelFileError: There is no such model, or the file is damaged.
        """
        from VQSegLib.models.checkpoint import load_checkpoint

        path = find_model(model)
        if path not in self._kept:
            if on_progress is not None:
                on_progress(0.0, "Loading the model", None)
            self._kept = {path: load_checkpoint(path)}
        return self._kept[path]
