"""The pins of the private folder are those of the development environment, complete and with hashes."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from VQSegUI.EngineCatalog import EngineCatalog, EngineUnavailable

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "Resources" / "engine"
FILES = sorted(FOLDER.glob("requirements-*.txt"))
COMMON = [file for file in FILES if not file.stem.endswith(("-cpu", "-cuda"))]


@pytest.fixture(scope="module")
def lock_engine() -> ModuleType:
    """The tool that writes the pins."""
    spec = importlib.util.spec_from_file_location("lock_engine", ROOT / "tools" / "lock_engine.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _read(file: Path) -> dict[str, tuple[str, list[str]]]:
    """Return version and hashes of each package of a requirements file."""
    text = file.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {words[0].split("==")[0]: (words[0].split("==")[1], words[1:]) for words in lines}


def test_pins_were_written_after_their_sources_last_changed(lock_engine: ModuleType) -> None:
    catalog = json.loads((FOLDER / "catalog.json").read_text(encoding="utf-8"))
    assert catalog["source"] == lock_engine.hash_sources(), "run: .venv/bin/python tools/lock_engine.py"
    assert json.loads(json.dumps(lock_engine.make_catalog())) == catalog, (
        "run: .venv/bin/python tools/lock_engine.py catalog"
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_versions_are_those_that_are_tested(file: Path, lock_engine: ModuleType) -> None:
    tested = lock_engine.read_pins()
    for name, (version, hashes) in _read(file).items():
        assert version == tested.get(name, version)
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", word) for word in hashes)


@pytest.mark.parametrize("file", COMMON, ids=lambda file: file.name)
def test_every_package_the_engine_needs_is_pinned(file: Path, lock_engine: ModuleType) -> None:
    platform_tag = file.stem.removeprefix("requirements-")
    if importlib.util.find_spec("monai") is None:
        pytest.skip("the engine's packages are not installed here")
    assert set(_read(file)) == lock_engine.find_closure(platform_tag) - {"torch"}


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("platform_tag", ["linux-x86_64", "windows-x86_64", "macos-arm64"])
def test_torch_is_pinned_once_by_version_and_index_or_by_hash(
    platform_tag: str, python: str, lock_engine: ModuleType
) -> None:
    version = lock_engine.read_pins()["torch"]
    for build in EngineCatalog(platformTag=platform_tag, python=python).builds().values():
        in_files = [_read(file)["torch"][0] for file in build.requirementFiles if "torch" in _read(file)]
        if build.torchRequirement:
            assert build.torchRequirement.startswith(f"torch=={version}+")
            assert build.torchIndex.startswith("https://download.pytorch.org/whl/")
            assert in_files == []
        else:
            assert in_files == [version]
        assert build.downloadBytes > 100e6
        assert build.diskBytes > build.downloadBytes


def test_compiled_packages_have_a_wheel_for_each_python() -> None:
    for file in COMMON:
        pins = _read(file)
        for name in ("numpy", "scipy", "markupsafe", "pydantic-core"):
            assert len(pins[name][1]) >= 3, f"{name} in {file.name}"


@pytest.mark.parametrize(
    ("platform_tag", "python", "words"),
    [
        ("linux-x86_64", "3.9", ["Python 3.11, 3.12, 3.13", "3.9", "Advanced"]),
        ("macos-x86_64", "3.12", ["macos-x86_64", "Advanced"]),
    ],
)
def test_where_nothing_fits_it_says_so_and_leads_to_advanced(platform_tag: str, python: str, words: list[str]) -> None:
    with pytest.raises(EngineUnavailable) as raised:
        EngineCatalog(platformTag=platform_tag, python=python).builds()
    for word in words:
        assert word in str(raised.value)


def test_unknown_build_is_refused_with_the_known_ones() -> None:
    with pytest.raises(EngineUnavailable, match=r"no cuda build.*cpu"):
        EngineCatalog(platformTag="macos-arm64", python="3.12").find("cuda")


def test_fingerprint_changes_with_python_and_build() -> None:
    catalogs = [EngineCatalog(platformTag="linux-x86_64", python=python) for python in ("3.11", "3.12")]
    fingerprints = [build.fingerprint for catalog in catalogs for build in catalog.builds().values()]
    assert len(set(fingerprints)) == 4
