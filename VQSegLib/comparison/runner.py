"""Train and test every run of a benchmark, and go on where an earlier call stopped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from VQSegLib.atomic_files import write_text
from VQSegLib.comparison.data import BenchmarkData, LabelBudget
from VQSegLib.comparison.measuring import PeakMemory, seconds_per_step
from VQSegLib.comparison.plan import BenchmarkPlan, Run
from VQSegLib.comparison.results import RunResult
from VQSegLib.comparison.scoring import score_test_cases
from VQSegLib.documents import parse_document
from VQSegLib.errors import Cancelled, UserError, VQSegError
from VQSegLib.models.checkpoint import load_checkpoint
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.run_files import CONFIG_FILE, STATE_FILE
from VQSegLib.training.trainer import PREDICTOR_PRECISION, Trainer

RESULT_FILE = "result.json"
_STEPS_FILE = "steps.txt"
_PROBE_STEPS = 10

OnProgress = Callable[[float, str], None]
"""Called with the fraction of all runs that is done and what is being done."""


@dataclass(frozen=True)
class Runner:
    """Runs of one plan in one folder.

    Attributes:
        data: What is trained and tested on.
        plan: Which runs.
        output: Folder; holds ``runs/<row>/<budget>-seed-<n>`` and the shared cache of prepared cases.
        on_progress: See :data:`OnProgress`.
        cancelled: Polled before every step and between batches of a test.
    """

    data: BenchmarkData
    plan: BenchmarkPlan
    output: Path
    on_progress: OnProgress
    cancelled: Callable[[], bool]

    def run_all(self) -> list[tuple[Run, RunResult]]:
        """Return the result of every run; finished ones are read, started ones are gone on with.

        Raises:
            Cancelled: The user stopped; the same call goes on.
            UserError: What a run was asked for is not possible.
        """
        runs = list(self.plan.runs(self.data))
        results = []
        for index, run in enumerate(runs):

            def tell(fraction: float, stage: str, before: int = index, title: str = run.title) -> None:
                text = f"Run {before + 1} of {len(runs)} ({title}): {stage}"
                self.on_progress((before + fraction) / len(runs), text)

            results.append((run, self._run(run, tell)))
        return results

    def finished(self) -> list[tuple[Run, RunResult]]:
        """Return the results that are there already."""
        runs = ((run, self._folder(run) / RESULT_FILE) for run in self.plan.runs(self.data))
        return [(run, _read(file)) for run, file in runs if file.is_file()]

    def _folder(self, run: Run) -> Path:
        return self.output / "runs" / run.folder_name

    def _run(self, run: Run, tell: OnProgress) -> RunResult:
        folder = self._folder(run)
        folder.parent.mkdir(parents=True, exist_ok=True)
        config = self.plan.build_config(run, self.data, self._steps(run, tell))
        _check_same(folder, config)
        if (folder / RESULT_FILE).is_file():
            return _read(folder / RESULT_FILE)
        result = RunResult(
            row=run.row.name, budget=run.budget, labeled=run.labeled, seed=run.seed, steps=config.max_steps
        )
        try:
            result = result.model_copy(update=self._train_and_test(run, config, tell))
        except (Cancelled, UserError):
            raise
        except VQSegError as failure:
            # A method that diverges is a result; the others go on.
            result = result.model_copy(update={"failure": str(failure)})
        folder.mkdir(exist_ok=True)
        write_text(folder / RESULT_FILE, result.model_dump_json(indent=1))
        return result

    def _train_and_test(self, run: Run, config: TrainingConfig, tell: OnProgress) -> dict[str, object]:
        """Return the fields of a result that training and test give."""
        folder = self._folder(run)
        with PeakMemory() as memory:
            trainer = self._build_trainer(run, config, folder, tell)
            trained = trainer.run()
        total = len(self.data.test)
        network = load_checkpoint(trained.model_path)
        precision = PREDICTOR_PRECISION[config.device.precision]
        cases = score_test_cases(
            self.data,
            network,
            str(trainer.fabric.device),
            precision,
            self.cancelled,
            lambda done: tell(0.9 + 0.1 * done / total, f"tested {done} of {total} cases"),
        )
        return {
            "best_step": trained.best_step,
            "validation_dice": trained.best_dice if trainer.cases.validation else None,
            "parameters": sum(parameter.numel() for parameter in network.network.parameters()),
            "trained_parameters": sum(p.numel() for p in trainer.method.parameters() if p.requires_grad),
            "seconds_per_step": seconds_per_step(folder),
            "peak_memory_mb": memory.megabytes,
            "cases": cases,
        }

    def _build_trainer(self, run: Run, config: TrainingConfig, folder: Path, tell: OnProgress) -> Trainer:
        resume = (folder / STATE_FILE).is_file()
        if not resume and (folder / CONFIG_FILE).is_file():
            # Killed before its first state was saved: there is nothing to go on with.
            shutil.rmtree(folder)
        return Trainer(
            LabelBudget(self.data, run.labeled, validate=not self.plan.select_last),
            config,
            folder,
            resume=resume,
            command="vqseg benchmark methods",
            on_progress=lambda step, steps, _: tell(0.9 * step / steps, f"step {step} of {steps}"),
            cancelled=self.cancelled,
            cache=self.output / "cache",
        )

    def _steps(self, run: Run, tell: OnProgress) -> int:
        """Return the steps of a run; those that fit into a time are measured once per row and kept."""
        if self.plan.minutes is None:
            return self.plan.steps or 1
        kept = self.output / "runs" / run.row.folder_name / _STEPS_FILE
        if kept.is_file():
            return int(kept.read_text(encoding="utf-8"))
        tell(0.0, "measuring a step")
        folder = kept.with_name("probe")
        shutil.rmtree(folder, ignore_errors=True)
        config = self.plan.build_config(run, self.data, _PROBE_STEPS)
        Trainer(
            LabelBudget(self.data, run.labeled, validate=False),
            config,
            folder,
            cancelled=self.cancelled,
            cache=self.output / "cache",
        ).run()
        steps = max(1, round(60 * self.plan.minutes / seconds_per_step(folder)))
        shutil.rmtree(folder)
        write_text(kept, str(steps))
        return steps


def _read(file: Path) -> RunResult:
    return parse_document(RunResult, file.read_bytes(), f"The result '{file}'", UserError)


def _check_same(folder: Path, config: TrainingConfig) -> None:
    """Refuse to count a run that was made with other settings."""
    file = folder / CONFIG_FILE
    if not file.is_file():
        return
    kept = parse_document(TrainingConfig, file.read_bytes(), str(file), UserError)
    if kept != config:
        msg = (
            f"The run in '{folder}' was made with other settings ({kept.max_steps} steps); ask for the same ones "
            "again, or choose another --output."
        )
        raise UserError(msg)
