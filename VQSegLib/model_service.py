"""What can be asked about the models of a project: compare, promote, roll back, export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from VQSegLib.device_turns import step_aside
from VQSegLib.errors import ProjectError
from VQSegLib.model_results import Promotion, ShelvedModel, describe_shelved
from VQSegLib.project_service import ProjectService
from VQSegLib.request_helpers import never
from VQSegLib.resources import find_model
from VQSegLib.service_results import OnProgress

if TYPE_CHECKING:
    from VQSegLib.project.folder import Project
    from VQSegLib.project.model_shelf import ActiveModel
    from VQSegLib.training.figures import Comparison


class ModelService(ProjectService):
    """Answers requests about a project's models."""

    def list_shelf(self, path: Path) -> tuple[list[ShelvedModel], ActiveModel]:
        """List the models of a project and how the one in use came to be so.

        Raises:
            ProjectError: There is no project, or its history is damaged.
        """
        models = self.open_project(path).models
        active = models.active()
        in_use = None if active.current is None else active.current.model_id
        return [describe_shelved(model_id, entry, in_use) for model_id, entry in models.list().items()], active

    def compare_models(
        self,
        path: Path,
        new: str,
        old: str | None = None,
        *,
        device: str = "auto",
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] = never,
    ) -> Comparison:
        """Compare two models on the project's held-out cases.

        Args:
            path: Project folder.
            new: Model id, file or name of a shipped model.
            old: The same; None for the one in use.
            device: Device to segment on.
            on_progress: Told how far the work is.
            cancelled: Polled between batches.

        Raises:
            UserError: One sentence about the models or the cases.
            Cancelled: ``cancelled`` answered True.
        """
        from VQSegLib.training.gate import compare_models

        project = self.open_project(path)
        first = project.models.active_path() if old is None else find_project_model(project, old)
        if first is None:
            msg = "No model is in use in this project, so there is nothing to compare with; give two models."
            raise ProjectError(msg)

        def tell(done: int, total: int) -> None:
            if on_progress is not None:
                on_progress(done / total, f"Segmenting held-out scan {done + 1} of {total}", None)

        def is_stopped() -> bool:
            step_aside(cancelled)
            return cancelled()

        second = find_project_model(project, new)
        return compare_models(project, first, second, device=device, on_case=tell, cancelled=is_stopped)

    def promote_model(
        self,
        path: Path,
        model: str,
        *,
        decided_by: str | None = None,
        reason: str | None = None,
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] = never,
        before_commit: Callable[[], None] = lambda: None,
    ) -> Promotion:
        """Use a model from now on if the rule says that it is not worse, or the user gives a reason.

        Args:
            path: Project folder.
            model: Model id, file or name of a shipped model.
            decided_by: Name to be recorded.
            reason: Why it shall be used even if the rule says that it is worse.
            on_progress: Told how far the comparison is.
            cancelled: Polled between batches.
            before_commit: Called when only the last step is left; what it raises changes nothing.

        Raises:
            UserError: One sentence about the model or the cases.
            Cancelled: ``cancelled`` answered True; nothing was changed.
        """
        from VQSegLib.training.figures import Verdict
        from VQSegLib.training.rule import RULE

        project = self.open_project(path)
        comparison, sentence, because = None, "No model was in use before; the user decided.", ""
        if project.models.active_path() is not None:
            comparison = self.compare_models(path, model, on_progress=on_progress, cancelled=cancelled)
            sentence = comparison.sentence
            if comparison.verdict == Verdict.WORSE and not reason:
                return Promotion(is_promoted=False, sentence=sentence, comparison=comparison)
            because = f" {RULE}" if comparison.verdict == Verdict.NOT_WORSE else " Decided by the user."
        if reason:
            because += f" Reason given: {reason}"
        before_commit()
        model_id = project.models.add(find_project_model(project, model))
        project.models.promote(model_id, rule=f"{sentence}{because}", decided_by=decided_by)
        return Promotion(is_promoted=True, sentence=sentence, comparison=comparison)

    def roll_back_model(self, path: Path, *, decided_by: str | None = None, reason: str | None = None) -> ActiveModel:
        """Go back to the model that was in use before.

        Raises:
            ProjectError: There is nothing to go back to.
        """
        rule = f"Asked for by the user{f': {reason}' if reason else '.'}"
        return self.open_project(path).models.roll_back(rule=rule, decided_by=decided_by)

    def export_model(self, path: Path, model: str, output: Path) -> Path:
        """Copy a model file out of a project, completely or not at all.

        Raises:
            UserError: There is no such model, or ``output`` exists or cannot be written.
        """
        from VQSegLib.atomic_files import written_atomically
        from VQSegLib.models.model_file import read_checked
        from VQSegLib.models.store import MODEL_SUFFIX
        from VQSegLib.output_checks import check_output_file
        from VQSegLib.project.writing import told_failures

        source = find_project_model(self.open_project(path), model)
        check_output_file(output, (MODEL_SUFFIX,), source=source, overwrite=False)
        content = read_checked(source)[1]
        with told_failures(output.parent), written_atomically(output, is_new=True) as temporary:
            temporary.write_bytes(content)
        return output


def find_project_model(project: Project, name: str) -> Path:
    """Return the file of a model given by its id in a project, its path, or the name of a shipped model.

    Raises:
        ModelFileError: There is none.
    """
    path = project.models.path(name)
    return path if path.is_file() else find_model(name)
