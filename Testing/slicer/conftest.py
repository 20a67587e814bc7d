"""A small Slicer for the tests of the module; they are skipped where slicer-core or PySide6 is not installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
AVAILABLE = all(importlib.util.find_spec(name) for name in ("slicer", "PySide6"))
collect_ignore_glob = ["slicer_harness/*"] if AVAILABLE else ["*"]

if AVAILABLE:
    for folder in (HERE, ROOT, ROOT / "VQSeg"):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    from slicer_harness import install

    install()
