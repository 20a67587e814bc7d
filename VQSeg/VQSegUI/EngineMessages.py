"""What the installing process tells the panel: one JSON object per line on its standard output. Standard library only.

``{"event": "progress", "fraction": 0.4, "stage": "Downloading torch"}``, ``{"event": "log", "line": "..."}``, and at
the end ``{"event": "done"}`` or ``{"event": "failed", "sentence": "...", "cancelled": false}``.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Dict, List

REPORT_SECONDS = 0.2


class Sender:
    """The installing side."""

    def __init__(self) -> None:
        self._fraction, self._stage, self._sentAt = 0.0, "", 0.0

    def progress(self, fraction: float, stage: str) -> None:
        """Say how far the work is; the fraction never falls, and much too frequent calls are thinned out."""
        self._fraction = max(self._fraction, fraction)
        now = time.monotonic()
        if stage != self._stage or now - self._sentAt >= REPORT_SECONDS:
            self._stage, self._sentAt = stage, now
            self._send({"event": "progress", "fraction": round(self._fraction, 4), "stage": stage})

    def log(self, line: str) -> None:
        """Pass a line on to the log."""
        self._send({"event": "log", "line": line})

    def failed(self, sentence: str, isCancelled: bool = False) -> None:
        """Say why it ended without success."""
        self._send({"event": "failed", "sentence": sentence, "cancelled": isCancelled})

    def done(self) -> None:
        """Say that everything went well."""
        self._send({"event": "done"})

    def _send(self, message: Dict[str, Any]) -> None:
        # ASCII only: right whatever code page the pipe has.
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


class Receiver:
    """The panel's side: bytes in, messages out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> List[Dict[str, Any]]:
        """Return the messages that are complete; a line that is none becomes a line of the log."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [_readMessage(line) for line in lines if line.strip()]


def _readMessage(line: bytes) -> Dict[str, Any]:
    text = line.decode("utf-8", "replace").strip()
    try:
        message = json.loads(text)
    except ValueError:
        message = None
    if isinstance(message, dict) and isinstance(message.get("event"), str):
        return message
    return {"event": "log", "line": text}
