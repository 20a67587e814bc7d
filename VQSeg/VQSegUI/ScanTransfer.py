"""Sends scans to the engine in slabs of a few MB, and only when the engine does not have them yet."""

from __future__ import annotations

from typing import Any, Dict

from slicer.i18n import tr as _

from VQSegLib.wire import WireArray, WireError
from VQSegUI.Engine import READY, Cancelled
from VQSegUI.Problem import Problem
from VQSegUI.SceneBridge import Scan
from VQSegUI.Signal import Signal

SLAB_BYTES = 4_000_000
SLABS_UNDER_WAY = 2
"""Slabs sent before the first is confirmed: two keep the pipe full and the GUI's write buffer small."""


class ScanTransfer:
    """Makes the engine hold one scan until it is left.

    Attributes:
        finished: Emitted with the engine's name of the scan.
        failed: Emitted with a `Problem`.
        progressed: Emitted with the fraction sent (0..1).
    """

    def __init__(self, engine: Any, scan: Scan) -> None:
        self.finished, self.failed, self.progressed = Signal(), Signal(), Signal()
        self._engine, self._scan, self._held = engine, scan, engine.heldScans
        self._volume: Any = None
        self._slices = max(1, SLAB_BYTES // max(1, scan.array[0].nbytes))
        self._next = self._received = 0
        self._isOver = self._isUsed = False

    def start(self) -> None:
        """Send the scan unless the engine holds it already."""
        volume = self._held.find(self._scan)
        if volume is not None:
            self._finish(volume)
            return
        shape = [int(side) for side in self._scan.array.shape]
        geometry = {"shape_kji": shape, "affine_ijk_to_ras": self._scan.affineIjkToRas}
        self._ask("volume/open", {"geometry": geometry, "dtype": self._dtype()}, self._onOpened)

    def cancel(self) -> None:
        """Send no further slab; ``failed`` is emitted."""
        self._fail(Cancelled(_("Cancelled.")))

    def leave(self) -> None:
        """The scan is needed no longer: the engine may forget it when another one took its place."""
        if self._isUsed and self._held.leave(self._volume):
            self._forget(self._volume)
        self._isUsed = False

    def _dtype(self) -> str:
        return self._scan.array.dtype.newbyteorder("<").str

    def _onOpened(self, result: Dict[str, Any]) -> None:
        self._volume = result["volume"]
        if self._isOver:
            self._forget(self._volume)
            return
        for _slab in range(SLABS_UNDER_WAY):
            self._sendSlab()

    def _sendSlab(self) -> None:
        start = self._next
        if start >= len(self._scan.array):
            return
        self._next = min(start + self._slices, len(self._scan.array))
        try:
            slab = WireArray.from_numpy(self._scan.array[start : self._next])
        except WireError as error:
            self._fail(Problem(str(error)))
            return
        params = {"volume": self._volume, "start_k": start, "array": slab}
        self._ask("volume/slab", params, lambda _result, stop=self._next: self._onReceived(stop))

    def _onReceived(self, stop: int) -> None:
        if self._isOver:
            return
        self._received = max(self._received, stop)
        self.progressed.emit(self._received / len(self._scan.array))
        if self._received < len(self._scan.array):
            self._sendSlab()
            return
        self._forget(self._held.keep(self._scan, self._volume))
        self._finish(self._volume)

    def _finish(self, volume: Any) -> None:
        self._isOver, self._isUsed, self._volume = True, True, volume
        self._held.use(volume)
        self.finished.emit(volume)

    def _forget(self, volume: Any) -> None:
        """Let the engine forget a scan, None: nothing; another engine does not know it."""
        if volume is not None and self._engine.state == READY and self._engine.heldScans is self._held:
            self._engine.request("volume/close", {"volume": volume})

    def _ask(self, method: str, params: Dict[str, Any], onResult: Any) -> None:
        reply = self._engine.request(method, params)
        reply.succeeded.connect(onResult)
        reply.failed.connect(self._fail)

    def _fail(self, problem: Problem) -> None:
        if not self._isOver:
            self._isOver = True
            self._forget(self._volume)
            self.failed.emit(problem)
