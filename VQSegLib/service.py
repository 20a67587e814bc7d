"""What can be asked of VQSeg, one method per request; the command line and the worker only call it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from VQSegLib.model_service import ModelService
from VQSegLib.output_checks import check_output_file
from VQSegLib.pool_service import PoolService
from VQSegLib.resources import find_model, resources_folder
from VQSegLib.run_service import RunService
from VQSegLib.service_results import (
    ModelDescription,
    ModelSummary,
    OnProgress,
    TrainedModel,
    VerifiedModel,
    describe_model,
    summarize_model,
)

if TYPE_CHECKING:
    from VQSegLib.comparison.benchmark_methods import BenchmarkFiles
    from VQSegLib.comparison.plan import BenchmarkPlan
    from VQSegLib.evaluation.results import Evaluation, Unit
    from VQSegLib.inference.device import Device
    from VQSegLib.labels import LabelTable
    from VQSegLib.models.card import ModelCard
    from VQSegLib.training.request import TrainingRequest

SHOWN_VALUES = ("loss/total", "dice")
"""Values of a training step that are shown while it runs; all of them are in the run's events."""


class Service(ModelService, RunService, PoolService):
    """Answers requests; heavy packages are imported by the request that needs them."""

    def evaluate(
        self,
        prediction: Path,
        reference: Path,
        *,
        labels: LabelTable | None = None,
        unit: Unit = "mm",
        tolerance: float = 2.0,
        on_progress: OnProgress | None = None,
    ) -> Evaluation:
        """Score label maps against reference label maps, two files or two folders.

        Args:
            prediction: File or folder.
            reference: The same kind of thing.
            labels: Structures to score; None scores every value that occurs.
            unit: Unit of distances, ``mm`` or ``voxel``.
            tolerance: Tolerance of surface Dice in ``unit``.
            on_progress: Told how far the work is.

        Raises:
            UserError: One sentence about what cannot be compared.
        """
        from VQSegLib.evaluation.evaluate import evaluate_paths
        from VQSegLib.evaluation.results import EvaluationSettings

        def tell(done: int, pairs: int) -> None:
            if on_progress is not None:
                on_progress(done / pairs, f"Scored {done} of {pairs}", None)

        settings = EvaluationSettings(unit=unit, tolerance=tolerance)
        return evaluate_paths(prediction, reference, labels, settings, on_progress=tell)

    def train(
        self,
        project: Path,
        request: TrainingRequest,
        *,
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> TrainedModel:
        """Train a model on the cases of a project.

        Args:
            project: Project folder.
            request: Run folder and configuration.
            on_progress: Told how far the work is.
            cancelled: Polled before every step; the run can be resumed afterwards.

        Raises:
            UserError: One sentence about the project, the configuration or the run folder.
            Cancelled: ``cancelled`` answered True.
        """
        from VQSegLib.training.request import build_config, choose_run_folder

        opened = self.open_project(project)
        run_folder = choose_run_folder(opened, request)
        config = build_config(opened, request, run_folder)

        from VQSegLib.training.trainer import Trainer

        def tell(step: int, steps: int, values: dict[str, float]) -> None:
            if on_progress is not None:
                shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items() if name in SHOWN_VALUES)
                on_progress(step / steps, f"Step {step} of {steps}: {shown}", None)

        trainer = Trainer(
            opened,
            config,
            run_folder,
            resume=request.resume,
            command=request.command,
            on_progress=tell,
            cancelled=cancelled,
        )
        result = trainer.run()
        return TrainedModel(
            model=str(result.model_path),
            best_step=result.best_step,
            validation_dice=result.best_dice if math.isfinite(result.best_dice) else None,
            curves=str(result.curves_path),
        )

    def benchmark_methods(
        self,
        data: Path,
        plan: BenchmarkPlan,
        output: Path,
        *,
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> BenchmarkFiles:
        """Compare training methods on one data set, and go on where an earlier call in ``output`` stopped.

        Args:
            data: Project folder, ``lidc_slices.npz``, or folder of the left-atrium data.
            plan: Rows, labeled parts, seeds and budget.
            output: Folder of runs and tables.
            on_progress: Told how far the work is.
            cancelled: Polled before every step.

        Raises:
            UserError: One sentence about data, plan or folder.
            Cancelled: ``cancelled`` answered True.
        """
        from VQSegLib.comparison.benchmark_methods import benchmark_methods

        def tell(fraction: float, stage: str) -> None:
            if on_progress is not None:
                on_progress(fraction, stage, None)

        return benchmark_methods(data, plan, output, tell, cancelled or (lambda: False))

    def list_models(self, folder: Path | None = None) -> list[ModelSummary]:
        """List the model files of a folder, the shipped ones by default.

        Raises:
            ModelFileError: There is no such folder.
        """
        from VQSegLib.models.store import list_models

        return [summarize_model(entry) for entry in list_models(folder or resources_folder() / "models")]

    def describe_models(self, folder: Path | None = None) -> list[ModelDescription]:
        """List models as a person chooses them, the shipped ones by default.

        Raises:
            ModelFileError: There is no such folder.
        """
        from VQSegLib.models.store import list_models

        shipped = resources_folder() / "models"
        if folder is None and not shipped.is_dir():
            return []
        entries = list_models(folder or shipped)
        return [describe_model(entry, is_shipped=folder is None) for entry in entries]

    def load_packages(self) -> None:
        """Import what segmenting needs, which takes seconds, before it is needed."""
        import VQSegLib.inference.predictor
        import VQSegLib.models.network  # noqa: F401 - the import is the purpose

    def list_devices(self) -> list[Device]:
        """List the devices of this machine, the default one first."""
        from VQSegLib.inference.device import list_devices

        return list_devices()

    def show_model(self, model: str) -> ModelCard:
        """Return the card of a model; only the header of the file is read.

        Raises:
            ModelFileError: There is no such model, or it is not a usable model file.
        """
        from VQSegLib.models.checkpoint import read_card

        return read_card(find_model(model))

    def verify_model(self, model: str) -> VerifiedModel:
        """Check every byte of a model file and that its weights fit its network.

        Raises:
            ModelFileError: What is wrong with the file.
        """
        from VQSegLib.models.checkpoint import load_checkpoint

        path = find_model(model)
        loaded = load_checkpoint(path)
        return VerifiedModel(path=str(path), name=loaded.card.name, sha256=loaded.sha256)

    def import_model(self, source: Path, output: Path, *, name: str, labels: LabelTable | None = None) -> ModelCard:
        """Convert a checkpoint released by the VQ-Seg authors into a model file.

        Raises:
            UserError: The checkpoint is unsafe, damaged or of another network, or the output cannot be written.
        """
        from VQSegLib.models.released_layout import import_released
        from VQSegLib.models.store import MODEL_SUFFIX

        check_output_file(output, (MODEL_SUFFIX,), source=source, overwrite=False)
        return import_released(source, output, labels=labels, name=name)
