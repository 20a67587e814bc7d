"""Write the lists of Python files into the CMakeLists.txt of VQSeg and VQSegLib: `python3 tools/list_scripts.py`.

CMake installs only what is listed, and a file that is missing there breaks nothing before the extension is installed.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("VQSeg", "VQSegLib")
LIST = re.compile(r"(set\(MODULE_PYTHON_SCRIPTS\n)(.*?)(  \)\n)", re.DOTALL)


def scripts_in_tree(folder):
    """Return the Python files of a folder, relative to it, sorted; the module's own file comes first."""
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*.py")]
    return sorted(found, key=lambda name: ("/" in name, name))


def scripts_in_list(folder):
    """Return the files that the CMakeLists.txt of a folder names, in its order."""
    return LIST.search((folder / "CMakeLists.txt").read_text(encoding="utf-8")).group(2).split()


def write_list(folder):
    """Make the list of a folder agree with the tree."""
    path = folder / "CMakeLists.txt"
    lines = "".join("  {}\n".format(name) for name in scripts_in_tree(folder))
    text = LIST.sub(lambda match: match.group(1) + lines + match.group(3), path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for name in FOLDERS:
        write_list(ROOT / name)
