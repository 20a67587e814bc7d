"""The slices and regions where the model was least sure, as the overlay node keeps them for the table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

PLACES_ATTRIBUTE = "VQSeg.UnsurePlaces"
KEPT_SLICES = 50


@dataclass(frozen=True)
class UnsurePlace:
    """A place to look at.

    Attributes:
        name: Structure in question; empty for a whole slice.
        percent: How unsure, 100 for the least sure place of its kind.
        ijk: Voxel of the scan to go to.
        isSlice: Whether it is a whole slice.
    """

    name: str
    percent: int
    ijk: Tuple[int, int, int]
    isSlice: bool


def placesOf(answer: Dict[str, Any], labels: Sequence[Dict[str, Any]], centers: Dict[int, Sequence[int]]) -> Any:
    """Return the places in the engine's answer, least sure first.

    Args:
        answer: Answer to ``uncertainty``.
        labels: Labels of the model.
        centers: Column and row ``(i, j)`` to look at in each slice.
    """
    names = {label["value"]: label["name"] for label in labels}
    regions, slices = answer.get("regions", []), answer.get("slices", [])[:KEPT_SLICES]
    found = [
        UnsurePlace(names.get(each["label"], ""), _percent(each, regions), tuple(each["center_ijk"]), False)
        for each in regions
    ]
    for each in slices:
        k = each["index_k"]
        found.append(UnsurePlace("", _percent(each, slices), (*centers.get(k, (0, 0)), k), True))
    return found


def writePlaces(node: Any, places: Sequence[UnsurePlace]) -> None:
    """Keep places with an overlay node."""
    node.SetAttribute(PLACES_ATTRIBUTE, json.dumps([asdict(place) for place in places]))


def readPlaces(node: Optional[Any]) -> List[UnsurePlace]:
    """Return the places kept with an overlay node."""
    text = (node.GetAttribute(PLACES_ATTRIBUTE) if node is not None else None) or "[]"
    return [UnsurePlace(**{**place, "ijk": tuple(place["ijk"])}) for place in json.loads(text)]


def _percent(place: Dict[str, Any], places: Sequence[Dict[str, Any]]) -> int:
    highest = max(each["score"] for each in places)
    return round(100 * place["score"] / highest) if highest > 0 else 0
