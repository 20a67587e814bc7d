"""Asks before the first scan leaves this computer."""

from __future__ import annotations

import platform
from typing import Any

import slicer
from slicer.i18n import tr as _

SETTINGS_KEY = "VQSeg/SendScansTo/"


def maySendScans(engine: Any) -> bool:
    """Return whether scans may go to where a ready engine runs; the person is asked once per computer."""
    host = engine.information.get("host") or ""
    if not host or host == platform.node():
        return True
    text = _(
        "The engine runs on another computer, '{host}'. To be segmented, the scan's voxels are sent there; names and "
        "DICOM tags are not. Send scans to '{host}'?"
    )
    title, key = _("Send scans to another computer"), SETTINGS_KEY + host
    answer = slicer.util.confirmOkCancelDisplay(text.format(host=host), windowTitle=title, dontShowAgainSettingsKey=key)
    return bool(answer)
