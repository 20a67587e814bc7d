"""Fetches a scan that the engine has read, in slabs of a few MB; the way back of `ScanTransfer`."""

from __future__ import annotations

from typing import Any, Dict

import numpy as np
import vtk
from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

from VQSegUI.Engine import READY
from VQSegUI.Problem import Problem
from VQSegUI.ScanJob import toNumpy
from VQSegUI.ScanTransfer import SLAB_BYTES, SLABS_UNDER_WAY
from VQSegUI.SceneBridge import Scan
from VQSegUI.Signal import Signal


class ScanReceipt:
    """One scan under way.

    Attributes:
        finished: Emitted without values when the image is complete.
        failed: Emitted with a `Problem`.
        progressed: Emitted with the fraction received (0..1).
        image: The voxels as VTK has them.
    """

    def __init__(self, engine: Any, opened: Dict[str, Any]) -> None:
        """Make room for a scan; ``opened`` is the engine's answer to ``cases/open``."""
        self.finished, self.failed, self.progressed = Signal(), Signal(), Signal()
        self._engine, self._volume, self._held = engine, opened["volume"], engine.heldScans
        shape = opened["geometry"]["shape_kji"]
        self.image = vtk.vtkImageData()
        self.image.SetDimensions(*shape[::-1])
        self.image.AllocateScalars(get_vtk_array_type(np.dtype(opened["dtype"])), 1)
        self._array = vtk_to_numpy(self.image.GetPointData().GetScalars()).reshape(shape)
        self._slices = max(1, SLAB_BYTES // max(1, self._array[0].nbytes))
        self._next = self._received = 0
        self._isOver = False

    def start(self) -> None:
        """Ask for the first slabs."""
        for _slab in range(SLABS_UNDER_WAY):
            self._ask()

    def keep(self, scan: Scan) -> None:
        """Let the engine hold the scan for what comes next, unless it is another engine meanwhile."""
        if self._isSameEngine():
            earlier = self._held.keep(scan, self._volume)
            if earlier is not None:
                self._engine.request("volume/close", {"volume": earlier})

    def drop(self) -> None:
        """Ask for nothing more, and let the engine forget the scan."""
        self._isOver = True
        if self._isSameEngine():
            self._engine.request("volume/close", {"volume": self._volume})

    def _isSameEngine(self) -> bool:
        return self._engine.state == READY and self._engine.heldScans is self._held

    def _ask(self) -> None:
        start, self._next = self._next, min(self._next + self._slices, len(self._array))
        if start < self._next:
            params = {"volume": self._volume, "start_k": start, "stop_k": self._next}
            reply = self._engine.request("volume/read", params)
            reply.failed.connect(self._onFailed)
            reply.succeeded.connect(self._onSlab)

    def _onSlab(self, answer: Dict[str, Any]) -> None:
        if self._isOver:
            return
        slab = toNumpy(answer["array"])
        self._array[answer["start_k"] : answer["start_k"] + len(slab)] = slab
        self._received += len(slab)
        self.progressed.emit(self._received / len(self._array))
        if self._received < len(self._array):
            self._ask()
        else:
            self.finished.emit()

    def _onFailed(self, problem: Problem) -> None:
        if not self._isOver:
            self._isOver = True
            self.failed.emit(problem)
