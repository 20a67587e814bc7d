"""Base of every JSON document VQSeg writes: unknown or wrong fields are refused in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from VQSegLib.errors import VQSegError


class Document(BaseModel):
    """Immutable JSON document; fields that are not declared are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


DocumentT = TypeVar("DocumentT", bound=Document)


def parse_document(cls: type[DocumentT], text: str | bytes, source: str, error: type[VQSegError]) -> DocumentT:
    """Parse JSON ``text`` as ``cls``.

    Args:
        cls: Document class.
        text: JSON text.
        source: What the text is, as the user knows it (a file name, "model card"); first words of the sentence.
        error: Exception class to raise.

    Raises:
        error: One sentence that names the first wrong field, what is wrong with it and what was given.
    """
    try:
        return cls.model_validate_json(text)
    except ValidationError as exc:
        raise error(describe_validation_error(exc, source)) from exc


def describe_validation_error(exc: ValidationError, source: str) -> str:
    """Return one sentence for the first problem of a pydantic error."""
    problem = exc.errors(include_url=False)[0]
    field = ".".join(str(part) for part in problem["loc"]) or "the document"
    given = repr(problem["input"])
    shown = given if len(given) <= 80 else given[:77] + "..."
    reason = problem["msg"].removeprefix("Value error, ")
    return f"{source}: field '{field}' is not valid: {reason} (given: {shown})."
