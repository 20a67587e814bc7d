"""A scan's turn: its model is in memory, and training runs wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from VQSegLib.device_turns import clinicians_turn
from VQSegLib.request_helpers import never, stopper
from VQSegLib.service_results import OnProgress, SegmentedVolume

if TYPE_CHECKING:
    from VQSegLib.inference.predictor import Prediction
    from VQSegLib.last_model import LastModel
    from VQSegLib.models.checkpoint import Model


@dataclass(frozen=True)
class ScanTurn:
    """A request that has its model and the device.

    Attributes:
        model: The model it asked for.
        started: ``time.perf_counter()`` when it was asked.
        loading_seconds: What the model took to load, next to none if it was used last.
    """

    model: Model
    started: float
    loading_seconds: float

    def describe(self, prediction: Prediction) -> SegmentedVolume:
        """Return the answer of the request, with its whole time until now."""
        return SegmentedVolume(
            label_map=prediction.label_map,
            model=self.model,
            device=prediction.device,
            precision=prediction.precision,
            seconds=time.perf_counter() - self.started,
            seconds_by_stage={"Loading the model": self.loading_seconds, **prediction.seconds_by_stage},
            notes=prediction.notes,
        )


@contextmanager
def scan_turn(
    last_model: LastModel,
    model: str,
    device: str,
    on_progress: OnProgress | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[ScanTurn]:
    """Load a model, then let training runs of this machine wait while the body runs.

    Args:
        last_model: Where models are kept.
        model: Path of a model file or name of a shipped model.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.
        on_progress: Told what is waited for.
        cancelled: Polled while waiting.

    Raises:
        ModelFileError: There is no such model, or the file is damaged.
        ConfigError: There is no such device.
        Cancelled: ``cancelled`` answered True.
    """
    started = time.perf_counter()
    loaded = last_model.load(model, on_progress)
    turn = ScanTurn(loaded, started, loading_seconds=time.perf_counter() - started)
    with _before_runs(device, on_progress, cancelled):
        yield turn


def _before_runs(
    device: str, on_progress: OnProgress | None, cancelled: Callable[[], bool] | None
) -> AbstractContextManager[None]:
    """Let training runs wait; on a GPU one may have to finish its step first."""
    from VQSegLib.inference.device import resolve_device

    def tell() -> None:
        if on_progress is not None:
            on_progress(0.0, "Waiting for a training step to end", None)

    return clinicians_turn(tell, stopper(cancelled or never), shares_step=resolve_device(device).type == "cpu")
