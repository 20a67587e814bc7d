"""Copy what the module uses of Slicer's API into the tests: `python3 collect_api.py slicer-api.json`.

The source is an introspection of a running Slicer 5.8.1 (PythonQt's classes, `slicer.util`, `slicer.app`). Only names
that occur in VQSeg/, in a .ui file or in a stand-in of the harness are copied, so a new use fails in test_slicer_api.py
until this is run again.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "Testing" / "data" / "slicer_api_5_8_1.json"
SOURCES = sorted((ROOT / "VQSeg").rglob("*.py"))
FORMS = sorted((ROOT / "Resources" / "UI").glob("*.ui"))
HANDED_OVER = {"QVBoxLayout", "QClipboard", "QTimer", "QProcess", "QByteArray"}
"""Classes of objects that Slicer hands over without the module naming the class."""
PYTHON_MODULES = ("slicer.util", "slicer.i18n", "slicer.ScriptedLoadableModule")


def chains(path: Path) -> set[tuple[str, ...]]:
    """Return every dotted name of a file, such as ``("qt", "QTimer", "singleShot")``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if parts:
            found.add((node.id if isinstance(node, ast.Name) else "", *parts))
    return found


def imported(path: Path) -> set[tuple[str, str]]:
    """Return what a file imports by name, such as ``("slicer.i18n", "tr")``."""
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    imports = [node for node in tree if isinstance(node, ast.ImportFrom) and node.module]
    return {(node.module, alias.name) for node in imports for alias in node.names}


def form_uses(path: Path) -> dict[str, set[str]]:
    """Return per widget class of a .ui file the properties, signals and slots it uses."""
    root = ElementTree.parse(path).getroot()
    uses: dict[str, set[str]] = {}
    classes = {}
    for widget in root.iter("widget"):
        classes[widget.get("name")] = widget.get("class")
        properties = {item.get("name") for item in widget.findall("property")}
        uses.setdefault(widget.get("class"), set()).update(properties)
    for connection in root.iter("connection"):
        uses[classes[connection.findtext("sender")]].add(connection.findtext("signal"))
        uses[classes[connection.findtext("receiver")]].add(connection.findtext("slot"))
    return uses


def offers_of_stand_ins() -> dict[str, set[str]]:
    """Return per class of Slicer that the harness stands in for what the stand-in offers of its own."""
    from slicer_harness import install

    install()
    from slicer_harness import application, ctk_widgets, mrml_widgets, segment_editor

    stand_ins = {cls.__name__: cls for cls in ctk_widgets.WIDGETS + mrml_widgets.WIDGETS + segment_editor.WIDGETS}
    stand_ins["app"] = application.Application
    return {
        name: {offer for offer in vars(cls) if not offer.startswith("_")} - {"staticMetaObject"}
        for name, cls in stand_ins.items()
    }


def names_of(entry: dict[str, Any]) -> set[str]:
    """Return every name of a class: methods, properties, signals and slots with and without their types."""
    typed = {*entry.get("signals", []), *entry.get("slots", [])}
    bare = {name.partition("(")[0] for name in typed}
    return {*entry["methods"], *entry["properties"], *typed, *bare}


def collect(api: dict[str, Any]) -> dict[str, Any]:
    """Return the used part of the API: class to names, for `qt`, `ctk`, `slicer`, and Python functions."""
    used_names = {part for path in SOURCES for chain in chains(path) for part in chain[1:]}
    form_names = offers_of_stand_ins()
    for path in FORMS:
        for cls, names in form_uses(path).items():
            form_names.setdefault(cls, set()).update(names)
    used_classes = (
        {chain[1] for path in SOURCES for chain in chains(path) if len(chain) > 1} | HANDED_OVER | set(form_names)
    )
    result: dict[str, Any] = {}
    for section in ("qt", "ctk", "slicer"):
        classes = {name: api[section][name] for name in sorted(used_classes & set(api[section]))}
        result[section] = {
            name: sorted(names_of(entry) & (used_names | form_names.get(name, set())))
            for name, entry in classes.items()
        }
    imports = {name for path in SOURCES for _module, name in imported(path)}
    for module in PYTHON_MODULES:
        result[module] = sorted((used_names | imports) & set(api["python"][module]))
    return result


def main() -> None:
    """Write the data file."""
    api = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    DATA.write_text(json.dumps(collect(api), indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
