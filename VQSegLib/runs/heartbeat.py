"""Says every few seconds that a run's process is there and how far it is."""

from __future__ import annotations

import logging
import os
import threading
import time
from types import TracebackType

import psutil

from VQSegLib.leftovers import machine_key
from VQSegLib.runs.documents import RunStatus
from VQSegLib.runs.folder import RunFolder

_logger = logging.getLogger(__name__)
_INTERVAL_SECONDS = 2.0
_LONGEST_SECONDS = 20.0


class Heartbeat:
    """Writes ``status.json`` from a thread while the body of a ``with`` runs, and once more at its end.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        seconds_per_step: Measured; None before the first ones are done.
        is_paused: The process ends as asked and the run can go on.
        is_ending: The system wants the process to end.
    """

    def __init__(self, folder: RunFolder) -> None:
        """Speak for the run in ``folder``."""
        self._folder = folder
        self._started = psutil.Process().create_time()
        self._stage, self.step, self.steps = "Starting", 0, 0
        self.seconds_per_step: float | None = None
        self.is_paused = self.is_ending = False
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    @property
    def stage(self) -> str:
        """What the run is doing, in words; whatever comes next is logged, too."""
        return self._stage

    @stage.setter
    def stage(self, stage: str) -> None:
        if stage != self._stage:
            self._stage = stage
            _logger.info("%s", stage)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()
        self._write()

    def _beat(self) -> None:
        last, written = None, 0.0
        while not self._is_over.wait(_INTERVAL_SECONDS):
            now = (self.stage, self.step)
            if now != last or time.monotonic() - written > _LONGEST_SECONDS:
                self._write()
                last, written = now, time.monotonic()

    def _write(self) -> None:
        left = None if self.seconds_per_step is None else (self.steps - self.step) * self.seconds_per_step
        status = RunStatus(
            machine=machine_key(),
            pid=os.getpid(),
            started=self._started,
            updated=time.time(),
            stage=self.stage,
            step=self.step,
            steps=self.steps,
            seconds_left=left,
            is_paused=self.is_paused,
        )
        try:
            self._folder.write(status)
        except OSError as error:
            _logger.warning("The status could not be written (%s).", error.strerror)
