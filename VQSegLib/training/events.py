"""Training events: one JSON object per line, appended while the run goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from VQSegLib.atomic_files import write_text

EVENTS_FILE = "events.jsonl"


class EventLog:
    """Appends events to ``events.jsonl`` of a run.

    Args:
        folder: The run's folder.
        steps_done: Events of later steps are dropped first: a resumed run writes them again.
    """

    def __init__(self, folder: Path, steps_done: int = 0) -> None:
        self.path = folder / EVENTS_FILE
        kept = [event for event in read_events(folder) if event["step"] <= steps_done]
        write_text(self.path, "".join(json.dumps(event) + "\n" for event in kept))

    def write(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Append one event; numbers that are not finite become null, which JSON can hold."""
        clean = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in values.items()
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": kind, "step": step, **clean}) + "\n")


def read_events(folder: Path) -> list[dict[str, Any]]:
    """Return all whole events of a run; a last line cut short by a crash is left out."""
    path = folder / EVENTS_FILE
    if not path.exists():
        return []
    events = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            events.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return events
