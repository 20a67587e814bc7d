"""Notices which slices a person looks at: those that were brought into view and stayed there for a moment."""

from __future__ import annotations

from typing import Callable, Dict, Tuple

import qt

from VQSegUI.Signal import Signal

BEAT_MILLISECONDS = 200
LOOK_MILLISECONDS = 1000


class SliceWatch:
    """Looks at the slice views a few times a second.

    A slice that was there before the watch began does not count: nobody chose to look at it.

    Attributes:
        looked: Emitted with the index k of a slice that was looked at.
        moved: Emitted without values when another slice is shown.
    """

    def __init__(self, shownSlices: Callable[[], Dict[str, int]]) -> None:
        """Make a watch that rests.

        Args:
            shownSlices: Returns the slice that each view shows.
        """
        self.looked, self.moved = Signal(), Signal()
        self._shownSlices = shownSlices
        self._views: Dict[str, Tuple[int, float]] = {}
        self._timer = qt.QTimer()
        self._timer.setInterval(BEAT_MILLISECONDS)
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        """Begin to watch."""
        self._views = {view: (k, float("inf")) for view, k in self._shownSlices().items()}
        self._timer.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._timer.stop()

    def isWatching(self) -> bool:
        """Return whether slices are watched."""
        return self._timer.isActive()

    def _beat(self) -> None:
        before, self._views = self._views, {}
        shown = self._shownSlices()
        for view, k in shown.items():
            known, waited = before.get(view, (None, 0.0))
            waited = waited + BEAT_MILLISECONDS if known == k else 0.0
            self._views[view] = (k, waited)
            if waited == LOOK_MILLISECONDS:
                self.looked.emit(k)
        if shown != {view: k for view, (k, _waited) in before.items()}:
            self.moved.emit()
