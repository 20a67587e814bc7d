"""The curves of a training run as Slicer plots: tables, series and charts in the scene, shown in the plot view."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from VQSegUI.Layout import currentLayout, setLayout
from VQSegUI.RunEvents import Curves

LOSSES, DICE = "losses", "dice"
STEP = "Step"
NODE_ATTRIBUTE = "VQSeg.Curves"
PALETTE = ((0.12, 0.47, 0.71), (1.0, 0.5, 0.05), (0.17, 0.63, 0.17), (0.84, 0.15, 0.16), (0.58, 0.4, 0.74))

Color = Tuple[float, float, float]


class CurvePlot:
    """Two charts of one run; their nodes belong to the project and are not saved with the scene."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._shown = ""
        self._layoutBefore: Optional[int] = None

    def isShown(self) -> bool:
        """Return whether the person asked to see the curves."""
        return bool(self._shown)

    def update(self, kind: str, title: str, curves: Curves, looks: Dict[str, Tuple[str, Color]]) -> None:
        """Bring a chart up to date; it is made when there is none.

        Args:
            kind: `LOSSES` or `DICE`.
            title: Title of the chart.
            curves: What it shows.
            looks: Legend and color (red, green, blue; 0..1) of curves; others get them by themselves.
        """
        table = self._node("vtkMRMLTableNode", kind)
        table.SetAndObserveTable(_makeTable(curves))
        chart = self._node("vtkMRMLPlotChartNode", kind)
        wasModifying = chart.StartModify()
        chart.SetTitle(title)
        chart.SetXAxisTitle(_("Training step"))
        chart.SetYAxisTitle(_("Dice") if kind == DICE else _("Loss"))
        series = [self._series(kind, table, number, name, looks) for number, name in enumerate(curves.values)]
        _setSeries(chart, series)
        chart.EndModify(wasModifying)
        for node in slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode"):
            if (node.GetAttribute(NODE_ATTRIBUTE) or "").startswith(f"{kind}/") and node not in series:
                self._scene.RemoveNode(node)  # a curve of an earlier run

    def show(self, kind: str) -> None:
        """Show a chart in Slicer's plot view; the layout gets one when it has none."""
        chart = self._find("vtkMRMLPlotChartNode", kind)
        if chart is None:
            return
        if not self._shown:
            self._layoutBefore = currentLayout(self._scene)
        self._shown = kind
        slicer.modules.plots.logic().ShowChartInLayout(chart)

    def hide(self) -> None:
        """Go back to the layout from before, unless the person chose another one meanwhile."""
        plotLogic, layout = slicer.modules.plots.logic(), currentLayout(self._scene)
        if self._shown and self._layoutBefore is not None and layout == plotLogic.GetLayoutWithPlot(self._layoutBefore):
            setLayout(self._scene, self._layoutBefore)
        self._shown, self._layoutBefore = "", None

    def remove(self) -> None:
        """Take everything out of the scene."""
        self.hide()
        for name in ("vtkMRMLPlotChartNode", "vtkMRMLPlotSeriesNode", "vtkMRMLTableNode"):
            for node in slicer.util.getNodesByClass(name):
                if node.GetAttribute(NODE_ATTRIBUTE):
                    self._scene.RemoveNode(node)

    def forgetScene(self) -> None:
        """The scene is closed, and the nodes with it."""
        self._shown, self._layoutBefore = "", None

    def _series(self, kind: str, table: Any, number: int, name: str, looks: Dict[str, Tuple[str, Color]]) -> Any:
        legend, color = looks.get(name, (name, PALETTE[number % len(PALETTE)]))
        node = self._node("vtkMRMLPlotSeriesNode", f"{kind}/{name}")
        wasModifying = node.StartModify()
        node.SetName(legend)  # the legend shows the node's name
        node.SetAndObserveTableNodeID(table.GetID())
        node.SetXColumnName(STEP)
        node.SetYColumnName(name)
        node.SetPlotType(node.PlotTypeScatter)
        node.SetMarkerStyle(node.MarkerStyleCircle if kind == DICE else node.MarkerStyleNone)
        node.SetColor(*color)
        node.EndModify(wasModifying)
        return node

    def _node(self, className: str, key: str) -> Any:
        """Return a node of ours; it is made when there is none."""
        node = self._find(className, key)
        if node is None:
            node = self._scene.CreateNodeByClass(className)
            node.UnRegister(None)  # CreateNodeByClass hands over a reference that Python would never release
            node.SetName(_("VQSeg training {what}").format(what=key))
            node.SetAttribute(NODE_ATTRIBUTE, key)
            node.SetSaveWithScene(False)
            self._scene.AddNode(node)
        return node

    def _find(self, className: str, key: str) -> Any:
        nodes = slicer.util.getNodesByClass(className)
        return next((node for node in nodes if node.GetAttribute(NODE_ATTRIBUTE) == key), None)


def _makeTable(curves: Curves) -> Any:
    """Return the curves as columns, steps first."""
    table = vtk.vtkTable()
    for name, values in [(STEP, curves.steps), *curves.values.items()]:
        column = numpy_to_vtk(np.array(values, dtype=np.float64), deep=True)
        column.SetName(name)
        table.AddColumn(column)
    return table


def _setSeries(chart: Any, series: Sequence[Any]) -> None:
    """Let a chart show exactly these series; one that it shows already is left alone, so that the view keeps still."""
    wanted = [node.GetID() for node in series]
    if _shownSeries(chart) != wanted:
        chart.RemoveAllPlotSeriesNodeIDs()
        for nodeID in wanted:
            chart.AddAndObservePlotSeriesNodeID(nodeID)


def _shownSeries(chart: Any) -> List[str]:
    return [chart.GetNthPlotSeriesNodeID(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
