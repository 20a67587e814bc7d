"""Weight of the unlabeled terms, which grows while the network learns to segment at all."""

from __future__ import annotations

from pydantic import Field

from VQSegLib.methods.base import MethodConfig
from VQSegLib.methods.losses import sigmoid_rampup

_SHARE = 0.4
"""Share of training over which the weight grows: 6 000 of 15 000 steps in the left-atrium protocol of the peers."""


class RampedConfig(MethodConfig):
    """What every method with a growing weight of its unlabeled terms can be told."""

    consistency_weight: float = Field(default=1, ge=0, description="Final weight of the unlabeled terms.")
    rampup_steps: int | None = Field(
        default=None, ge=0, description="Steps over which the weight grows; null: 40 % of the training; 0: at once."
    )

    def consistency_weight_at(self, step: int, max_steps: int) -> float:
        """Return the weight of the unlabeled terms in training step ``step`` of ``max_steps``."""
        steps = round(_SHARE * max_steps) if self.rampup_steps is None else self.rampup_steps
        return self.consistency_weight * sigmoid_rampup(step, steps)
