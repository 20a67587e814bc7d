"""What the folder of a run says about it, besides what the trainer keeps there."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from VQSegLib.documents import Document
from VQSegLib.training.figures import Comparison

SPEC_FILE = "spec.json"
STATUS_FILE = "status.json"
RESULT_FILE = "result.json"
STOP_FILE = "stop"
LOG_FILE = "log.txt"


class RunState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_resumable(self) -> bool:
        """Whether the run can go on."""
        return self in (RunState.PAUSED, RunState.INTERRUPTED, RunState.FAILED)


class RunSpec(Document):
    """``spec.json``: what was asked for; the training configuration and the choice of cases lie beside it."""

    format_version: Literal[1] = 1
    run_id: str
    created: str = Field(description="UTC time, ISO 8601.")
    name: str = Field(description="Name of the model that results.")
    preset: str
    method: str
    parent_id: str | None = Field(description="Model of the project that the run starts from; null: random weights.")
    parent_name: str | None = None
    labeled: int = Field(ge=1, description="Number of labeled cases.")
    unlabeled: int = Field(ge=0)
    held_out: int = Field(ge=0)
    promotes: bool = Field(description="Use the new model if the rule says so; otherwise the user decides.")
    asked_by: str | None = Field(default=None, description="Name that person chose to be recorded under.")


class RunStatus(Document):
    """``status.json``: the process of a run and how far it is, written again every few seconds."""

    format_version: Literal[1] = 1
    machine: str = Field(description="Key of the machine; tells nothing of its name.")
    pid: int
    started: float = Field(description="Start of the process, seconds since 1970; with the number it is unique.")
    updated: float = Field(description="Seconds since 1970.")
    stage: str = Field(description="What it is doing, in words.")
    step: int = 0
    steps: int = 0
    seconds_left: float | None = None
    is_paused: bool = Field(default=False, description="The process ended as asked; the run can go on.")


class RunResult(Document):
    """``result.json``: how a run ended."""

    format_version: Literal[1] = 1
    state: Literal[RunState.FINISHED, RunState.FAILED, RunState.STOPPED]
    ended: str = Field(description="UTC time, ISO 8601.")
    sentence: str = Field(description="What happened, for the user.")
    model_id: str | None = None
    is_promoted: bool = False
    comparison: Comparison | None = Field(default=None, description="With the model it started from.")


class RunSummary(Document):
    """A run as it stands now."""

    run_id: str
    state: RunState
    stage: str = Field(description="What it is doing or why it is not, in words.")
    step: int
    steps: int
    seconds_left: float | None
    spec: RunSpec
    result: RunResult | None


class PresetEstimate(Document):
    """A choice of how long to learn, and how long that takes here."""

    name: str
    steps: int
    purpose: str
    seconds: float | None = Field(description="From the measured time of a step; null: not measured on this machine.")


class RunPlan(Document):
    """What a run would use if it were started now."""

    problem: str | None = Field(description="Why it cannot be started, one sentence; null: it can.")
    parent_id: str | None = None
    parent_name: str | None = None
    method: str | None = None
    labeled: int = 0
    unlabeled: int = 0
    held_out: int = 0
    presets: tuple[PresetEstimate, ...] = ()
    notes: tuple[str, ...] = ()
