"""How a run ends, in this process: finished, paused, stopped, failed, and how its model is decided on."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from VQSegLib.errors import Cancelled
from VQSegLib.models.checkpoint import load_checkpoint, read_card, save_checkpoint
from VQSegLib.project.folder import Project
from VQSegLib.runs import main as main_module
from VQSegLib.runs import start as start_module
from VQSegLib.runs import work as work_module
from VQSegLib.runs.decision import decide
from VQSegLib.runs.documents import RunState
from VQSegLib.runs.folder import PAUSE, STOP, RunFolder
from VQSegLib.runs.main import run
from VQSegLib.runs.presets import Wish
from VQSegLib.runs.start import RunRequest, resume_run, start_run
from VQSegLib.training import trainer as trainer_module

SETTINGS = ("max_steps=4", "validation_interval=2", "log_interval=1", "data.workers=0", "device.threads=1")


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start no process, and leave this one's priority, signals and log as they are."""
    monkeypatch.setattr(start_module, "start_detached", lambda *_: psutil.Process())
    monkeypatch.setattr(main_module, "lower_priority", lambda: None)
    monkeypatch.setattr(trainer_module, "save_curves", lambda folder: folder)
    before, logger = signal.getsignal(signal.SIGTERM), logging.getLogger("VQSegLib")
    handlers, level = (logger.handlers, logger.propagate), logger.level
    yield
    signal.signal(signal.SIGTERM, before)
    logger.handlers, logger.propagate = handlers
    logger.setLevel(level)


@pytest.fixture
def begun(project: Project, parent: Path) -> RunFolder:
    return start_run(project, RunRequest(parent, Wish(settings=SETTINGS)))[0]


def do(project: Project, folder: RunFolder) -> RunState:
    """Do the run as its process would; afterwards that process is gone."""
    run(str(project.path), folder.path.name)
    status = folder.status
    assert status is not None
    folder.write(status.model_copy(update={"started": 0.0}))
    return folder.summarize().state


def test_a_finished_run_leaves_a_model_whose_card_names_its_parent(
    project: Project, begun: RunFolder, parent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert do(project, begun) == RunState.FINISHED
    result = begun.result
    assert result is not None
    assert result.model_id is not None
    assert not result.is_promoted
    assert "the user decides" in result.sentence
    card = read_card(project.models.path(result.model_id))
    assert card.parent is not None
    assert (card.parent.name, card.parent.sha256) == ("weak", load_checkpoint(parent).sha256)
    assert card.name.startswith("weak, fine-tuned 20")
    assert card.training is not None
    assert card.training.command == "vqseg runs start --preset standard"
    written = [line.partition(" INFO ")[2] for line in capsys.readouterr().err.splitlines()]
    assert written[0] == "Method 'vqseg' from weak; 2 labeled, 1 unlabeled, 0 held-out scans."
    assert written.index("Preparing the scans") < written.index("Training") < len(written) - 1
    assert any(line.startswith("Step 4 of 4: loss ") for line in written)
    assert written[-1] == result.sentence
    assert {one.labels[-1].sha256 for one in project.cases() if one.is_labeled} == set(card.training.label_sha256)


@pytest.mark.parametrize(("how", "state"), [(PAUSE, RunState.PAUSED), (STOP, RunState.STOPPED)])
def test_a_run_ends_as_asked_and_only_a_paused_one_goes_on(
    project: Project, begun: RunFolder, how: str, state: RunState
) -> None:
    (begun.path / "stop").write_text(how, encoding="utf-8")
    assert do(project, begun) == state
    assert (begun.path / "cache").exists() == (state == RunState.PAUSED)
    if state == RunState.PAUSED:
        resume_run(project, begun)
        assert do(project, begun) == RunState.FINISHED


def test_the_end_of_the_session_pauses_a_run(
    project: Project, begun: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Machines that shut down and schedulers that end a job send SIGTERM first."""
    train = work_module.Trainer.run

    def end_session(trainer: trainer_module.Trainer) -> object:
        os.kill(os.getpid(), signal.SIGTERM) if os.name != "nt" else signal.raise_signal(signal.SIGTERM)
        return train(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(work_module.Trainer, "run", end_session)
        assert do(project, begun) == RunState.PAUSED
    resume_run(project, begun)
    assert do(project, begun) == RunState.FINISHED


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "(No space left on device); check free space, then resume"),
        (MemoryError(), "Memory is not enough"),
        (ZeroDivisionError("Patient Müller"), "a fault of its own (ZeroDivisionError)"),
    ],
)
def test_a_failure_is_one_sentence_and_the_run_can_be_resumed(
    project: Project, begun: RunFolder, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fail(_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(work_module.Trainer, "run", fail)
        assert do(project, begun) == RunState.FAILED
    sentence = begun.summarize().stage
    assert words in sentence
    assert "Müller" not in sentence
    assert "\n" not in sentence
    resume_run(project, begun)
    assert do(project, begun) == RunState.FINISHED


def test_a_case_removed_since_is_told(project: Project, begun: RunFolder) -> None:
    project.remove_case(project.cases(state="queued")[0].case_id)
    assert do(project, begun) == RunState.FAILED
    assert "was removed since the run began" in begun.summarize().stage


def test_a_project_that_moved_is_trained_on_where_it_is_now(project: Project, begun: RunFolder, tmp_path: Path) -> None:
    moved = project.path.rename(tmp_path / "moved project")
    assert do(Project.open(moved), RunFolder(moved / "runs" / begun.path.name)) == RunState.FINISHED


def test_a_second_process_leaves_a_run_alone(
    project: Project, begun: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    monkeypatch.setattr(main_module, "_LOCK_SECONDS", 0.1)
    with FileLock(begun.path / ".lock"):
        assert run(str(project.path), begun.path.name) == 1
    assert begun.result is None


@pytest.fixture
def better(project: Project, parent: Path, make_scan: Callable, tmp_path: Path) -> tuple[Project, RunFolder, str]:
    """A project with two held-out patients, a run, and the id of its new model: the parent under another name."""
    for seed in range(2, 10):
        project.add_case(*make_scan(seed))
    begun = start_run(project, RunRequest(parent, Wish(settings=SETTINGS), asked_by="Ö"))[0]
    model = load_checkpoint(parent)
    save_checkpoint(tmp_path / "new.safetensors", model.network, model.card.model_copy(update={"name": "new"}))
    return project, begun, project.models.add(tmp_path / "new.safetensors")


def test_a_model_that_is_not_worse_is_promoted_unless_the_user_wants_to_decide(
    better: tuple[Project, RunFolder, str],
) -> None:
    project, begun, model_id = better
    asking = begun.spec.model_copy(update={"promotes": False})
    left = decide(project, asking, model_id, device="cpu", cancelled=lambda: False)
    assert (left.is_promoted, project.models.active_path()) == (False, None)
    assert left.sentence.endswith("The user decides whether it is used, as asked.")
    done = decide(project, begun.spec, model_id, device="cpu", cancelled=lambda: False)
    current = project.models.active().current
    assert current is not None
    assert (done.is_promoted, current.model_id, current.decided_by) == (True, model_id, "Ö")
    assert "not worse by the rule" in current.rule
    assert decide(project, begun.spec, model_id, device="cpu", cancelled=lambda: False).is_promoted
    assert len(project.models.active().history) == 1


def test_a_model_is_not_promoted_over_one_it_was_not_compared_with(
    better: tuple[Project, RunFolder, str], parent: Path, tmp_path: Path
) -> None:
    project, begun, model_id = better
    model = load_checkpoint(parent)
    save_checkpoint(tmp_path / "third.safetensors", model.network, model.card.model_copy(update={"name": "third"}))
    third = project.models.add(tmp_path / "third.safetensors")
    project.models.promote(third, rule="test")
    done = decide(project, begun.spec, model_id, device="cpu", cancelled=lambda: False)
    assert not done.is_promoted
    assert "Another model came into use meanwhile" in done.sentence
    assert project.models.active_path() == project.models.path(third)


def test_deciding_can_be_stopped_and_nothing_is_promoted(better: tuple[Project, RunFolder, str]) -> None:
    project, begun, model_id = better
    with pytest.raises(Cancelled):
        decide(project, begun.spec, model_id, device="cpu", cancelled=lambda: True)
    assert project.models.active_path() is None


def test_a_run_without_parent_is_left_to_the_user(better: tuple[Project, RunFolder, str]) -> None:
    project, begun, model_id = better
    spec = begun.spec.model_copy(update={"parent_id": None})
    done = decide(project, spec, model_id, device="cpu", cancelled=lambda: False)
    assert (done.is_promoted, done.comparison) == (False, None)


def test_the_result_can_be_read_by_other_programs(project: Project, begun: RunFolder) -> None:
    do(project, begun)
    result = json.loads((begun.path / "result.json").read_text(encoding="utf-8"))
    assert result["comparison"]["verdict"] == "undecided"
    assert json.loads((begun.path / "spec.json").read_text(encoding="utf-8"))["format_version"] == 1
