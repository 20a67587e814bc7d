"""pip's command lines and environment for the private folder, and its failures as sentences. Standard library only."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

from VQSegUI.EngineCatalog import EngineBuild
from VQSegUI.EngineLayout import EngineLayout

SITE_SETTINGS = (
    "PIP_CONFIG_FILE",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_PROXY",
    "PIP_TRUSTED_HOST",
    "PIP_TIMEOUT",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_RETRIES",
)
"""What a site may set about the network; every other setting of pip could send the packages elsewhere."""

NETWORK_SENTENCE = (
    "The packages could not be downloaded from {source}: check the network and the proxy under Advanced, then try "
    "again, or install offline from a folder of wheels."
)
FAILURES = (
    (
        r"No space left on device|Errno 28\b|not enough space|WinError 112\b",
        "The disk is full: free {needed}, or choose a folder on another disk under Advanced, then press Repair.",
    ),
    (
        r"DO NOT MATCH THE HASHES",
        "A package is not the one VQSeg was tested with (its checksum differs), so nothing was installed: try again, "
        "and tell your network's administrator if it happens twice.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError",
        "The server's certificate is not trusted here, as behind many hospital proxies: enter the file with your "
        "site's certificates under Advanced, or install offline from a folder of wheels.",
    ),
    (
        r"ProxyError|Cannot connect to proxy|Tunnel connection failed|407 Proxy",
        "The proxy refused the connection: correct it under Advanced, or install offline from a folder of wheels.",
    ),
    (
        r"NewConnectionError|Failed to establish|name resolution|getaddrinfo|ConnectTimeout|ReadTimeout|ConnectionError"
        r"|Max retries|Connection broken|IncompleteRead|ProtocolError|HTTP error|Could not fetch URL"
        r"|from versions: none",
        NETWORK_SENTENCE,
    ),
    (
        r"No matching distribution found for (?P<package>\S+)",
        "There is no package '{package}' for this system and Python in {source}: {advice}",
    ),
    (
        r"WinError 206\b|Errno 36\b|[Ff]ile ?name or extension is too long|File name too long",
        "The folder's path is too long for this system: choose a short one under Advanced, such as C:\\VQSeg.",
    ),
    (
        r"Permission denied|Errno 13\b|WinError 5\b|Access is denied|WinError 32\b",
        "Files in {folder} cannot be written: close other Slicer windows that use the engine, or choose a folder of "
        "your own under Advanced, then try again.",
    ),
    (
        r"No module named '?pip",
        "The Python that is to run the engine has no pip: install pip for it, or name an engine installed elsewhere "
        "under Advanced.",
    ),
)


def pipSteps(build: EngineBuild, wheels: Optional[Path], torchIndex: Optional[str] = None) -> List[List[str]]:
    """Return the arguments of the pip runs that fetch a build: what to take, and from where.

    All packages of PyPI come in one run, because NVIDIA's share a folder that a second run would not add to.

    Args:
        build: What to install.
        wheels: Folder of wheels that is used instead of the network; None for the network.
        torchIndex: Index that stands in for PyTorch's own, such as a mirror in a hospital.
    """
    where = ["--no-index", "--find-links", str(wheels)] if wheels else []
    files = [word for file in build.requirementFiles for word in ("--requirement", str(file))]
    steps = [["--require-hashes", *where, *files]]
    if build.torchRequirement:
        index = [] if wheels else ["--index-url", torchIndex or build.torchIndex]
        steps.insert(0, [*where, *index, build.torchRequirement])
    return steps


def pipCommand(python: str, arguments: Sequence[str], layout: EngineLayout, pipVersion: str) -> List[str]:
    """Return the whole command line of one pip run; the caller adds the subcommand's own options to ``arguments``."""
    # "raw" prints numbers instead of drawing a bar; older pip does not know it.
    bar = "raw" if _versionNumbers(pipVersion) >= (24, 1) else "off"
    watch = str(Path(__file__).with_name("EngineWatch.py"))
    options = ["--no-deps", "--only-binary", ":all:", "--cache-dir", str(layout.downloadFolder), "--progress-bar", bar]
    return [python, "-u", watch, "-m", "pip", *arguments[:1], *options, *arguments[1:]]


def pipEnvironment(base: Mapping[str, str], layout: EngineLayout, isOffline: bool) -> Dict[str, str]:
    """Return the environment of pip: the site's network settings, nothing that would write elsewhere."""
    environment = {
        name: value for name, value in base.items() if not name.upper().startswith("PIP_") or name in SITE_SETTINGS
    }
    if isOffline:
        environment.pop("PIP_FIND_LINKS", None)
        environment["PIP_CONFIG_FILE"] = os.devnull
    for name in ("TMPDIR", "TEMP", "TMP"):
        environment[name] = str(layout.temporaryFolder)
    return {
        **environment,
        "PIP_USER": "0",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_NO_INPUT": "1",
        "PIP_NO_COLOR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        # Not even byte code is written beside Slicer's own packages.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def bundledPip() -> Dict[str, str]:
    """Return the variables that let a Python without pip run the one it carries along; none if that is not needed."""
    if importlib.util.find_spec("pip") is not None or importlib.util.find_spec("ensurepip") is None:
        return {}
    folder = Path(str(importlib.util.find_spec("ensurepip").origin)).parent / "_bundled"
    wheels = sorted(str(path) for path in folder.glob("pip-*.whl"))
    return {"PYTHONPATH": os.pathsep.join([*wheels, *filter(None, [os.environ.get("PYTHONPATH")])])} if wheels else {}


def explainPipFailure(output: str, layout: EngineLayout, wheels: Optional[Path], needed: str) -> str:
    """Return one sentence for a pip run that failed.

    Args:
        output: What pip printed.
        layout: Where it was to be installed.
        wheels: Folder of wheels, None for the network.
        needed: Disk space it takes, as text.
    """
    advice = (
        "make the folder with “Save wheels for another computer” on a computer of the same kind."
        if wheels
        else "name an engine installed elsewhere under Advanced."
    )
    host = re.search(r"host='([^']+)'", output)
    source = f"the folder {wheels}" if wheels else host.group(1) if host else "the package index"
    for pattern, sentence in FAILURES:
        match = re.search(pattern, output)
        if match and not (wheels and sentence is NETWORK_SENTENCE):
            facts = {"package": "", **match.groupdict()}
            return sentence.format(needed=needed, source=source, advice=advice, folder=layout.root, **facts)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")] or lines[-1:] or ["pip ended without a word"]
    return f"The packages could not be installed ({errors[-1][:200]}): see the log, then press Repair."


def _versionNumbers(text: str) -> tuple:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2]) or (0,)
