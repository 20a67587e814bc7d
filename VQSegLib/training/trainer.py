"""The one training loop, on lightning Fabric (device, precision, several GPUs and nodes by configuration)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric

from VQSegLib.errors import Cancelled, ConfigError, ProjectError, VQSegError
from VQSegLib.methods import METHODS, build_method
from VQSegLib.methods.base import Batch, StepResult
from VQSegLib.models.network import build_network
from VQSegLib.project.folder import Project
from VQSegLib.training.batches import BatchSource, build_loader
from VQSegLib.training.case_cache import cache_cases
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.events import EventLog
from VQSegLib.training.model_card import build_card
from VQSegLib.training.plots import save_curves
from VQSegLib.training.run_state import BEST_FILE, STATE_FILE, load_tensors, save_tensors
from VQSegLib.training.schedule import build_optimizer, learning_rate
from VQSegLib.training.splits import TrainingCases, select_cases
from VQSegLib.training.step_average import StepAverage
from VQSegLib.training.validation import Candidate, ValidationScores, validate

_log = logging.getLogger(__name__)
CONFIG_FILE = "config.json"
MODEL_FILE = "model.safetensors"
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
        cancelled: Polled before every step; the run can be resumed afterwards.

    Raises:
        ConfigError: The configuration contradicts the project or the run to resume.
        ProjectError: Too few cases, or the run folder cannot be used.
    """

    def __init__(
        self,
        project: Project,
        config: TrainingConfig,
        output: Path,
        *,
        resume: bool = False,
        command: str = "",
        on_progress: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        _check_labels(project, config)
        _check_output(output, config, resume=resume)
        self.project, self.config, self.output, self.command = project, config, output, command
        self.on_progress, self.cancelled = on_progress, cancelled or (lambda: False)
        self.cases: TrainingCases = select_cases(project, uses_unlabeled=METHODS[config.method.name].uses_unlabeled)
        if config.device.threads is not None:
            torch.set_num_threads(config.device.threads)
        self.fabric = Fabric(
            accelerator=config.device.accelerator,
            devices=config.device.devices,
            num_nodes=config.device.num_nodes,
            precision=config.device.precision,
            strategy="auto"
            if config.device.devices * config.device.num_nodes == 1
            else "ddp_find_unused_parameters_true",
        )
        self.fabric.launch()
        torch.manual_seed(config.seed)
        network = build_network(config.method.adapt_network(config.network))
        self.method = build_method(config.method, network, config.preprocessing, config.max_steps)
        optimizer = build_optimizer(self.method.parameters(), config.optimizer)
        self.module, self.optimizer = self.fabric.setup(self.method, optimizer)
        self.step, self.best_step, self.best_dice = 0, 0, -math.inf
        if resume:
            self._load_state()

    def run(self) -> TrainingResult:
        """Train to the end.

        Raises:
            Cancelled: The user stopped the run; its state is saved.
            VQSegError: The loss is no longer finite.
        """
        self.output.mkdir(parents=True, exist_ok=True)
        (self.output / CONFIG_FILE).write_text(self.config.model_dump_json(indent=2), encoding="utf-8")
        cache = self.output / "cache"
        source = BatchSource(
            cache_cases(self.project, self.cases.labeled, self.config.preprocessing, cache),
            cache_cases(self.project, self.cases.unlabeled, self.config.preprocessing, cache),
            self.project.labels,
            self.config,
            self.fabric.global_rank,
        )
        log = EventLog(self.output, self.step)
        average = StepAverage(self.config.log_interval)
        for batch in build_loader(source, self.step):
            self._stop_if_cancelled()
            result, rate = self._train_step(batch)
            self.step += 1
            values = average.add({**result.logs, "loss/total": float(result.loss.detach()), "lr": rate})
            if values is not None and self.fabric.is_global_zero:
                log.write("step", self.step, values)
                self._report(values)
            if self.step % self.config.validation_interval == 0 or self.step == self.config.max_steps:
                self._validate(log)
        return self._finish()

    def _train_step(self, batch: Batch) -> tuple[StepResult, float]:
        """Take one optimizer step and move the teacher."""
        rate = learning_rate(self.step, self.config.max_steps, self.config.optimizer)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        torch.manual_seed((self.config.seed * 1_000_003 + self.step) * 1009 + self.fabric.global_rank)
        self.module.train()
        result: StepResult = self.module(batch.to(self.fabric.device), self.step)
        if not math.isfinite(float(result.loss.detach())):
            msg = (
                f"Training diverged: the loss is not finite at step {self.step}; lower optimizer.learning_rate "
                f"(now {self.config.optimizer.learning_rate}) or use precision '32-true' and start again."
            )
            raise VQSegError(msg)
        self.fabric.backward(result.loss)
        if self.config.optimizer.gradient_clip is not None:
            self.fabric.clip_gradients(self.module, self.optimizer, max_norm=self.config.optimizer.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.method.after_step(self.step)
        return result, rate

    def _validate(self, log: EventLog) -> None:
        """Score the validation cases, keep the best weights and save the state."""
        if self.fabric.is_global_zero:
            started = time.perf_counter()
            if self.cases.validation:
                scores = self._score()
                log.write(
                    "validation",
                    self.step,
                    {
                        "dice": scores.mean,
                        "dice_per_label": {k: None if math.isnan(v) else v for k, v in scores.per_label.items()},
                        "seconds": time.perf_counter() - started,
                    },
                )
                self._report({"dice": scores.mean})
                if scores.mean > self.best_dice:
                    self._keep_best(scores)
            else:
                self._keep_best(ValidationScores({}))
            self._save_state()
            save_curves(self.output)
        self.fabric.barrier()

    def _score(self) -> ValidationScores:
        network = self.method.inference_network()
        mode = network.training
        candidate = Candidate(network.eval(), network.config, self.config.preprocessing, self.project.labels)
        precision = PREDICTOR_PRECISION[self.config.device.precision]
        try:
            return validate(
                self.project, self.cases.validation, candidate, str(self.fabric.device), precision, self.cancelled
            )
        finally:
            network.train(mode)

    def _keep_best(self, scores: ValidationScores) -> None:
        self.best_dice, self.best_step = scores.mean, self.step
        weights = self.method.inference_network().state_dict()
        save_tensors(self.output / BEST_FILE, {"weights": weights, "step": self.step, "per_label": scores.per_label})

    def _save_state(self) -> None:
        state = {
            "step": self.step,
            "best_step": self.best_step,
            "best_dice": self.best_dice,
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        save_tensors(self.output / STATE_FILE, state)

    def _load_state(self) -> None:
        state = load_tensors(self.output / STATE_FILE)
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best_step, self.best_dice = state["step"], state["best_step"], state["best_dice"]

    def _stop_if_cancelled(self) -> None:
        if self.cancelled():
            self._save_state()
            msg = f"Training stopped at step {self.step} of {self.config.max_steps}; go on with --resume."
            raise Cancelled(msg)

    def _report(self, values: dict[str, float]) -> None:
        if self.on_progress is not None:
            self.on_progress(self.step, self.config.max_steps, values)

    def _finish(self) -> TrainingResult:
        """Write the model file with the best weights."""
        from VQSegLib.models.checkpoint import save_checkpoint

        path = self.output / MODEL_FILE
        if self.fabric.is_global_zero:
            best = load_tensors(self.output / BEST_FILE)
            network = self.method.inference_network()
            network.load_state_dict(best["weights"])
            card = build_card(self.project, self.config, self.cases, network.config, best, self.command)
            save_checkpoint(path, network, card)
        self.fabric.barrier()
        return TrainingResult(path, self.best_step, self.best_dice, self.output / "curves.png")


def _check_labels(project: Project, config: TrainingConfig) -> None:
    if project.labels.num_classes != config.network.num_classes:
        msg = (
            f"network.num_classes is {config.network.num_classes}, but the project has "
            f"{project.labels.num_classes} classes with background; set it to {project.labels.num_classes}."
        )
        raise ConfigError(msg)


def _check_output(output: Path, config: TrainingConfig, *, resume: bool) -> None:
    if not resume:
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            msg = f"The run folder '{output}' exists already; choose a new one or go on with --resume."
            raise ProjectError(msg)
        return
    saved = output / CONFIG_FILE
    if not saved.exists():
        msg = f"There is no run to resume in '{output}' (no {CONFIG_FILE}); start it without --resume."
        raise ProjectError(msg)
    if TrainingConfig.model_validate_json(saved.read_bytes()) != config:
        msg = f"The run in '{output}' was started with another configuration; resume it with its own {CONFIG_FILE}."
        raise ConfigError(msg)
