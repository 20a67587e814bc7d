"""Sends scans to the engine in slabs of a few MB, and only when the engine does not have them yet."""

from __future__ import annotations

from typing import Any, Dict

from slicer.i18n import tr as _

from VQSegLib.wire import WireArray, WireError
from VQSegUI.Engine import Cancelled
from VQSegUI.Problem import Problem
from VQSegUI.SceneBridge import Scan
from VQSegUI.Signal import Signal

SLAB_BYTES = 4_000_000
SLABS_UNDER_WAY = 2
"""Slabs sent before the first is confirmed: two keep the pipe full and the GUI's write buffer small."""


class ScanTransfer:
    """Makes the engine hold one scan.

    Attributes:
        finished: Emitted with the engine's name of the scan.
        failed: Emitted with a `Problem`.
        progressed: Emitted with the fraction sent (0..1).
    """

    def __init__(self, engine: Any, scan: Scan) -> None:
        self.finished, self.failed, self.progressed = Signal(), Signal(), Signal()
        self._engine, self._scan = engine, scan
        self._volume: Any = None
        self._slices = max(1, SLAB_BYTES // max(1, scan.array[0].nbytes))
        self._next = self._received = 0
        self._isOver = False

    def start(self) -> None:
        """Send the scan unless the engine holds it already."""
        volume = self._engine.heldScans.find(self._scan)
        if volume is not None:
            self.finished.emit(volume)
            return
        shape = [int(side) for side in self._scan.array.shape]
        geometry = {"shape_kji": shape, "affine_ijk_to_ras": self._scan.affineIjkToRas}
        self._ask("volume/open", {"geometry": geometry, "dtype": self._dtype()}, self._onOpened)

    def cancel(self) -> None:
        """Send no further slab; ``failed`` is emitted."""
        self._fail(Cancelled(_("Cancelled.")))

    def _dtype(self) -> str:
        return self._scan.array.dtype.newbyteorder("<").str

    def _onOpened(self, result: Dict[str, Any]) -> None:
        self._volume = result["volume"]
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
        self._received = max(self._received, stop)
        self.progressed.emit(self._received / len(self._scan.array))
        if self._received < len(self._scan.array):
            self._sendSlab()
            return
        self._isOver = True
        earlier = self._engine.heldScans.replace(self._scan, self._volume)
        if earlier is not None:
            self._engine.request("volume/close", {"volume": earlier})
        self.finished.emit(self._volume)

    def _ask(self, method: str, params: Dict[str, Any], onResult: Any) -> None:
        reply = self._engine.request(method, params)
        reply.succeeded.connect(lambda result: None if self._isOver else onResult(result))
        reply.failed.connect(self._fail)

    def _fail(self, problem: Problem) -> None:
        if not self._isOver:
            self._isOver = True
            self.failed.emit(problem)
