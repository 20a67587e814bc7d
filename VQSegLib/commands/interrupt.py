"""Ctrl-C as a request that long work polls, so that it stops at a place where nothing is half done.

An exception raised at any instant can be lost in a library's callback, or keep a training run from saving its state.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def cancel_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C was pressed; a second Ctrl-C interrupts at once."""
    was_pressed = False

    def note(signal_number: int, frame: FrameType | None) -> None:
        nonlocal was_pressed
        if was_pressed:
            signal.default_int_handler(signal_number, frame)
        was_pressed = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: was_pressed
    finally:
        signal.signal(signal.SIGINT, before)
