"""``vqseg worker``."""

from __future__ import annotations


def worker() -> None:
    """Serve 3D Slicer over stdin and stdout."""
    from VQSegLib.worker import run

    run()
