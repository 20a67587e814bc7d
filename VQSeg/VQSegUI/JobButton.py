"""A button that starts work and turns into Cancel while it runs, with its progress bar and status line."""

from __future__ import annotations

from typing import Any, Optional

from slicer.i18n import tr as _

from VQSegUI.Engine import Cancelled
from VQSegUI.Problem import Problem
from VQSegUI.Signal import Signal


class JobSlot:
    """The one piece of work that may run at a time, whichever button started it.

    Attributes:
        changed: Emitted without values when work begins or ends.
        job: What runs, or None.
    """

    def __init__(self) -> None:
        self.changed = Signal()
        self.job: Any = None

    def put(self, job: Any) -> None:
        """Work begins, or with None it is over."""
        self.job = job
        self.changed.emit()


class JobButton:
    """Follows one kind of work.

    Attributes:
        job: The work that this button started and that runs, or None.
        done: Emitted with the job and what it made; the status line is empty then.
    """

    def __init__(self, button: Any, progressBar: Any, statusLabel: Any, slot: JobSlot, log: Any) -> None:
        """Take charge of a button; what to start when it is clicked, and when it may be, is the section's business."""
        self.done = Signal()
        self.job: Any = None
        self._button, self._progressBar, self._statusLabel = button, progressBar, statusLabel
        self._slot, self._log = slot, log
        self._text = button.text
        progressBar.setVisible(False)

    def follow(self, job: Any) -> None:
        """Report about work that was just started."""
        self.job = job
        job.progressed.connect(self._onProgress)
        job.finished.connect(self._onFinished)
        job.failed.connect(self._onFailed)
        self._onProgress(0.0, _("Starting"), None)
        self._slot.put(job)

    def cancel(self) -> None:
        """Stop the work, if any."""
        if self.job is not None:
            self._button.enabled = False  # until the engine has answered
            self.job.cancel()

    def update(self, missing: str, toolTip: str) -> None:
        """Let the button be clicked unless something is missing, which the tool tip says then."""
        isBusy = self._slot.job is not None and self.job is None
        reason = _("Wait until the other work is done, or cancel it.") if isBusy else missing
        self._button.text = _("Cancel") if self.job is not None else self._text
        self._button.enabled = self.job is not None or not reason
        self._button.toolTip = toolTip if self.job is not None else reason or toolTip

    def say(self, text: str) -> None:
        """Write into status line and log."""
        self._statusLabel.text = text
        self._log.add(text)

    def showProblem(self, problem: Problem) -> None:
        """Tell the person what went wrong."""
        self.say(str(problem))
        if not isinstance(problem, Cancelled):
            self._log.add(problem.detail)

    def _onProgress(self, fraction: float, stage: str, secondsLeft: Optional[float]) -> None:
        self._progressBar.setVisible(True)
        self._progressBar.value = round(100 * fraction)
        left = _(", about {seconds} s left").format(seconds=max(1, round(secondsLeft))) if secondsLeft else ""
        self._statusLabel.text = stage + left

    def _onFinished(self, outcome: Any) -> None:
        job = self._end()
        self.done.emit(job, outcome)

    def _onFailed(self, problem: Problem) -> None:
        self._end()
        self.showProblem(problem)

    def _end(self) -> Any:
        job, self.job = self.job, None
        self._progressBar.setVisible(False)
        self._slot.put(None)
        return job


def logAnswer(log: Any, what: str, result: Any) -> None:
    """Write into the log where the engine worked and how long each stage took."""
    told = {key: result.get(key, "?") for key in ("device", "precision", "seconds")}
    log.add(_("{what} on {device} ({precision}) in {seconds} s").format(what=what, **told))
    for stage, seconds in (result.get("seconds_by_stage") or {}).items():
        log.add(f"  {stage}: {seconds} s")
