"""The weights of a run that scored best so far."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from VQSegLib.models.network import VQSegNet
from VQSegLib.training.run_files import BEST_FILE
from VQSegLib.training.run_state import load_tensors, save_tensors
from VQSegLib.training.validation import ValidationScores


class BestWeights:
    """Keeps the best weights of a run in a file of its folder.

    Attributes:
        step: Step they are from.
        dice: Their mean Dice on the validation cases; NaN where none shows any label.
    """

    def __init__(self, folder: Path) -> None:
        self.step, self.dice = 0, -math.inf
        self._file = folder / BEST_FILE

    def offer(self, network: VQSegNet, step: int, scores: ValidationScores) -> None:
        """Keep the weights of a network if they scored better than those kept.

        Raises:
            ProjectError: They cannot be written.
        """
        # NaN, when no validation case shows any label, selects nothing: then the last weights are kept.
        if scores.mean > self.dice or not math.isfinite(self.dice):
            self.keep(network, step, scores)

    def keep(self, network: VQSegNet, step: int, scores: ValidationScores) -> None:
        """Keep the weights of a network, whatever they scored.

        Raises:
            ProjectError: They cannot be written.
        """
        self.step, self.dice = step, scores.mean
        save_tensors(self._file, {"weights": network.state_dict(), "step": step, "per_label": scores.per_label})

    def load(self) -> dict[str, Any]:
        """Return the ``weights`` that are kept, their ``step`` and their Dice ``per_label``.

        Raises:
            ProjectError: The file is missing or damaged.
        """
        return load_tensors(self._file)
