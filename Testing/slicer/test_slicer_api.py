"""Every name the module uses exists in Slicer 5.8.1, and the stand-ins accept nothing that Slicer does not have."""

from __future__ import annotations

import ast
import functools
import gzip
import html
import importlib
import itertools
import json
import math
import os
import platform
import re
import secrets
import shlex
import shutil
import struct
import sys
import sysconfig
import time
import zlib
from io import IOBase
from pathlib import Path
from typing import Any
from unittest import TestCase
from xml.etree import ElementTree

import numpy as np
import pytest
import slicer
import vtk
from collect_api import DATA, FORMS, PYTHON_MODULES, SOURCES, chains, form_uses, imported, offers_of_stand_ins

from slicer_harness import scripted_module
from VQSegLib.wire_decoder import Decoder

API = json.loads(DATA.read_text(encoding="utf-8"))
NEWER_THAN_5_8 = {
    "vtkSlicerSegmentEditorLogic": "5.10",
    "SetTerminology": "5.10",
    "GetTerminology": "5.10",
    "HasTerminology": "5.10",
    "ImportLabelmapToSegmentationNodeWithTerminology": "5.10",
    "vtkSlicerSegmentationGeometryLogic": "5.10",
    "checkStateChanged": "Qt 6",
}
"""What slicer-core or PySide6 have, but not every Slicer we support."""
OTHER_MODULES = {"registerCustomSampleDataSource"}
"""Names of Slicer's scripted modules, which the introspection leaves out; in SampleData since 4.11."""
HARNESS_ONLY = {"mrmlScene", "modules"}  # attributes of the package `slicer`, not classes
RUN = "run `python3 Testing/slicer/collect_api.py slicer-api.json`, and if it stays missing, Slicer 5.8.1 lacks it"


def _uses_slicer(path: Path) -> bool:
    """Return whether a file deals with objects of Slicer; the rest runs on the standard library alone."""
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = {alias.name.partition(".")[0] for node in tree if isinstance(node, ast.Import) for alias in node.names}
    return bool(names & {"qt", "ctk", "slicer", "vtk", "numpy"})


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_qt_ctk_and_slicer_name_exists(path: Path) -> None:
    for chain in sorted(chains(path)):
        root, *rest = chain
        if root in ("qt", "ctk"):
            assert rest[0] in API[root], f"{'.'.join(chain)}: {RUN}"
            if len(rest) > 1:
                assert rest[1] in API[root][rest[0]], f"{'.'.join(chain)}: {RUN}"
        elif root == "slicer" and rest[0] in ("util", "app") and len(rest) > 1:
            known = API["slicer.util"] if rest[0] == "util" else API["slicer"]["app"]
            assert rest[1] in known, f"{'.'.join(chain)}: {RUN}"
        elif root in ("slicer", "vtk") and (root == "vtk" or rest[0].startswith("vtk")):
            owner: Any = slicer if root == "slicer" else vtk
            for part in rest:
                owner = getattr(owner, part)
        elif root == "slicer":
            assert rest[0] in HARNESS_ONLY | set(API["slicer"]) | {"util", "app"}, f"{'.'.join(chain)}: {RUN}"
    for module, name in imported(path):
        if module in PYTHON_MODULES:
            assert name in API[module], f"{module}.{name}: {RUN}"


@pytest.mark.parametrize("path", [path for path in SOURCES if _uses_slicer(path)], ids=lambda path: path.name)
def test_every_method_that_is_called_exists_somewhere(path: Path) -> None:
    own = {name for each in SOURCES for name in _defined(each)}
    shown = {name for section in ("qt", "ctk", "slicer") for names in API[section].values() for name in names}
    widgets = {name for form in FORMS for name in _widget_names(form)}
    for chain in chains(path):
        for name in chain[1:] if chain[0] not in ("qt", "ctk", "slicer", "vtk") else ():
            known = name in own | shown | widgets | OTHER_MODULES | _python_names() or name in API["slicer.util"]
            assert known or name in _vtk_names(), f"{'.'.join(chain)}: {RUN}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_newer_than_slicer_5_8_is_used(path: Path) -> None:
    for chain in chains(path):
        for name in chain:
            assert name not in NEWER_THAN_5_8, f"{'.'.join(chain)} came with {NEWER_THAN_5_8[name]}"


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_every_class_property_and_connection_of_a_form_exists(path: Path) -> None:
    known = {**API["qt"], **API["ctk"], **API["slicer"]}
    for cls, names in form_uses(path).items():
        assert cls in known, f"{cls}: {RUN}"
        for name in names:
            assert name in known[cls], f"{cls}.{name}: {RUN}"


@pytest.mark.parametrize("name", sorted(offers_of_stand_ins()))
def test_a_stand_in_offers_nothing_that_slicer_lacks(name: str) -> None:
    section = API["ctk"] if name.startswith("ctk") else API["slicer"]

    assert sorted(offers_of_stand_ins()[name] - set(section[name])) == []


def test_the_base_classes_are_slicers() -> None:
    assert set(scripted_module.make_module().__all__) >= set(API["slicer.ScriptedLoadableModule"])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_method_of_a_widget_is_connected_as_it_is(path: Path) -> None:
    """PythonQt gives such a slot all values of the signal: `clicked.connect(dialog.accept)` calls `accept(False)`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "connect":
            signal, slot = ast.unparse(node.func.value), ast.unparse(node.args[0])
            owners = {"ui", "_ui", "widget"}
            bare = isinstance(node.args[0], ast.Attribute) and owners & set(slot.split(".")[:-1])
            assert not (bare and owners & set(signal.split("."))), f"{signal}.connect({slot}): use a lambda"


def _defined(path: Path) -> set[str]:
    """Return the names of functions, classes, fields and attributes that a file makes."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.Module | ast.ClassDef):
            assigned = [target for each in node.body if isinstance(each, ast.Assign) for target in each.targets]
            names |= {each.id for target in assigned for each in ast.walk(target) if isinstance(each, ast.Name)}
    return names


def _widget_names(path: Path) -> set[str]:
    return {widget.get("name") for widget in ElementTree.parse(path).getroot().iter("widget")}


@functools.cache
def _python_names() -> set[str]:
    """Return what objects of the standard library, numpy and the wire have."""
    from VQSegLib import wire

    modules = [gzip, html, importlib, itertools, json, math, os, platform, re, secrets, shlex, shutil, struct, sys]
    modules += [sysconfig, time, zlib, np]
    modules += [np.linalg, wire]
    types = [
        str,
        bytes,
        dict,
        list,
        set,
        tuple,
        slice(0),
        Path,
        OSError,
        IOBase,
        os.stat_result,
        np.ufunc,
        np.ndarray,
        np.dtype("i2"),
        Decoder,
        TestCase,
    ]
    messages = [wire.Failure, wire.Notification, wire.Request, wire.Result, wire.WireArray, wire.BadFrame]
    fields = {name for message in messages for name in message.__dataclass_fields__}
    return fields | {name for each in modules + types + messages for name in dir(each)}


def _imported_modules() -> set[str]:
    nodes = [node for path in SOURCES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    return {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}


@functools.cache
def _vtk_names() -> set[str]:
    """Return what MRML and VTK objects have; point data and images are handed over by nodes."""
    classes = [getattr(slicer, name) for name in dir(slicer) if name.startswith("vtk")]
    classes += [getattr(vtk, chain[1]) for path in SOURCES for chain in chains(path) if chain[0] == "vtk"]
    classes += [vtk.vtkPointData, vtk.vtkImageData, slicer.util.VTKObservationMixin]
    return {name for cls in classes for name in dir(cls)}
