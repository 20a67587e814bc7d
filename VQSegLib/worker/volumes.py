"""Scans that the other side has sent; kept until it closes them, so that each is sent once."""

from __future__ import annotations

import math
import threading

import numpy as np
import psutil

from VQSegLib.box import Triple
from VQSegLib.errors import UserError
from VQSegLib.scan_checks import check_scan
from VQSegLib.volume import Array, Volume

_NAME = "The scan"


class ReceivedVolume:
    """A scan that arrives in slabs of slices."""

    def __init__(self, shape_kji: Triple, affine_ijk_to_ras: Array, dtype: str) -> None:
        """Make room.

        Args:
            shape_kji: Slices, rows, columns.
            affine_ijk_to_ras: ``(4, 4)`` geometry, see :class:`~VQSegLib.volume.Volume`.
            dtype: Type of the voxels, as numpy writes it.

        Raises:
            UserError: The geometry is not usable or memory does not hold the scan.
        """
        _check_memory(shape_kji, dtype)
        self._volume = Volume(np.empty(shape_kji, dtype), affine_ijk_to_ras)
        self._is_received = np.zeros(shape_kji[0], bool)
        self._checked: Volume | None = None
        self._answered: tuple[str, Volume] | None = None
        self._proposed: tuple[str, Volume] | None = None
        self._lock = threading.Lock()

    @classmethod
    def of(cls, volume: Volume) -> ReceivedVolume:
        """Take a scan that is in memory already.

        Raises:
            UserError: Memory does not hold it.
        """
        received = cls(volume.shape_kji, volume.affine_ijk_to_ras, volume.array.dtype.str)
        received.put(0, volume.array)
        return received

    @property
    def received_slices(self) -> int:
        """How many slices are there."""
        return int(np.count_nonzero(self._is_received))

    def put(self, start_k: int, slab: Array) -> None:
        """Take slices; those that were there are replaced.

        Args:
            start_k: Slice of the first one.
            slab: ``(slices, J, I)`` of the volume's type.

        Raises:
            UserError: The slab does not fit the volume.
        """
        array = self._volume.array
        stop_k = start_k + (slab.shape[0] if slab.ndim == 3 else 0)
        fits = slab.ndim == 3 and slab.shape[1:] == array.shape[1:] and stop_k <= array.shape[0]
        if not fits or slab.dtype != array.dtype:
            msg = (
                f"A slab of shape {slab.shape} {slab.dtype} at slice {start_k} does not fit a scan of shape "
                f"{array.shape} {array.dtype}; open the scan again and send it anew."
            )
            raise UserError(msg)
        array[start_k:stop_k] = slab
        self._is_received[start_k:stop_k] = True
        self._checked = None

    def get(self) -> Volume:
        """Return the scan, checked and stored as the file readers store it.

        Raises:
            UserError: Slices are missing, or it is no scan.
        """
        with self._lock:
            if not self._is_received.all():
                msg = (
                    f"Only {self.received_slices} of {self._is_received.size} slices of the scan have arrived; "
                    "send the rest first."
                )
                raise UserError(msg)
            if self._checked is None:
                self._checked = check_scan(self._volume, _NAME)
            return self._checked

    def keep_answer(self, model: str, label_map: Volume, *, is_refined: bool = False) -> None:
        """Keep what a model answered for this scan, in place of what was kept before.

        Args:
            model: The model.
            label_map: Its answer.
            is_refined: The answer holds corrections of a person; what the model proposed by itself is kept beside it.
        """
        self._answered = (model, label_map)
        if not is_refined:
            self._proposed = self._answered

    def find_answer(self, model: str) -> Volume | None:
        """Return what a model answered last for this scan; None if another model answered since, or none did."""
        return self._answered[1] if self._answered is not None and self._answered[0] == model else None

    def find_proposal(self, model: str) -> Volume | None:
        """Return what a model proposed last without anybody's corrections; None as in :meth:`find_answer`."""
        return self._proposed[1] if self._proposed is not None and self._proposed[0] == model else None


class VolumeStore:
    """Received scans by id."""

    def __init__(self) -> None:
        self._volumes: dict[str, ReceivedVolume] = {}
        self._opened = 0

    def open(self, volume: ReceivedVolume) -> str:
        """Keep a scan; return its id."""
        self._opened += 1
        volume_id = f"volume-{self._opened}"
        self._volumes[volume_id] = volume
        return volume_id

    def find(self, volume_id: str) -> ReceivedVolume:
        """Return a scan.

        Raises:
            UserError: There is none of that id.
        """
        if volume_id not in self._volumes:
            known = ", ".join(self._volumes) or "none"
            msg = f"The engine holds no scan '{volume_id}' (it holds: {known}); send the scan again."
            raise UserError(msg)
        return self._volumes[volume_id]

    def close(self, volume_id: str) -> None:
        """Forget a scan; a request that uses it goes on.

        Raises:
            UserError: There is none of that id.
        """
        self.find(volume_id)
        del self._volumes[volume_id]


def _check_memory(shape_kji: Triple, dtype: str) -> None:
    needed, free = math.prod(shape_kji) * np.dtype(dtype).itemsize, psutil.virtual_memory().available
    if needed > free:
        sides = "x".join(str(side) for side in shape_kji[::-1])
        msg = (
            f"A scan of {sides} voxels needs {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB of memory are free "
            "where the engine runs; close other programs or crop the scan."
        )
        raise UserError(msg)
