"""Write the engine's pins for 3D Slicer: `.venv/bin/python tools/lock_engine.py [PLATFORM ...]` after `make test`.

The private folder that the Slicer module installs the engine's packages into (Resources/engine) is pinned from the same
sources as the development environment: pyproject.toml names the packages, requirements/*.txt their versions. This tool
adds, per platform, which packages that takes and the hashes of their wheels, as pip reports them. Nothing is installed.

`catalog` instead of a platform writes catalog.json only; `measure PLATFORM BUILD` downloads one build and prints the
sizes to enter in BUILDS.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "Resources" / "engine"
SOURCES = [ROOT / "requirements" / "constraints.txt", ROOT / "requirements" / "torch.txt"]
PYTHONS = ("3.11", "3.12", "3.13")
TORCH_INDEX = "https://download.pytorch.org/whl/"
IMPORTS = (
    "numpy",
    "scipy.ndimage",
    "SimpleITK",
    "torch",
    "monai",
    "safetensors",
    "pydantic",
    "typer",
    "filelock",
    "lightning_fabric",
)
ENGINE_IMPORTS = ("psutil", "VQSegLib.cli", "VQSegLib.service")
LINUX_WHEELS = ["manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in range(5, 29)), "linux_x86_64"]
MAC_WHEELS = [f"macosx_{major}_0_{kind}" for major in range(11, 15) for kind in ("arm64", "universal2")]
PLATFORMS = {
    "linux-x86_64": ({"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}, LINUX_WHEELS),
    "windows-x86_64": ({"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"}, ["win_amd64"]),
    "macos-arm64": ({"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"}, MAC_WHEELS),
}
MACHINES = {"linux-x86_64": "x86_64", "windows-x86_64": "AMD64", "macos-arm64": "arm64"}
# Per build: where torch comes from (a folder of PyTorch's index, or PyPI when None) and what it costs in MB. Sizes
# are of Python 3.12 (torch for Linux without CUDA: of 3.11), on disk with 190 MB of byte code; `measured` is false
# where the index was out of reach.
BUILDS = {
    ("linux-x86_64", "cpu"): {"index": "cpu", "download": 314, "disk": 1400, "path": 171, "measured": True},
    ("linux-x86_64", "cuda"): {"index": None, "download": 2850, "disk": 5430, "path": 167, "measured": True},
    ("windows-x86_64", "cpu"): {"index": None, "download": 207, "disk": 980, "path": 167, "measured": True},
    ("windows-x86_64", "cuda"): {"index": "cu130", "download": 2100, "disk": 4700, "path": 173, "measured": False},
    ("macos-arm64", "cpu"): {"index": None, "download": 209, "disk": 1050, "path": 167, "measured": True},
}
CUDA_NEEDS = {"driver": 580, "compute_capability": 7.5}


def main() -> int:
    """Write the files, or measure one build."""
    if sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2], sys.argv[3])
        return 0
    chosen = sys.argv[1:] or list(PLATFORMS)
    for platform_tag in [name for name in chosen if name in PLATFORMS]:
        names = find_closure(platform_tag)
        write_requirements(platform_tag, "", pins_of(names - {"torch"}))
        for build in ("cpu", "cuda"):
            if (platform_tag, build) in BUILDS and BUILDS[platform_tag, build]["index"] is None:
                write_requirements(platform_tag, f"-{build}", find_torch_pins(platform_tag, names))
    catalog = json.dumps(make_catalog(), indent=2, sort_keys=True)
    (FOLDER / "catalog.json").write_text(catalog + "\n", encoding="utf-8")
    return 0


def hash_sources() -> str:
    """Return a hash over what decides which packages are needed; a test compares their versions one by one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return hashlib.sha256(json.dumps([project["dependencies"], project["requires-python"]]).encode()).hexdigest()


def read_pins() -> dict[str, str]:
    """Return the version of every package that requirements/*.txt pins."""
    lines = [line.split("#")[0].strip() for path in SOURCES for line in path.read_text(encoding="utf-8").splitlines()]
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines if line)}


def find_closure(platform_tag: str) -> set[str]:
    """Return the names of all packages the engine needs there, apart from what only torch's CUDA build brings."""
    environment = {**PLATFORMS[platform_tag][0], "platform_machine": MACHINES[platform_tag], "extra": ""}
    environment |= {"python_version": "3.12", "python_full_version": "3.12.0"}
    pins, found = read_pins(), set()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    todo = [Requirement(text) for text in project["dependencies"]]
    while todo:
        name = canonicalize_name(todo.pop().name)
        if name in found or name not in pins:
            continue
        found.add(name)
        try:
            needs = metadata.distribution(name).requires or []
        except metadata.PackageNotFoundError:  # what is never installed here (colorama) needs nothing itself
            continue
        todo += [need for need in map(Requirement, needs) if need.marker is None or need.marker.evaluate(environment)]
    return found


def pins_of(names: set[str]) -> list[str]:
    """Return `name==version` of each package."""
    pins = read_pins()
    return [f"{name}=={pins[name]}" for name in sorted(names)]


def find_torch_pins(platform_tag: str, names: set[str]) -> list[str]:
    """Return torch and what it needs beyond the common packages: NVIDIA's libraries, on Linux."""
    if not platform_tag.startswith("linux"):  # pip judges conditions such as `platform_system` by where it runs
        return pins_of({"torch"})
    report = ask_pip(platform_tag, "3.12", pins_of({"torch"}), with_dependencies=True)
    return sorted(f"{name}=={version}" for name, version, _ in report if name not in names or name == "torch")


def write_requirements(platform_tag: str, suffix: str, pins: list[str]) -> None:
    """Write one requirements file with the hashes of the wheels for every Python version."""
    hashes: dict[str, set[str]] = {pin: set() for pin in pins}
    for python in PYTHONS:
        for name, version, digest in ask_pip(platform_tag, python, pins):
            hashes[f"{name}=={version}"].add(digest)
    lines = ["# Written by tools/lock_engine.py from pyproject.toml and requirements/*.txt; do not edit."]
    for pin in pins:
        lines += [" \\\n    ".join([pin, *(f"--hash=sha256:{digest}" for digest in sorted(hashes[pin]))])]
    (FOLDER / f"requirements-{platform_tag}{suffix}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def ask_pip(
    platform_tag: str, python: str, pins: list[str], *, with_dependencies: bool = False
) -> list[tuple[str, str, str]]:
    """Return name, version and SHA-256 of the wheels that pip would take from PyPI."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "--isolated", "install", "--dry-run", "--quiet"]
        command += ["--ignore-installed", "--disable-pip-version-check", "--index-url", "https://pypi.org/simple"]
        command += ["--report", str(report), *pip_platform(platform_tag, python)]
        command += ["--target", str(Path(folder) / "nothing"), *([] if with_dependencies else ["--no-deps"]), *pins]
        subprocess.run(command, check=True)
        items = json.loads(report.read_text(encoding="utf-8"))["install"]
    return [
        (canonicalize_name(what["name"]), what["version"], item["download_info"]["archive_info"]["hashes"]["sha256"])
        for item in items
        for what in [item["metadata"]]
    ]


def pip_platform(platform_tag: str, python: str) -> list[str]:
    """Return pip's options for wheels of another platform."""
    tags = [word for tag in PLATFORMS[platform_tag][1] for word in ("--platform", tag)]
    return [*tags, "--python-version", python, "--only-binary", ":all:"]


def make_catalog() -> dict:
    """Return what can be installed where, at which price."""
    version = read_pins()["torch"]
    platforms: dict[str, dict] = {platform_tag: {} for platform_tag in PLATFORMS}
    for (platform_tag, build), facts in BUILDS.items():
        files = [f"requirements-{platform_tag}.txt"]
        entry = {"download_bytes": facts["download"] * 10**6, "disk_bytes": facts["disk"] * 10**6}
        entry |= {"longest_path": facts["path"], "is_measured": facts["measured"]}
        if facts["index"] is None:
            files.append(f"requirements-{platform_tag}-{build}.txt")
        else:
            entry |= {"torch": f"torch=={version}+{facts['index']}", "torch_index": TORCH_INDEX + facts["index"]}
        entry |= {"requirements": files, **({"needs": CUDA_NEEDS} if build == "cuda" else {})}
        platforms[platform_tag][build] = entry
    imports = [*IMPORTS, *ENGINE_IMPORTS]
    return {"format": 1, "source": hash_sources(), "pythons": PYTHONS, "imports": imports, "platforms": platforms}


def measure(platform_tag: str, build: str) -> None:
    """Download the wheels of one build for Python 3.12 and print their size, packed and unpacked."""
    entry = make_catalog()["platforms"][platform_tag][build]
    with tempfile.TemporaryDirectory() as folder:
        for arguments in [["--requirement", str(FOLDER / name)] for name in entry["requirements"]]:
            download(folder, platform_tag, arguments)
        if "torch" in entry:
            download(folder, platform_tag, ["--extra-index-url", entry["torch_index"], entry["torch"]])
        wheels = [zipfile.ZipFile(path) for path in Path(folder).iterdir()]
        files = [item for wheel in wheels for item in wheel.infolist()]
        packed = sum(path.stat().st_size for path in Path(folder).iterdir())
    unpacked, longest = sum(item.file_size for item in files), max(len(item.filename) for item in files)
    sys.stdout.write(f"{len(wheels)} wheels, {packed / 1e6:.0f} MB, {unpacked / 1e6:.0f} MB unpacked, path {longest}\n")


def download(folder: str, platform_tag: str, arguments: list[str]) -> None:
    """Download wheels with pip."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    subprocess.run([*command, *pip_platform(platform_tag, "3.12"), *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
