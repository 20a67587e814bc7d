"""Make the private Python environment `.venv`: `python3 tools/setup_env.py [demo|test]`, standard library only.

Runs with whatever Python the machine has (3.6 or newer), looks for one that VQSeg supports, installs the pinned
packages into `.venv` beside this repository and does nothing when that was done before with the same pins. torch's CPU
build comes from PyTorch's own package index, on the torch line only and only where that index can be reached;
`CUDA=1` in the environment asks for the CUDA build instead.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "vqseg-setup.json"
PINS = [ROOT / "requirements" / "constraints.txt", ROOT / "requirements" / "torch.txt"]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PROBE_SECONDS = 5
EXTRAS = {"demo": "report", "test": "test"}
COVERS = {"demo": ("demo", "test"), "test": ("test",)}
LIBRARY_PACKAGES = {
    "libgomp.so.1": "libgomp1",
    "libstdc++.so.6": "libstdc++6",
    "libgcc_s.so.1": "libgcc-s1",
    "libz.so.1": "zlib1g",
    "libffi.so.8": "libffi8",
}
IMPORT_CHECK = "import numpy, scipy.ndimage, SimpleITK, torch, monai; print(torch.__version__)"


class SetupError(Exception):
    """Set-up cannot go on; the text says what to do."""


def main():
    """Set up for the purpose named on the command line; return the exit status."""
    purpose = sys.argv[1] if len(sys.argv) > 1 else "test"
    try:
        if purpose not in EXTRAS:
            msg = "Set-up for '{}' is not known; choose one of {}.".format(purpose, ", ".join(EXTRAS))
            raise SetupError(msg)
        if is_done(purpose):
            return 0
        python = find_python()
        print("Setting up .venv with {} for `make {}` (only the first time).".format(python, purpose), flush=True)
        make_venv(python)
        install(purpose)
        check_imports()
        STAMP.write_text(json.dumps({"pins": hash_pins(), "purpose": purpose}))
    except SetupError as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


def is_done(purpose):
    """Return whether the environment was set up for this purpose (or a larger one) with the same pins."""
    try:
        stamp = json.loads(STAMP.read_text())
        runs = subprocess.call([str(venv_python()), "-c", ""]) == 0
    except (OSError, ValueError):
        return False
    return runs and stamp.get("pins") == hash_pins() and stamp.get("purpose") in COVERS[purpose]


def hash_pins():
    """Return a hash over everything that decides what is installed."""
    digest = hashlib.sha256(str(wants_cuda()).encode())
    for path in [*PINS, ROOT / "pyproject.toml", Path(__file__)]:
        digest.update(path.read_bytes())
    digest.update(str(ROOT).encode())
    return digest.hexdigest()


def wants_cuda():
    """Return whether the CUDA build of torch was asked for."""
    return os.environ.get("CUDA", "0") not in ("", "0")


def venv_python():
    """Return the path of the environment's Python."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def find_python():
    """Return the first Python 3.11 to 3.13 that runs: $PYTHON, this one, then the named ones on the path."""
    names = [os.environ.get("PYTHON"), sys.executable, "python3.12", "python3.11", "python3.13", "python3"]
    for name in filter(None, names):
        try:
            probe = [name, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            version = subprocess.run(probe, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode().strip()
        except OSError:
            continue
        if version in ("3.11", "3.12", "3.13"):
            return name
    msg = (
        "VQSeg needs Python 3.11, 3.12 or 3.13 and none was found; install one, for example with\n"
        "    {}apt-get install python3.12 python3.12-venv\n"
        "(Debian 12: python3.11 python3.11-venv; Debian 13: python3.13 python3.13-venv), "
        "or name yours: make PYTHON=/path/to/python3.12 ...".format(sudo())
    )
    raise SetupError(msg)


def make_venv(python):
    """Create `.venv` afresh unless a working one of the same Python version is there."""
    wanted = python_version(python)
    if venv_python().exists() and python_version(str(venv_python())) == wanted:
        return
    if VENV.exists():
        shutil.rmtree(str(VENV))
    result = subprocess.run(
        [python, "-m", "venv", str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=str(ROOT)
    )
    if result.returncode != 0:
        shutil.rmtree(str(VENV), ignore_errors=True)
        msg = (
            "{}\nPython's venv module does not work; on Debian or Ubuntu install it with\n"
            "    {}apt-get install python{}-venv\nand start again.".format(
                result.stdout.decode(errors="replace").strip(), sudo(), wanted
            )
        )
        raise SetupError(msg)


def python_version(python):
    """Return major and minor version of an interpreter, or an empty text when it does not run."""
    probe = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(probe, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode().strip()


def install(purpose):
    """Install torch, then everything else without touching torch again."""
    install_torch()
    target = "{}[{}]".format(ROOT, EXTRAS[purpose])
    print("Installing the other packages.", flush=True)
    if pip("--editable", target) != 0:
        msg = "The packages could not be installed; see pip's message above, then start again."
        raise SetupError(msg)


def install_torch():
    """Install torch: the CPU build unless CUDA is asked for."""
    requirement = PINS[1].read_text().split()[-1]
    print("Installing {}; this takes a few minutes.".format(requirement), flush=True)
    if not wants_cuda() and can_reach_cpu_index():
        # Its dependencies come with the next step from the usual index: this one is for torch only.
        if pip("--no-deps", "--index-url", CPU_INDEX, requirement) == 0:
            return
        print("torch could not be installed from {}; trying the usual index.".format(CPU_INDEX), flush=True)
    if pip(requirement) != 0:
        msg = "torch could not be installed; see pip's message above, then start again."
        raise SetupError(msg)


def can_reach_cpu_index():
    """Return whether PyTorch's CPU index answers within a few seconds."""
    try:
        with urllib.request.urlopen(CPU_INDEX + "/torch/", timeout=PROBE_SECONDS) as answer:
            return answer.status == 200
    except (OSError, ValueError):
        return False


def pip(*arguments):
    """Run `pip install` in the environment with the exact versions; return its exit status."""
    command = [str(venv_python()), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    for pins in PINS:
        command += ["--constraint", str(pins)]
    return subprocess.call([*command, *arguments], cwd=str(ROOT))


def check_imports():
    """Import the compiled packages once; name the system package when a library is missing."""
    result = subprocess.run(
        [str(venv_python()), "-W", "ignore", "-c", IMPORT_CHECK], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    if result.returncode != 0:
        raise SetupError(explain_import_failure(result.stderr.decode(errors="replace")))
    version = result.stdout.decode().strip()
    if not wants_cuda() and platform.system() in ("Linux", "Windows") and not version.endswith("+cpu"):
        print("Warning: torch {} is not the CPU build; it works, but takes more disk space.".format(version))


def explain_import_failure(output):
    """Return what to do about a failed import, from the text Python printed."""
    last = output.strip().splitlines()[-1] if output.strip() else "Python ended without a message."
    missing = re.search(r"(lib[\w+.-]+\.so[\d.]*): cannot open shared object file", output)
    if missing is None:
        return "The installed packages do not work: {}".format(last)
    package = LIBRARY_PACKAGES.get(missing.group(1))
    if package is None:
        return "The system library {} is missing; install the package that holds it and start again.".format(
            missing.group(1)
        )
    return "The system library {} is missing; install it with\n    {}apt-get install {}\nand start again.".format(
        missing.group(1), sudo(), package
    )


def sudo():
    """Return what an installation line starts with."""
    return "" if os.name != "nt" and os.geteuid() == 0 else "sudo "


if __name__ == "__main__":
    sys.exit(main())
