"""The engine's worker: serves requests on stdin and answers on stdout until stdin closes.

``python -m VQSegLib.worker`` and ``vqseg worker`` are the same. Nothing heavy is imported before stdout is safe.
"""

from __future__ import annotations

from VQSegLib.worker.main import run

__all__ = ["run"]
