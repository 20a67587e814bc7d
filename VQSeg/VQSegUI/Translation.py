"""Translated texts in Slicer; the texts themselves in the process that installs the engine, which must not load Slicer."""

from __future__ import annotations

import sys

if "slicer" in sys.modules:
    from slicer.i18n import tr as _
else:

    def _(text: str) -> str:
        """Return the text as it is."""
        return text


__all__ = ["_"]
