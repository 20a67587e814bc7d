"""The one test that is left where the others cannot run: it says why."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize("name", ["slicer", "PySide6.QtWidgets"])
def test_what_the_tests_of_the_slicer_module_need_works(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ImportError as problem:
        pytest.skip(f"the tests of the Slicer module are skipped: {problem}")

    assert module.__name__ == name
