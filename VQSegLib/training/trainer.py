"""The one training loop, on lightning Fabric (device, precision, several GPUs and nodes by configuration)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from VQSegLib.errors import Cancelled, ProjectError
from VQSegLib.methods import build_method
from VQSegLib.models.network import build_network
from VQSegLib.models.protocol import InMemoryModel
from VQSegLib.project.cases import CaseRecord
from VQSegLib.training.batches import BatchSource, build_loader
from VQSegLib.training.best_weights import BestWeights
from VQSegLib.training.case_cache import cache_cases
from VQSegLib.training.case_source import CaseSource
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.distributed import agree, build_fabric
from VQSegLib.training.events import EventLog
from VQSegLib.training.finish import FinishedRun, save_model
from VQSegLib.training.optimizer_step import OptimizerStep
from VQSegLib.training.parent import load_parent, read_class_order, start_from
from VQSegLib.training.plots import CURVES_FILE, save_curves
from VQSegLib.training.run_files import CACHE_FOLDER, MODEL_FILE, STATE_FILE
from VQSegLib.training.run_folder import check_config, check_new, check_resumable, prepare
from VQSegLib.training.run_state import load_tensors, save_tensors
from VQSegLib.training.splits import TrainingCases, load_cases, select_cases, uses_unlabeled
from VQSegLib.training.step_average import StepAverage
from VQSegLib.training.validation import ValidationScores, validate

_WATCHED_HELD_OUT = 4
"""Held-out cases of the validation curve; whole scans are segmented, so more would hold up training."""
PREDICTOR_PRECISION = {"32-true": "float32", "bf16-mixed": "bfloat16", "16-mixed": "auto"}

ProgressCallback = Callable[[int, int, dict[str, float]], None]
"""Called with steps done, steps in all and the values of the last logged line."""


@dataclass(frozen=True)
class TrainingResult:
    """What a finished run leaves behind."""

    model_path: Path
    best_step: int
    best_dice: float
    curves_path: Path


class Trainer:
    """Trains one model in one run folder.

    The folder holds ``config.json``, ``events.jsonl``, ``curves.png``, the state to resume from and, at the end,
    ``model.safetensors`` with the weights that scored best on the validation cases.

    Args:
        project: Cases and label table.
        config: The run.
        output: Run folder; must not exist unless ``resume``.
        resume: Go on where the run in ``output`` stopped; the curve continues as if it had not.
        command: Command line, for the model card.
        on_progress: See :data:`ProgressCallback`.
        cancelled: Polled before every step and during validation; the run can be resumed afterwards.
        cache: Folder of prepared cases, which several runs may share; None makes one in ``output``.

    Raises:
        ConfigError: The configuration contradicts the project, the machine or the run to resume.
        ProjectError: Too few cases, or the run folder cannot be used.
    """

    def __init__(
        self,
        project: CaseSource,
        config: TrainingConfig,
        output: Path,
        *,
        resume: bool = False,
        command: str = "",
        on_progress: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
        cache: Path | None = None,
    ) -> None:
        if resume:
            check_resumable(output, config)
        else:
            check_new(output)
        self.project, self.config, self.output, self.command = project, config, output, command
        self.cache = cache or output / CACHE_FOLDER
        self.on_progress, self.cancelled = on_progress, cancelled or (lambda: False)
        self.cases = load_cases(project, output) if resume else self._select_cases()
        check_config(self.cases.labels, config)
        self.fabric = build_fabric(config.device)
        torch.manual_seed(config.seed)
        network = build_network(config.method.adapt_network(config.network))
        self.parent = load_parent(config, self.cases.labels, output)
        if self.parent is not None:
            start_from(network, self.parent)
        self.method = build_method(config.method, network, config.preprocessing, config.max_steps)
        self.optimizer_step = OptimizerStep(self.fabric, self.method, config)
        self.average, self.best = StepAverage(config.log_interval), BestWeights(output)
        self.step, self.validation_due = 0, False
        if resume:
            self._load_state()

    def run(self) -> TrainingResult:
        """Train to the end.

        Raises:
            Cancelled: The user stopped the run; its state is saved.
            ProjectError: A case or the run folder cannot be read or written.
            VQSegError: Loss or gradient is no longer finite.
        """
        if self.fabric.is_global_zero:
            prepare(self.output, self.config, self.cases)
        self.fabric.barrier()
        source = self._batch_source()
        log = EventLog(self.output, self.step) if self.fabric.is_global_zero else None
        if self.validation_due:
            self._validate(log)
        for batch in build_loader(source, self.step):
            self._stop_if_cancelled()
            result, rate = self.optimizer_step.take(batch, self.step)
            self.step += 1
            values = self.average.add({**result.logs, "loss/total": float(result.loss.detach()), "lr": rate})
            if values is not None and log is not None:
                log.write("step", self.step, values)
                self._report(values)
            if self.step % self.config.validation_interval == 0 or self.step == self.config.max_steps:
                self._validate(log)
        return self._finish()

    def _select_cases(self) -> TrainingCases:
        order = read_class_order(self.config, self.output)
        return select_cases(self.project, uses_unlabeled=uses_unlabeled(self.config), class_order=order)

    def _batch_source(self) -> BatchSource:
        """Return the cached cases; the first process prepares them, the others wait and find them."""
        labels, preprocessing = self.cases.labels, self.config.preprocessing
        on_case = (lambda _: self._stop_if_cancelled()) if self.fabric.world_size == 1 else None
        with self.fabric.rank_zero_first():
            labeled, unlabeled = (
                cache_cases(self.project, cases, labels, preprocessing, self.cache, on_case)
                for cases in (self.cases.labeled, self.cases.unlabeled)
            )
        return BatchSource(labeled, unlabeled, labels, self.config, self.fabric.global_rank)

    def _validate(self, log: EventLog | None) -> None:
        """Score the validation cases, keep the best weights and save the state; in the first process."""
        stopped = False
        if log is not None:
            try:
                self._score_and_keep(log)
            except Cancelled:
                stopped = True
            self.validation_due = stopped
            self._save_state()
            save_curves(self.output)
        if agree(self.fabric, stopped):
            raise self._stopped()

    def _score_and_keep(self, log: EventLog) -> None:
        if not self.cases.validation:
            self.best.keep(self.method.inference_network(), self.step, ValidationScores({}))
        if not self.watched:
            return
        started = time.perf_counter()
        scores = self._score()
        per_label = {name: None if math.isnan(value) else value for name, value in scores.per_label.items()}
        seconds, split = time.perf_counter() - started, str(self.watched[0].split)
        log.write(
            "validation",
            self.step,
            {"dice": scores.mean, "dice_per_label": per_label, "seconds": seconds, "split": split},
        )
        self._report({"dice": scores.mean})
        if self.cases.validation:
            self.best.offer(self.method.inference_network(), self.step, scores)

    @property
    def watched(self) -> tuple[CaseRecord, ...]:
        """Cases of the validation curve: held-out ones, which choose nothing, where there are no others."""
        return self.cases.validation or self.cases.held_out[:_WATCHED_HELD_OUT]

    def _score(self) -> ValidationScores:
        network = self.method.inference_network()
        candidate = InMemoryModel(network, network.config, self.config.preprocessing, self.cases.labels)
        precision = PREDICTOR_PRECISION[self.config.device.precision]
        try:
            return validate(self.project, self.watched, candidate, str(self.fabric.device), precision, self.cancelled)
        finally:
            # The predictor goes over to the CPU when the device's memory is short.
            network.to(self.fabric.device)

    def _save_state(self) -> None:
        state = {
            "step": self.step,
            "validation_due": self.validation_due,
            "best_step": self.best.step,
            "best_dice": self.best.dice,
            "average": self.average.state(),
            "method": self.method.state_dict(),
            **self.optimizer_step.state(),
        }
        save_tensors(self.output / STATE_FILE, state)

    def _load_state(self) -> None:
        # Stopped before its first state, a run begins again; it takes the same course.
        if not (self.output / STATE_FILE).exists():
            return
        state = load_tensors(self.output / STATE_FILE)
        try:
            self.method.load_state_dict(state["method"])
            self.optimizer_step.load_state(state)
            self.average.load_state(state.get("average", {}))
            self.step, self.best.step, self.best.dice = state["step"], state["best_step"], state["best_dice"]
            self.validation_due = state.get("validation_due", False)
        except (KeyError, TypeError, ValueError, RuntimeError) as exc:
            msg = (
                f"The run cannot be resumed: '{self.output / STATE_FILE}' holds another run; start it again elsewhere."
            )
            raise ProjectError(msg) from exc

    def _stop_if_cancelled(self) -> None:
        if agree(self.fabric, self.cancelled()):
            if self.fabric.is_global_zero:
                self._save_state()
            raise self._stopped()

    def _stopped(self) -> Cancelled:
        return Cancelled(f"Training stopped at step {self.step} of {self.config.max_steps}; go on with --resume.")

    def _report(self, values: Mapping[str, float]) -> None:
        if self.on_progress is not None:
            self.on_progress(self.step, self.config.max_steps, dict(values))

    def _finish(self) -> TrainingResult:
        """Write the model file with the best weights; a run that had finished already keeps its own."""
        path = self.output / MODEL_FILE
        if self.fabric.is_global_zero and not path.exists():
            best = self.best.load()
            network = self.method.inference_network()
            network.load_state_dict(best["weights"])
            run = FinishedRun(self.config, self.cases, network, best, self.parent, self.command)
            save_model(path, self.project, run, device=str(self.fabric.device), cancelled=self.cancelled)
        self.fabric.barrier()
        return TrainingResult(path, self.best.step, self.best.dice, self.output / CURVES_FILE)
