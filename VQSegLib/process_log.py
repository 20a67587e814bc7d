"""The log of a process without a terminal, which another program keeps or shows."""

from __future__ import annotations

import logging


def log_to_stderr() -> None:
    """Write what VQSeg logs, with time and level, to stderr and nowhere else."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("VQSegLib")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
