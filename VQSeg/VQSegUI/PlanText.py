"""What a run would use and how long it would take, in words."""

from __future__ import annotations

from typing import Any, Dict

from slicer.i18n import tr as _

from VQSegUI.Duration import describeDuration


def describePlan(plan: Dict[str, Any]) -> str:
    """Return which scans a run would use, and for what."""
    if not plan:
        return _("Looking at the project...")
    text = _(
        "Will be used: {labeled} labeled and {unlabeled} unlabeled scans. {heldOut} labeled scans are held out: "
        "never trained on, they judge the new model. Method: {method}."
    )
    words = {"labeled": plan["labeled"], "unlabeled": plan["unlabeled"], "heldOut": plan["held_out"]}
    return " ".join([text.format(**words, method=plan.get("method") or "?"), *plan.get("notes", [])])


def describePreset(preset: Dict[str, Any]) -> str:
    """Return how long a preset lasts."""
    name, seconds = presetName(preset), preset.get("seconds")
    steps = _("{count} steps").format(count=preset["steps"])
    lasts = _(", about {duration}").format(duration=describeDuration(seconds)) if seconds is not None else ""
    return f"{name}: {steps}{lasts}"


def presetName(preset: Dict[str, Any]) -> str:
    """Return what a preset is called."""
    names = {"quick": _("Quick"), "standard": _("Standard"), "thorough": _("Thorough")}
    return names.get(preset["name"], preset["name"])
