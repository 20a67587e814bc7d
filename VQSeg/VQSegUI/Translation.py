"""``tr``: the translated text; the text itself where Slicer is absent, as in the process that installs the engine."""

from __future__ import annotations

try:
    from slicer.i18n import tr
except ImportError:

    def tr(text: str, _context: str = "") -> str:
        """Return the text as it is."""
        return text


__all__ = ["tr"]
