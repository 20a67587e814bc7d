"""``vqseg worker``."""

from __future__ import annotations


def worker() -> None:
    """Serve 3D Slicer or another program over stdin and stdout until stdin closes."""
    from VQSegLib.worker import run

    run()
