"""Which class becomes which in a mirrored patient."""

from __future__ import annotations

import re

from VQSegLib.labels import Label, LabelTable

_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
_OPPOSITE = {"left": "right", "right": "left"}


def mirrored_classes(labels: LabelTable) -> tuple[int, ...] | None:
    """Return for each class (background included) the class that it becomes in a mirrored patient.

    A label's side is its coded modifier Left or Right; without one, the word left, right, L or R in its name. Partners
    have the same coded type (or the same name without the side) and opposite sides.

    Returns:
        Class by class; None when a label with a side has no partner, or more than one: then nothing may be mirrored.
    """
    found = [_structure_and_side(label) for label in labels.labels]
    partners = [0]
    for index, (structure, side) in enumerate(found, start=1):
        if side is None:
            partners.append(index)
            continue
        mirrored = (structure, _OPPOSITE[side])
        if found.count(mirrored) != 1 or found.count((structure, side)) != 1:
            return None
        partners.append(found.index(mirrored) + 1)
    return tuple(partners)


def _structure_and_side(label: Label) -> tuple[str, str | None]:
    modifier = label.modifier.meaning.casefold() if label.modifier else ""
    words = re.findall(r"[^\W_]+", label.name.casefold())
    structure = label.type.value if label.type else " ".join(word for word in words if word not in _SIDES)
    if modifier in _OPPOSITE:
        return structure, modifier
    sides = {_SIDES[word] for word in words if word in _SIDES}
    return structure, sides.pop() if len(sides) == 1 else None
