"""Choosing paths on this computer and on that of the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import qt

from VQSegUI.FolderDialog import FolderDialog
from VQSegUI.PathChooser import PathChooser, joinPath, lastName


@pytest.fixture
def remote(make_engine: Any, wait_until: Any) -> Any:
    """An engine on another computer, ready."""
    engine = make_engine(FAKE_HOST="gpu01")
    engine.start()
    wait_until(lambda: engine.state == "ready")
    return engine


class Person:
    """Uses the dialog while it is open, one deed per turn in which the list is there."""

    def __init__(self, *deeds: Callable[[Any], Any]) -> None:
        self._deeds, self.seen = list(deeds), []

    def __call__(self, engine: Any, title: str) -> FolderDialog:
        self.dialog = FolderDialog(engine, title)
        self._timer = qt.QTimer()
        self._timer.setInterval(20)
        self._timer.timeout.connect(self._act)
        self._timer.start()
        return self.dialog

    def _act(self) -> None:
        ui = self.dialog._ui
        if self.dialog._reply is None and self._deeds:
            self.seen.append((ui.pathLineEdit.text, ui.problemLabel.text))
            self._deeds.pop(0)(ui)


def enter(row: int) -> Callable[[Any], None]:
    def act(ui: Any) -> None:
        ui.folderList.setCurrentRow(row)
        ui.folderList.itemDoubleClicked.emit(ui.folderList.item(row))

    return act


def pick(row: int) -> Callable[[Any], None]:
    def act(ui: Any) -> None:
        ui.folderList.setCurrentRow(row)
        ui.folderList.itemClicked.emit(ui.folderList.item(row))

    return act


def choose(ui: Any) -> None:
    ui.chooseButton.click()


def test_a_folder_of_another_computer_is_found_by_looking_around(remote: Any) -> None:
    person = Person(enter(0), lambda ui: ui.upButton.click(), pick(1), choose)

    chosen = PathChooser(remote, None, person).folder("Open project")

    assert chosen == "/home/doe/my project"
    assert [path for path, _problem in person.seen] == [
        "/home/doe",
        "/home/doe/data",
        "/home/doe",
        "/home/doe/my project",
    ]
    assert person.dialog._ui.folderList.item(1).text() == "my project (project)"
    assert person.dialog._ui.hostLabel.text == "Folders on the computer 'gpu01'"


def test_a_new_name_is_joined_to_the_folder_of_another_computer(remote: Any) -> None:
    def rename(ui: Any) -> None:
        ui.newNameLineEdit.text = "my export"

    assert PathChooser(remote, None, Person(rename, choose)).newPath("Export", "export") == "/home/doe/my export"


def test_a_folder_that_cannot_be_read_is_told_and_the_dialog_stays(remote: Any) -> None:
    def go_to_secret(ui: Any) -> None:
        ui.rootComboBox.setCurrentIndex(1)
        ui.rootComboBox.activated.emit(1)

    person = Person(go_to_secret, lambda ui: ui.cancelButton.click())

    assert PathChooser(remote, None, person).files("Scans") == []
    assert person.seen[1] == ("/home/doe", "The folder '/secret' cannot be read (Permission denied).")


def test_paths_of_any_system_are_taken_apart_and_joined() -> None:
    assert (lastName("C:\\data\\my project\\"), lastName("/data/p"), lastName("/")) == ("my project", "p", "/")
    assert joinPath("C:\\data", "models", "m") == "C:\\data\\models\\m"
    assert joinPath("/data/", "models", "m") == "/data/models/m"
