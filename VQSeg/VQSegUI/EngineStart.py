"""Starts the engine with the packages of its private folder, in a process of its own: run by path, never imported.

    python -s -S EngineStart.py --packages FOLDER --root FOLDER -- worker
    python -s -S EngineStart.py --packages FOLDER --root FOLDER --check MODULE ...

Slicer's start-up puts Slicer's own packages on PYTHONPATH, so this file decides itself what can be imported: the
standard library, the private folder and VQSegLib, in this order of trust, and nothing else.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import sys
import sysconfig
from pathlib import Path
from typing import Dict, List, Optional


def main(arguments: List[str]) -> int:
    """Set up the paths, then run the engine's command line or the check."""
    parser = argparse.ArgumentParser(prog="EngineStart")
    parser.add_argument("--packages", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--check", nargs="+", metavar="MODULE")
    parser.add_argument("command", nargs="*")
    options = parser.parse_args(arguments)
    packages, root = str(Path(options.packages).resolve()), str(Path(options.root).resolve())
    limitPaths(packages, root)
    if options.check:
        return check(options.check, packages, root)
    complaint = findIntruder(packages)
    if complaint:
        sys.stderr.write(complaint + "\n")
        return 3
    from VQSegLib.cli import main as runCommand

    return runCommand(options.command)


def limitPaths(packages: str, root: str) -> None:
    """Let this process and its children import from the private folder, the engine and the standard library only."""
    standard = [path for path in sys.path if isStandardLibrary(path)]
    sys.path[:] = [packages, root, *standard]
    # Python started by the engine (a training run) gets the same view; Slicer's launcher would give it Slicer's.
    if not any(os.pathsep in path for path in sys.path):
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    os.environ["PYTHONNOUSERSITE"] = "1"


def isStandardLibrary(path: str) -> bool:
    """Return whether an entry of ``sys.path`` belongs to Python itself and holds no installed packages."""
    if not path:
        return False
    name = Path(path).name.lower()
    zipName = "python{}{}.zip".format(*sys.version_info[:2])
    if name in ("lib-dynload", "dlls", zipName):
        return True
    own = {Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib")}
    return Path(path).resolve() in own or (Path(path) / "encodings" / "__init__.py").is_file()


def findIntruder(packages: str) -> Optional[str]:
    """Return a sentence if numpy or torch would come from elsewhere than the private folder, else None."""
    for name in ("numpy", "torch"):
        spec = importlib.util.find_spec(name)
        if spec is None or not isBelow(spec.origin or "", packages):
            where = spec.origin if spec else "nowhere"
            return (
                f"The engine's package folder is damaged: {name} would be loaded from {where}; press Repair in the "
                "VQSeg panel."
            )
    return None


def check(modules: List[str], packages: str, root: str) -> int:
    """Import modules, see where they come from and compute something; print the result as one line of JSON."""
    result: Dict[str, object] = {"torch": "", "cuda": "", "device": "", "problem": ""}
    for name in modules:
        try:
            module = importlib.import_module(name)
        except (ImportError, OSError, RuntimeError, AttributeError, SyntaxError, ValueError) as error:
            result["problem"] = f"{name} cannot be loaded ({type(error).__name__}: {error})"
            break
        origin = getattr(module, "__file__", None) or ""
        if not (isBelow(origin, packages) or isBelow(origin, root)):
            result["problem"] = f"{name} was loaded from {origin or 'nowhere'}"
            break
        if name == "torch":
            result.update(describeTorch(module))
    sys.stdout.write(json.dumps(result) + "\n")
    return 1 if result["problem"] else 0


def describeTorch(torch: object) -> Dict[str, str]:
    """Return torch's version, its CUDA version and the GPU it sees, after a small computation."""
    total = float(torch.ones(4).sum())
    hasGpu = bool(torch.cuda.is_available())
    return {
        "torch": str(torch.__version__),
        "cuda": str(torch.version.cuda or ""),
        "device": torch.cuda.get_device_name(0) if hasGpu else "",
        "problem": "" if total == 4.0 else f"torch adds up four ones to {total}",
    }


def isBelow(path: str, folder: str) -> bool:
    """Return whether a file lies in a folder."""
    return bool(path) and Path(folder).resolve() in Path(path).resolve().parents


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
