"""Translated texts in Slicer; the texts as they are in the process that installs the engine, where Slicer is absent."""

from __future__ import annotations

import sys

if "slicer" in sys.modules:
    from slicer.i18n import tr as _
else:

    def _(text: str) -> str:
        """Return the text as it is."""
        return text


__all__ = ["_"]
