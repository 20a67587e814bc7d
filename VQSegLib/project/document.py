"""``project.json``: what all cases and models of a project share, and how its label table may change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from VQSegLib.documents import Document, describe_validation_error
from VQSegLib.errors import ProjectError
from VQSegLib.labels import Code, Label, LabelTable

PROJECT_NAME = "project.json"


class ProjectDocument(Document):
    """``project.json``.

    A value belongs to its structure for good: a removed label keeps its value among the retired ones and gets it back
    when a label of that name is added again; no other label ever gets it.
    """

    format_version: Literal[1] = 1
    labels: LabelTable
    retired_labels: tuple[Label, ...] = Field(default=(), description="Removed labels, whose values stay taken.")
    modality: str = Field(default="CT", min_length=1)
    intensity_window: tuple[float, float] = Field(default=(-1000.0, 1000.0), description="Lowest and highest HU used.")

    @field_validator("intensity_window")
    @classmethod
    def _check_window(cls, window: tuple[float, float]) -> tuple[float, float]:
        if window[0] >= window[1]:
            msg = "its low end must be below its high end"
            raise ValueError(msg)
        return window

    @model_validator(mode="after")
    def _check_retired(self) -> ProjectDocument:
        if self.retired_labels:
            LabelTable(labels=(*self.labels.labels, *self.retired_labels))
        return self


def add_label(
    document: ProjectDocument,
    name: str,
    color: tuple[int, int, int] | None = None,
    *,
    category: Code | None = None,
    type: Code | None = None,
    modifier: Code | None = None,
) -> ProjectDocument:
    """Return the document with one more label, at the end of the table.

    A retired label of that name comes back with its value; otherwise the label gets a value nothing ever had.

    Raises:
        ProjectError: The name is taken, no value is left, or a part is not valid.
    """
    if any(label.name == name for label in document.labels.labels):
        msg = f"The label table has a label '{name}' already; choose another name."
        raise ProjectError(msg)
    known = next((label for label in document.retired_labels if label.name == name), None)
    value = known.value if known is not None else _unused_value(document)
    retired = tuple(label for label in document.retired_labels if label.name != name)
    given = {"color": color, "category": category, "type": type, "modifier": modifier}
    base = {"color": _color_of(value)} if known is None else known.model_dump()
    parts = {**base, **{key: part for key, part in given.items() if part is not None}, "value": value, "name": name}
    return _changed(document, [*(label.model_dump() for label in document.labels.labels), parts], retired)


def rename_label(document: ProjectDocument, value: int, name: str) -> ProjectDocument:
    """Return the document with another name for the label of this value.

    Raises:
        ProjectError: No label has the value, or the name is taken, be it by a removed label.
    """
    find_label(document.labels, value)
    labels = [
        {**label.model_dump(), "name": name} if label.value == value else label.model_dump()
        for label in document.labels.labels
    ]
    return _changed(document, labels, document.retired_labels)


def remove_label(document: ProjectDocument, value: int) -> ProjectDocument:
    """Return the document without the label of this value, which stays taken; label maps keep their voxels.

    Raises:
        ProjectError: No label has the value, or it is the last one.
    """
    removed = find_label(document.labels, value)
    if len(document.labels.labels) == 1:
        msg = f"'{removed.name}' is the only label; a project needs at least one, add another label first."
        raise ProjectError(msg)
    labels = [label.model_dump() for label in document.labels.labels if label.value != value]
    return _changed(document, labels, (*document.retired_labels, removed))


def reorder_labels(document: ProjectDocument, values: Sequence[int]) -> ProjectDocument:
    """Return the document with its labels in the order of ``values``.

    Raises:
        ProjectError: ``values`` are not exactly the values of the table.
    """
    if sorted(values) != sorted(document.labels.values):
        given, known = ", ".join(map(str, values)), ", ".join(map(str, document.labels.values))
        msg = f"The new order must name every label value once ({known}), given: {given}."
        raise ProjectError(msg)
    by_value = {label.value: label for label in document.labels.labels}
    return _changed(document, [by_value[value].model_dump() for value in values], document.retired_labels)


def find_label(table: LabelTable, value: int) -> Label:
    """Return the label of a value.

    Raises:
        ProjectError: The table has none.
    """
    for label in table.labels:
        if label.value == value:
            return label
    known = ", ".join(f"{label.value} ({label.name})" for label in table.labels)
    msg = f"The label table has no value {value}; it has {known}."
    raise ProjectError(msg)


def _unused_value(document: ProjectDocument) -> int:
    taken = {label.value for label in (*document.labels.labels, *document.retired_labels)}
    free = [value for value in range(1, 256) if value not in taken]
    above = [value for value in free if value > max(taken)]
    if not free:
        msg = "All 255 label values are taken, also by removed labels; start a new project for other labels."
        raise ProjectError(msg)
    return (above or free)[0]


def _color_of(value: int) -> tuple[int, int, int]:
    """Return a color that differs well from those of neighbouring values (golden angle of hue)."""
    import colorsys

    red, green, blue = colorsys.hsv_to_rgb(value * 0.618033988749895 % 1.0, 0.65, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def _changed(
    document: ProjectDocument, labels: Sequence[dict[str, object]], retired: tuple[Label, ...]
) -> ProjectDocument:
    content = document.model_dump() | {
        "labels": {"labels": labels},
        "retired_labels": [label.model_dump() for label in retired],
    }
    try:
        return ProjectDocument.model_validate(content)
    except ValidationError as exc:
        raise ProjectError(describe_validation_error(exc, "The changed label table")) from exc
