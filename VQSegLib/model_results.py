"""What the service answers about a project's models: documents for programs."""

from __future__ import annotations

from pydantic import Field

from VQSegLib.documents import Document
from VQSegLib.models.card import Scores
from VQSegLib.models.store import ModelEntry
from VQSegLib.training.figures import Comparison


class ShelvedModel(Document):
    """One model of a project; ``problem`` says why it cannot be used."""

    id: str
    name: str
    created: str | None = None
    parent: str | None = Field(default=None, description="Name of the model it was trained from.")
    labeled_cases: int | None = None
    held_out: Scores | None = None
    is_in_use: bool = False
    problem: str | None = None


class Promotion(Document):
    """What came of asking to use a model."""

    is_promoted: bool
    sentence: str = Field(description="What was done and why, or why a reason is asked for.")
    comparison: Comparison | None = Field(description="With the model in use before; null: there was none.")


def describe_shelved(model_id: str, entry: ModelEntry, in_use: str | None) -> ShelvedModel:
    """Return what a person needs to choose a model of a project."""
    card = entry.card
    if card is None:
        return ShelvedModel(id=model_id, name=model_id, problem=entry.problem)
    return ShelvedModel(
        id=model_id,
        name=card.name,
        created=card.created.isoformat(timespec="seconds"),
        parent=None if card.parent is None else card.parent.name,
        labeled_cases=None if card.training is None else card.training.labeled_cases,
        held_out=card.held_out,
        is_in_use=model_id == in_use,
    )
