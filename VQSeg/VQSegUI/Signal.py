"""A signal for classes that are not Qt objects."""

from __future__ import annotations

from typing import Any, Callable, List


class Signal:
    """Calls every connected function with the values given to ``emit``, in the order of connection."""

    def __init__(self) -> None:
        self._slots: List[Callable[..., Any]] = []

    def connect(self, slot: Callable[..., Any]) -> None:
        """Call ``slot`` from now on."""
        self._slots.append(slot)

    def disconnect(self, slot: Callable[..., Any]) -> None:
        """Call ``slot`` no longer; one that was not connected is ignored."""
        self._slots = [known for known in self._slots if known != slot]

    def emit(self, *values: Any) -> None:
        """Call the connected functions."""
        for slot in list(self._slots):
            slot(*values)
