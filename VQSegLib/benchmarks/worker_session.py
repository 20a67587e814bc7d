"""Talk to a worker as the Slicer module does, and measure what its user waits for."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from VQSegLib.label_crops import crop_labels
from VQSegLib.labels import LabelTable
from VQSegLib.volume import Array, Volume
from VQSegLib.wire import CANCELLED, PROTOCOL, Notification, WireArray
from VQSegLib.wire_client import BlockingClient, RequestFailed
from VQSegLib.worker.arrays import to_wire_label

WORKER = (sys.executable, "-m", "VQSegLib.worker")
ECHO_WORKER = (sys.executable, "-m", "VQSegLib.benchmarks.echo_worker")
SLAB_BYTES = 4_000_000
"""As the Slicer module sends scans."""
_POLL_SECONDS = 0.01
_PATIENCE_SECONDS = 3600.0


class WorkerSession:
    """A worker process and one model; leaving the ``with`` block ends the process.

    Attributes:
        seconds_to_start: From starting the process to its answer to ``initialize``.
    """

    def __init__(self, model: str, command: Sequence[str] = WORKER) -> None:
        """Start the worker.

        Args:
            model: Name of a shipped model or path of a model file.
            command: Command line of the worker.

        Raises:
            WireError: It cannot be started.
        """
        began = time.perf_counter()
        self._model = model
        self._client = BlockingClient(command, timeout_seconds=_PATIENCE_SECONDS)
        self._client.request("initialize", {"client": "benchmark", "protocol": PROTOCOL})
        self.seconds_to_start = time.perf_counter() - began

    def __enter__(self) -> WorkerSession:
        """Return the session."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the worker."""
        self._client.close()

    def send(self, volume: Volume) -> str:
        """Send a scan; return the worker's name of it."""
        geometry = {"shape_kji": volume.shape_kji, "affine_ijk_to_ras": volume.affine_ijk_to_ras.tolist()}
        opened = self._client.request("volume/open", {"geometry": geometry, "dtype": volume.array.dtype.str})
        name: str = opened["volume"]
        step = max(1, SLAB_BYTES // volume.array[0].nbytes)
        waiting = [
            self._client.start("volume/slab", {"volume": name, "start_k": k, "array": WireArray.from_numpy(slab)})
            for k in range(0, volume.shape_kji[0], step)
            for slab in [volume.array[k : k + step]]
        ]
        for number in waiting:
            self._client.wait(number)
        return name

    def forget(self, volume: str) -> None:
        """Let the worker free a scan."""
        self._client.request("volume/close", {"volume": volume})

    def segment(self, volume: str) -> dict[str, Any]:
        """Segment a scan that was sent; the masks are in the answer."""
        return dict(self._client.request("segment", {"volume": volume, "model": self._model}))

    def estimate_uncertainty(self, volume: str, samples: int) -> dict[str, Any]:
        """Map the uncertainty of a scan that was sent."""
        asked = {"volume": volume, "model": self._model, "samples": samples}
        return dict(self._client.request("uncertainty", asked))

    def refine(self, volume: str, corrected: Array, slices_k: Sequence[int], labels: LabelTable) -> dict[str, Any]:
        """Learn from the corrected slices of a label map ``(K, J, I)`` and segment again."""
        only = np.zeros_like(corrected)
        only[list(slices_k)] = corrected[list(slices_k)]
        sent = [to_wire_label(crop) for crop in crop_labels(only, labels) if crop.mask is not None]
        masks = [{key: one[key] for key in ("value", "extent_ijk", "array")} for one in sent]
        asked = {"volume": volume, "model": self._model, "labels": masks, "slices_k": list(slices_k)}
        return dict(self._client.request("refine", asked))

    def cancel_midway(self, volume: str) -> tuple[float, float]:
        """Cancel a segmentation while its network computes.

        Returns:
            Seconds until the answer that it was cancelled, and until the engine takes up another request.
        """
        number = self._client.start("segment", {"volume": volume, "model": self._model})
        began = 0.0

        def listen(message: Notification) -> None:
            nonlocal began
            if message.params["stage"] == "Segmenting" and began == 0.0:
                time.sleep(_POLL_SECONDS)  # so that it is well within a batch
                began = time.perf_counter()
                self._client.cancel(number)

        self._expect(CANCELLED, number, listen)
        answered = time.perf_counter() - began
        return answered, self._wait_until_free(volume) - began

    def _wait_until_free(self, volume: str) -> float:
        """Return when the engine begins to compute another request, which is cancelled then."""
        number = self._client.start("segment", {"volume": volume, "model": self._model})
        taken_up = 0.0

        def listen(message: Notification) -> None:
            nonlocal taken_up
            if message.params["id"] == number and message.params["stage"] != "Waiting" and taken_up == 0.0:
                taken_up = time.perf_counter()
                self._client.cancel(number)

        self._expect(CANCELLED, number, listen)
        return taken_up

    def _expect(self, code: int, number: int, listen: Any) -> None:
        try:
            self._client.wait(number, listen)
        except RequestFailed as failure:
            if failure.code != code:
                raise


def measure_way_back(shape_kji: tuple[int, int, int], repeats: int) -> list[float]:
    """Return seconds from asking a process for an int16 volume to holding it as an array."""
    with BlockingClient(ECHO_WORKER, timeout_seconds=_PATIENCE_SECONDS) as client:
        client.request("array", {"shape": list(shape_kji)})
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            array: WireArray = client.request("array", {"shape": list(shape_kji)})["array"]
            np.frombuffer(array.data, array.dtype).reshape(array.shape)
            seconds.append(time.perf_counter() - began)
    return seconds
