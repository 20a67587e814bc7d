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
    """

    def __init__(self) -> None:
        self.changed = Signal()
        self._owner: Optional[JobButton] = None

    def isTaken(self) -> bool:
        """Return whether work runs that other work has to wait for."""
        return self._owner is not None and not self._owner.givesWay

    def begin(self, owner: JobButton) -> None:
        """Work of a button begins; what gives way to it ends."""
        before, self._owner = self._owner, owner
        if before is not None:
            before.giveWay()
        self.changed.emit()

    def end(self, owner: JobButton) -> None:
        """Work of a button is over."""
        if self._owner is owner:
            self._owner = None
        self.changed.emit()


class JobButton:
    """Follows one kind of work.

    Attributes:
        job: The work that this button started and that runs, or None.
        done: Emitted with the job and what it made; the status line is empty then.
        givesWay: Whether its work ends when other work of the slot is started, instead of keeping it waiting.
    """

    def __init__(
        self, button: Any, progressBar: Any, statusLabel: Any, slot: JobSlot, log: Any, givesWay: bool = False
    ) -> None:
        """Take charge of a button; what to start when it is clicked, and when it may be, is the section's business."""
        self.done = Signal()
        self.job: Any = None
        self.givesWay, self._hasGivenWay = givesWay, False
        self._button, self._progressBar, self._statusLabel = button, progressBar, statusLabel
        self._slot, self._log = slot, log
        self._text = button.text
        progressBar.setVisible(False)

    def follow(self, job: Any) -> None:
        """Report about work that was just started."""
        self.job, self._hasGivenWay = job, False
        job.progressed.connect(self._onProgress)
        job.finished.connect(self._onFinished)
        job.failed.connect(self._onFailed)
        self._onProgress(0.0, _("Starting"), None)
        self._slot.begin(self)

    def giveWay(self) -> None:
        """Stop because other work was started."""
        self._hasGivenWay = True
        self.cancel()

    def cancel(self) -> None:
        """Stop the work, if any."""
        if self.job is not None:
            self._button.enabled = False  # until the engine has answered
            self.job.cancel()

    def update(self, missing: str, toolTip: str) -> None:
        """Let the button be clicked unless something is missing, which the tool tip says then."""
        isBusy = self._slot.isTaken() and self.job is None
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
        if self._hasGivenWay and isinstance(problem, Cancelled):
            self.say(_("It made way for what you started; click again to go on, what was looked at so far is kept."))
        else:
            self.showProblem(problem)

    def _end(self) -> Any:
        job, self.job = self.job, None
        self._progressBar.setVisible(False)
        self._slot.end(self)
        return job


def logAnswer(log: Any, what: str, result: Any) -> None:
    """Write into the log where the engine worked and how long each stage took."""
    told = {key: result.get(key, "?") for key in ("device", "precision", "seconds")}
    log.add(_("{what} on {device} ({precision}) in {seconds} s").format(what=what, **told))
    for stage, seconds in (result.get("seconds_by_stage") or {}).items():
        log.add(f"  {stage}: {seconds} s")
