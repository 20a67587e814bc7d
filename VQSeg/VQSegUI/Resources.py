"""Where the panel's files lie: beside VQSeg.py once installed, one folder higher in a checkout."""

from __future__ import annotations

from pathlib import Path


def resourcePath(name: str) -> str:
    """Return the path of a file of ``Resources``, for example ``UI/SegmentSection.ui``."""
    moduleFolder = Path(__file__).resolve().parent.parent
    installed = moduleFolder / "Resources" / name
    return str(installed if installed.exists() else moduleFolder.parent / "Resources" / name)
