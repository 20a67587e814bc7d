"""The models of a project and which of them Segment uses: ``models/``.

Model files never change; promoting and rolling back replace ``models/active.json`` and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from VQSegLib.atomic_files import write_text, written_atomically
from VQSegLib.documents import Document
from VQSegLib.errors import ProjectError
from VQSegLib.models.model_file import read_checked, read_header
from VQSegLib.models.store import MODEL_SUFFIX, ModelEntry, list_models
from VQSegLib.project.cases import make_id
from VQSegLib.project.review import utc_now
from VQSegLib.project.stored_documents import DocumentReader
from VQSegLib.project.writing import only_writer, told_failures

ACTIVE_NAME = "active.json"


class Decision(Document):
    """One entry of the history: a model was promoted, or the one before it came back."""

    action: Literal["promoted", "rolled_back"]
    model_id: str | None = Field(description="Model in use from then on; null: none of the project's own.")
    model_sha256: str | None = Field(description="Its content hash.")
    decided: str = Field(description="UTC time, ISO 8601.")
    decided_by: str | None = Field(default=None, description="Name that person chose to be recorded under.")
    rule: str = Field(description="Rule or reason in words, with the figures it rests on.")


class ActiveModel(Document):
    """``models/active.json``: who decided what, the latest decision last."""

    format_version: Literal[1] = 1
    history: tuple[Decision, ...] = ()

    @property
    def current(self) -> Decision | None:
        """The decision in force."""
        return self.history[-1] if self.history else None

    def previous(self) -> Decision | None:
        """Return the decision that rolling back restores; None: no model of the project was in use before."""
        stack: list[Decision] = []
        for decision in self.history:
            if decision.action == "promoted":
                stack.append(decision)
            elif stack:
                stack.pop()
        return stack[-2] if len(stack) > 1 else None

    @property
    def can_roll_back(self) -> bool:
        """Whether a promoted model is in use."""
        return self.current is not None and self.current.model_id is not None


class ModelShelf:
    """The ``models`` folder of a project."""

    def __init__(self, folder: Path) -> None:
        """Use ``folder``."""
        self.folder = folder
        self._reader = DocumentReader(ActiveModel)

    def add(self, source: Path) -> str:
        """Copy a model file into the project; one that is there already is not copied again.

        Returns:
            Its id in the project.

        Raises:
            ModelFileError: The file is damaged or no model file.
            ProjectError: It cannot be written.
        """
        header, content = read_checked(source)
        known = self.find_sha256(header.sha256)
        if known is not None:
            return known
        model_id = make_id("model")
        with told_failures(self.folder), written_atomically(self.path(model_id), is_new=True) as temporary:
            temporary.write_bytes(content)
        return model_id

    def list(self) -> dict[str, ModelEntry]:
        """Return the models by id; those that cannot be used come with the reason."""
        return {entry.path.stem: entry for entry in list_models(self.folder)}

    def find_sha256(self, sha256: str) -> str | None:
        """Return the id of the model with this content hash."""
        usable = (entry.path for entry in self.list().values() if entry.card is not None)
        return next((path.stem for path in usable if read_header(path).sha256 == sha256), None)

    def path(self, model_id: str) -> Path:
        """Return the file of a model, whether it exists or not."""
        return self.folder / f"{model_id}{MODEL_SUFFIX}"

    def active(self) -> ActiveModel:
        """Return which model is in use, and how it came to that.

        Raises:
            ProjectError: ``active.json`` is damaged.
        """
        try:
            return self._reader.read(self.folder / ACTIVE_NAME)
        except FileNotFoundError:
            return ActiveModel()

    def active_path(self) -> Path | None:
        """Return the file of the model in use, None if it is none of the project's own.

        Raises:
            ProjectError: ``active.json`` is damaged, or its model file is missing.
        """
        current = self.active().current
        return None if current is None or current.model_id is None else self._existing_path(current.model_id)

    def promote(self, model_id: str, *, rule: str, decided_by: str | None = None) -> ActiveModel:
        """Make a model the one Segment uses.

        Raises:
            ProjectError: There is no such model, it is in use already, or ``active.json`` cannot be written.
            ModelFileError: The file is damaged.
        """
        sha256 = read_checked(self._existing_path(model_id))[0].sha256
        with only_writer(self.folder):
            active = self.active()
            if active.current is not None and active.current.model_id == model_id:
                msg = f"The model '{model_id}' is in use already; choose another one."
                raise ProjectError(msg)
            decision = Decision(
                action="promoted",
                model_id=model_id,
                model_sha256=sha256,
                decided=utc_now(),
                decided_by=decided_by,
                rule=rule,
            )
            return self._write(active, decision)

    def roll_back(self, *, rule: str = "Asked for by the user.", decided_by: str | None = None) -> ActiveModel:
        """Go back to the model that was in use before the present one.

        Raises:
            ProjectError: No promoted model is in use, the one before is gone, or ``active.json`` cannot be written.
        """
        with only_writer(self.folder):
            active = self.active()
            if not active.can_roll_back:
                msg = "No model of the project is in use, so there is nothing to roll back to; promote one first."
                raise ProjectError(msg)
            previous = active.previous()
            if previous is not None and previous.model_id is not None:
                self._existing_path(previous.model_id)
            decision = Decision(
                action="rolled_back",
                model_id=None if previous is None else previous.model_id,
                model_sha256=None if previous is None else previous.model_sha256,
                decided=utc_now(),
                decided_by=decided_by,
                rule=rule,
            )
            return self._write(active, decision)

    def _write(self, active: ActiveModel, decision: Decision) -> ActiveModel:
        after = active.model_copy(update={"history": (*active.history, decision)})
        with told_failures(self.folder):
            write_text(self.folder / ACTIVE_NAME, after.model_dump_json(indent=2))
        return after

    def _existing_path(self, model_id: str) -> Path:
        if model_id not in self.list():
            known = ", ".join(self.list()) or "none"
            msg = f"The project has no model '{model_id}'; it has: {known}."
            raise ProjectError(msg)
        return self.path(model_id)
