"""Durations in words."""

from __future__ import annotations

from slicer.i18n import tr as _

MINUTE, HOUR = 60, 3600


def describeDuration(seconds: float) -> str:
    """Return a duration as a person would say it, for example ``12 min``."""
    if seconds < 2 * MINUTE:
        return _("{count} s").format(count=max(1, round(seconds)))
    if seconds < 2 * HOUR:
        return _("{count} min").format(count=round(seconds / MINUTE))
    return _("{count} h").format(count=round(seconds / HOUR))
