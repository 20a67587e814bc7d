"""A dialog for the folders of the computer where the engine runs; the engine lists them."""

from __future__ import annotations

from typing import Any, Dict, List

import slicer
from slicer.i18n import tr as _

from VQSegUI.Problem import Problem
from VQSegUI.Resources import resourcePath


class FolderDialog:
    """The dialog.

    Attributes:
        widget: The dialog's window.
    """

    def __init__(self, engine: Any, title: str) -> None:
        self.widget = slicer.util.loadUI(resourcePath("UI/FolderDialog.ui"))
        self._ui = slicer.util.childWidgetVariables(self.widget)
        self._engine, self._listed = engine, {}
        self._paths: List[str] = []
        self._reply: Any = None
        self.widget.setWindowTitle(title)
        host = engine.information.get("host") or ""
        self._ui.hostLabel.text = _("Folders on the computer '{host}'").format(host=host)
        self._connect()

    def choose(self, newName: str = "") -> str:
        """Open the dialog and return the path chosen, empty when the person changed their mind.

        Args:
            newName: Name of something to be made in the folder; empty: the folder itself is chosen.
        """
        self._ui.newNameLineEdit.text = newName
        self._ui.newNameFrame.setVisible(bool(newName))
        self._list({})
        if not self.widget.exec():
            return ""
        folder, name = self._ui.pathLineEdit.text.strip(), self._ui.newNameLineEdit.text.strip()
        if not newName:
            return folder
        separator = self._listed.get("separator", "/")
        return folder.rstrip(separator) + separator + name if name else ""

    def _connect(self) -> None:
        ui = self._ui
        ui.folderList.itemDoubleClicked.connect(lambda _item: self._enter(ui.folderList.currentRow))
        ui.folderList.itemClicked.connect(lambda _item: self._pick(ui.folderList.currentRow))
        ui.upButton.clicked.connect(lambda: self._list({"path": self._listed.get("parent") or ""}))
        ui.homeButton.clicked.connect(lambda: self._list({}))
        ui.rootComboBox.activated.connect(lambda *_row: self._list({"path": ui.rootComboBox.currentText}))
        ui.pathLineEdit.returnPressed.connect(lambda: self._list({"path": ui.pathLineEdit.text.strip()}))
        ui.chooseButton.clicked.connect(lambda: self.widget.accept())
        ui.cancelButton.clicked.connect(lambda: self.widget.reject())

    def _enter(self, row: int) -> None:
        if 0 <= row < len(self._paths):
            self._list({"path": self._paths[row]})

    def _pick(self, row: int) -> None:
        if 0 <= row < len(self._paths):
            self._ui.pathLineEdit.text = self._paths[row]

    def _list(self, params: Dict[str, Any]) -> None:
        reply = self._reply = self._engine.request("folders/list", params)
        reply.succeeded.connect(lambda answer: self._show(answer) if reply is self._reply else None)
        reply.failed.connect(lambda problem: self._tell(problem) if reply is self._reply else None)

    def _show(self, answer: Dict[str, Any]) -> None:
        ui, self._listed, self._reply = self._ui, answer, None
        self._paths = [folder["path"] for folder in answer["folders"]]
        ui.pathLineEdit.text = answer["path"]
        ui.upButton.enabled = answer["parent"] is not None
        ui.rootComboBox.clear()
        for root in answer["roots"]:
            ui.rootComboBox.addItem(root)
        ui.folderList.clear()
        for folder in answer["folders"]:
            project = _(" (project)") if folder["is_project"] else ""
            ui.folderList.addItem(folder["name"] + project)
        ui.problemLabel.text = ""

    def _tell(self, problem: Problem) -> None:
        self._reply = None
        self._ui.problemLabel.text = str(problem)
