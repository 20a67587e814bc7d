"""Which label value each drawn structure gets: by its value or its name, never by its place in a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from VQSegLib.errors import ProjectError
from VQSegLib.project.document import ProjectDocument


@dataclass(frozen=True)
class Structure:
    """A structure as an editor knows it.

    Attributes:
        name: Its name.
        value: Its value in the project's label table if it came from there; it stays when the name is changed.
    """

    name: str
    value: int | None = None


def match_structures(structures: Sequence[Structure], document: ProjectDocument) -> tuple[int, ...]:
    """Return the label value of each structure, in the given order.

    A structure that was deleted and drawn again has lost its value and is found by its name.

    Raises:
        ProjectError: A structure is not in the label table, value and name contradict each other, or two structures
            get the same value.
    """
    values = tuple(_match(structure, document) for structure in structures)
    for index, value in enumerate(values):
        if value in values[:index]:
            first, second = structures[values.index(value)].name, structures[index].name
            msg = f"'{first}' and '{second}' are the same label (value {value}); merge them or delete one."
            raise ProjectError(msg)
    return values


def _match(structure: Structure, document: ProjectDocument) -> int:
    by_name = {label.name.casefold(): label.value for label in document.labels.labels}
    named = by_name.get(structure.name.casefold())
    if structure.value is None:
        return _named(structure, named, document)
    if structure.value not in document.labels.values:
        return _named(structure, named, document)
    if named is not None and named != structure.value:
        owner = next(label.name for label in document.labels.labels if label.value == structure.value)
        msg = (
            f"The structure '{structure.name}' was drawn as '{owner}' (value {structure.value}), but its name is that "
            f"of label {named}; give it its old name back, or delete it and draw it anew."
        )
        raise ProjectError(msg)
    return structure.value


def _named(structure: Structure, named: int | None, document: ProjectDocument) -> int:
    if named is not None:
        return named
    if any(label.name.casefold() == structure.name.casefold() for label in document.retired_labels):
        advice = "it was removed from the table; add it again, delete the structure"
    else:
        advice = "add it to the table, rename the structure"
    known = ", ".join(label.name for label in document.labels.labels)
    msg = f"'{structure.name}' is not in the project's label table ({known}); {advice}, or leave it out."
    raise ProjectError(msg)
