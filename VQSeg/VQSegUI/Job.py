"""What every piece of work of several steps does alike: it ends once, and a person or the scene may end it early."""

from __future__ import annotations

from typing import Any, Callable, Dict, Generator, List, Optional, Set

from slicer.i18n import tr as _

from VQSegUI.Engine import Cancelled
from VQSegUI.Problem import Problem
from VQSegUI.Signal import Signal
from VQSegUI.Steps import Steps

Work = Generator[None, None, None]


class Job:
    """Work under way.

    Attributes:
        progressed: Emitted with the fraction of the whole (0..1), the stage in words, and the seconds left or None.
        finished: Emitted with what was made.
        failed: Emitted with a `Problem`; `Cancelled` when the person stopped it. The scene is as before.
        notes: What the person should know about the result, one sentence each.
    """

    def __init__(self, engine: Any) -> None:
        self.progressed, self.finished, self.failed = Signal(), Signal(), Signal()
        self.notes: List[str] = []
        self._engine = engine
        self._current: Any = None  # what can be cancelled: a transfer, or a reply
        self._steps: Optional[Steps] = None
        self._isOver = self._isCancelled = False

    def cancel(self) -> None:
        """Stop at the person's wish; ``failed`` follows with `Cancelled`."""
        self._isCancelled = True
        if self._current is not None:
            self._current.cancel()
        else:
            self._fail(Cancelled(_("Cancelled.")))

    def abandon(self, problem: Problem) -> None:
        """Stop because the result has no place any more; the engine is told, its answer is not waited for."""
        current = self._current
        self._fail(problem)
        if current is not None:
            current.cancel()

    def nodeIDs(self) -> Set[str]:
        """Return the nodes without which the work is in vain."""
        return set()

    def _discard(self) -> None:
        """Remove what was made before the work failed."""

    def _request(self, method: str, params: Dict[str, Any], onAnswer: Callable[[Any], None]) -> None:
        """Ask the engine; ``onAnswer`` is called unless the work is over by then."""
        self._current = self._engine.request(method, params)
        self._current.failed.connect(self._fail)
        self._current.succeeded.connect(lambda answer: self._goOn(onAnswer, answer))

    def _goOn(self, onAnswer: Callable[[Any], None], answer: Any) -> None:
        if self._isOver:
            return
        self._current = None
        if self._isCancelled:  # the answer was faster than the wish to stop
            self._fail(Cancelled(_("Cancelled.")))
        else:
            onAnswer(answer)

    def _run(self, steps: Work, onDone: Callable[[], None]) -> None:
        self._steps = Steps(steps)
        self._steps.failed.connect(self._fail)
        self._steps.finished.connect(onDone)
        self._steps.start()

    def _tell(self, fraction: float, stage: str, secondsLeft: Optional[float]) -> None:
        self.progressed.emit(fraction, stage, secondsLeft)

    def _fail(self, problem: Problem) -> None:
        if self._isOver:
            return
        self._isOver, self._current = True, None
        if self._steps is not None:
            self._steps.stop()
        self._discard()
        self.failed.emit(problem)
