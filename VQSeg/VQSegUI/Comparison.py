"""A comparison of two models on the held-out scans, in words and as the rows of two tables."""

from __future__ import annotations

import html
from typing import Any, Dict, List, Optional

from slicer.i18n import tr as _

Row = List[str]
NOT_KNOWN = "-"


def describeComparison(comparison: Dict[str, Any]) -> str:
    """Return what the rule says, what it rests on and what the figures cannot tell, as rich text."""
    verdicts = {"not_worse": _("Not worse"), "worse": _("Worse"), "undecided": _("Your decision")}
    head = _("{verdict}: '{new}' compared with '{old}'")
    names = {"new": comparison["new"]["name"], "old": comparison["old"]["name"]}
    title = head.format(verdict=verdicts.get(comparison["verdict"], comparison["verdict"]), **names)
    lines = [comparison["sentence"], *comparison.get("notes", [])]
    return "<br>".join([f"<b>{html.escape(title)}</b>", *(html.escape(line) for line in lines)])


def labelRows(comparison: Dict[str, Any]) -> List[Row]:
    """Return mean and structures: name, Dice, its change with the interval, HD95 in mm."""
    figures = comparison["figures"]
    mean = {"name": _("Mean"), "dice": figures["dice"], "hd95_mm": figures["hd95_mm"]}
    return [_labelRow(label) for label in [mean, *figures["labels"]]]


def caseRows(comparison: Dict[str, Any]) -> List[Row]:
    """Return the held-out scans: ID, Dice, wrong voxels, voxels a person changed in the proposal."""
    proposers = {"old": _("old model's"), "new": _("new model's"), "other": _("another model's"), "none": ""}
    rows = []
    for case in comparison["figures"]["cases"]:
        changed, whose = case.get("changed_voxels"), proposers.get(case["proposed_by"], "")
        told = NOT_KNOWN if changed is None else str(changed)
        rows.append(
            [
                case["case_id"],
                _fromTo(case["old_dice"], case["new_dice"], 3),
                f"{case['old_wrong_voxels']} → {case['new_wrong_voxels']}",
                f"{told} ({whose})" if whose else told,
            ]
        )
    return rows


def _labelRow(label: Dict[str, Any]) -> Row:
    dice, distance = label["dice"], label["hd95_mm"]
    name = label["name"]
    missed = (label.get("old_missed", 0), label.get("new_missed", 0))
    if any(missed):
        name += _(" (missed {old} → {new})").format(old=missed[0], new=missed[1])
    return [name, _fromTo(dice["old"], dice["new"], 3), _change(dice), _fromTo(distance["old"], distance["new"], 1)]


def _fromTo(old: Optional[float], new: Optional[float], digits: int) -> str:
    return f"{_number(old, digits)} → {_number(new, digits)}"


def _number(value: Optional[float], digits: int) -> str:
    return NOT_KNOWN if value is None else f"{value:.{digits}f}"


def _change(paired: Dict[str, Any]) -> str:
    if paired["difference"] is None:
        return NOT_KNOWN
    interval = ""
    if paired["low"] is not None and paired["high"] is not None:
        interval = f" ({paired['low']:+.3f} … {paired['high']:+.3f})"
    return f"{paired['difference']:+.3f}{interval}"
