"""The name under which the project records who decided."""

from __future__ import annotations

from typing import Dict

import slicer

from VQSegUI.QueuePart import ANNOTATOR_KEY


def annotatorParams() -> Dict[str, str]:
    """Return the name as a parameter of a request; empty when the person gave none."""
    name = str(slicer.app.settings().value(ANNOTATOR_KEY) or "").strip()
    return {"annotator_id": name} if name else {}
