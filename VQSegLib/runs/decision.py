"""What becomes of the model of a finished run: the rule decides, or the user where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from VQSegLib.project.folder import Project
from VQSegLib.runs.documents import RunSpec
from VQSegLib.training.figures import Comparison, Verdict
from VQSegLib.training.gate import compare_models
from VQSegLib.training.rule import RULE

_LEFT = "The user decides whether it is used"


@dataclass(frozen=True)
class RunDecision:
    """What became of a new model.

    Attributes:
        sentence: What happened and why.
        is_promoted: Segment uses it now.
        comparison: Figures; None without a parent.
    """

    sentence: str
    is_promoted: bool
    comparison: Comparison | None


def decide(
    project: Project, spec: RunSpec, model_id: str, *, device: str, cancelled: Callable[[], bool]
) -> RunDecision:
    """Compare a new model with its parent and promote it if the rule and the user's wish say so.

    Raises:
        Cancelled: ``cancelled`` answered True.
        UserError: A model or case cannot be read.
    """
    if spec.parent_id is None:
        return RunDecision(f"Finished. There is no model to compare it with. {_LEFT}.", False, None)
    models = project.models
    paths = models.path(spec.parent_id), models.path(model_id)
    comparison = compare_models(project, *paths, device=device, cancelled=cancelled)
    found = f"Finished. {comparison.sentence}"
    current = models.active().current
    in_use = None if current is None else current.model_id
    if in_use == model_id:
        return RunDecision(f"{found} It is in use now.", True, comparison)
    if comparison.verdict == Verdict.WORSE:
        return RunDecision(f"{found} The model in use stays.", False, comparison)
    if comparison.verdict == Verdict.UNDECIDED:
        return RunDecision(found, False, comparison)
    if in_use not in (None, spec.parent_id):
        return RunDecision(f"{found} Another model came into use meanwhile. {_LEFT}.", False, comparison)
    if not spec.promotes:
        return RunDecision(f"{found} {_LEFT}, as asked.", False, comparison)
    models.promote(model_id, rule=f"{comparison.sentence} {RULE}", decided_by=spec.asked_by)
    return RunDecision(f"{found} It is in use now.", True, comparison)
