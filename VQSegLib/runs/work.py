"""What a run does, from its configuration to the model on the shelf."""

from __future__ import annotations

import logging
import statistics
import time

from VQSegLib.device_turns import RunTurns
from VQSegLib.documents import parse_document
from VQSegLib.errors import ConfigError
from VQSegLib.inference.device import release_cached_memory
from VQSegLib.project.folder import Project
from VQSegLib.project.review import utc_now
from VQSegLib.runs.decision import decide
from VQSegLib.runs.documents import RunResult, RunState
from VQSegLib.runs.folder import RunFolder
from VQSegLib.runs.heartbeat import Heartbeat
from VQSegLib.runs.step_times import remember_step_seconds
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.run_files import CONFIG_FILE, MODEL_FILE
from VQSegLib.training.trainer import Trainer

_logger = logging.getLogger(__name__)
_STOP_POLL_SECONDS = 0.5
_LOGGED_SHARES = 10
_PREPARING, _TRAINING, _WAITING = (
    "Preparing the scans",
    "Training",
    "Waiting: Segment or another run is using this machine",
)


def do_run(project: Project, folder: RunFolder, heartbeat: Heartbeat) -> RunResult:
    """Train and keep the model.

    Raises:
        Cancelled: The run was asked to pause or stop; its state is saved.
        UserError: One sentence about what went wrong.
    """
    spec = folder.spec
    saved = folder.path / CONFIG_FILE
    config = parse_document(TrainingConfig, saved.read_bytes(), str(saved), ConfigError)
    start = spec.parent_name or "random weights"
    counts = (spec.labeled, spec.unlabeled, spec.held_out)
    _logger.info("Method '%s' from %s; %d labeled, %d unlabeled, %d held-out scans.", spec.method, start, *counts)
    heartbeat.stage, heartbeat.steps = _PREPARING, config.max_steps
    watch = _Watch(folder, heartbeat)
    try:
        trainer = Trainer(
            project,
            config,
            folder.path,
            resume=True,
            command=f"vqseg runs start --preset {spec.preset}",
            on_progress=watch.note_progress,
            cancelled=watch.should_stop,
        )
        watch.trainer = trainer
        heartbeat.step = trainer.step
        if trainer.step:
            _logger.info("Going on after step %d.", trainer.step)
        watch.should_stop()
        trainer.run()
        if heartbeat.seconds_per_step is not None:
            remember_step_seconds(config, heartbeat.seconds_per_step)
        heartbeat.stage = "Comparing with the model it started from"
        model_id = project.models.add(folder.path / MODEL_FILE)
        decision = decide(project, spec, model_id, device=str(trainer.fabric.device), cancelled=watch.should_stop)
        project.mark_trained(spec.run_id, trainer.cases.revisions)
    finally:
        watch.turns.let_go()
    return RunResult(
        state=RunState.FINISHED,
        ended=utc_now(),
        sentence=decision.sentence,
        model_id=model_id,
        is_promoted=decision.is_promoted,
        comparison=decision.comparison,
    )


class _Watch:
    """Asked by the trainer before every step: gives way to clinicians and looks whether the run shall end."""

    def __init__(self, folder: RunFolder, heartbeat: Heartbeat) -> None:
        self.trainer: Trainer | None = None
        self.turns = RunTurns(self._wait, self._go_on)
        self._folder, self._heartbeat = folder, heartbeat
        self._looked, self._is_stopped, self._stage = 0.0, False, _PREPARING
        self._step_seconds: list[float] = []
        self._logged_shares = 0

    def should_stop(self) -> bool:
        self.turns.give_way(self._is_asked_to_stop)
        if self.trainer is not None:
            self._heartbeat.step = self.trainer.step
        return self._is_asked_to_stop()

    def note_progress(self, step: int, steps: int, values: dict[str, float]) -> None:
        self._heartbeat.stage, self._heartbeat.step = _TRAINING, step
        self._log(step, steps, values)
        if "seconds_per_step" in values:
            self._step_seconds.append(values["seconds_per_step"])
            # The median leaves out steps during which the run waited for a clinician.
            self._heartbeat.seconds_per_step = statistics.median(self._step_seconds)

    def _log(self, step: int, steps: int, values: dict[str, float]) -> None:
        """Log every validation, and the loss ten times; the curves have the rest."""
        shares = _LOGGED_SHARES * step // steps
        if "dice" in values:
            _logger.info("Step %d of %d: validation Dice %.3f", step, steps, values["dice"])
        elif shares > self._logged_shares:
            self._logged_shares = shares
            _logger.info("Step %d of %d: loss %.3f", step, steps, values["loss/total"])

    def _is_asked_to_stop(self) -> bool:
        if self._heartbeat.is_ending:
            return True
        if not self._is_stopped and time.monotonic() - self._looked > _STOP_POLL_SECONDS:
            self._looked = time.monotonic()
            self._is_stopped = self._folder.asked_to_stop() is not None
        return self._is_stopped

    def _wait(self) -> None:
        self._stage, self._heartbeat.stage = self._heartbeat.stage, _WAITING
        if self.trainer is not None:
            release_cached_memory(self.trainer.fabric.device)

    def _go_on(self) -> None:
        self._heartbeat.stage = self._stage
