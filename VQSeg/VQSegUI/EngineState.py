"""The state of the private engine in one line, read from a few small files. Standard library only, no waiting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from VQSegUI.EngineCatalog import EngineBuild, EngineCatalog, EngineUnavailable, formatBytes
from VQSegUI.EngineCheck import missingDistributions
from VQSegUI.EngineLayout import EngineLayout, EngineRecord, RecordUnreadable
from VQSegUI.EngineLock import isLocked
from VQSegUI.Translation import _

NOT_INSTALLED = "not installed"
UNAVAILABLE = "unavailable"
READY = "ready"
OUTDATED = "outdated"
BROKEN = "broken"
BUSY = "busy"


@dataclass(frozen=True)
class EngineState:
    """State of the private folder.

    Attributes:
        kind: One of the constants of this module.
        sentence: The state for the person in front of the panel.
        record: What is installed; None if nothing usable.
        packages: Folder of the packages; None unless the state is ready.
    """

    kind: str
    sentence: str
    record: Optional[EngineRecord] = None
    packages: Optional[Path] = None


def readState(layout: EngineLayout, catalog: EngineCatalog) -> EngineState:
    """Return the state as the files tell it; whether the packages really load is for a check or a start to find out."""
    if isLocked(layout.lockFile):
        return EngineState(BUSY, _("Another Slicer window is setting up the engine."))
    try:
        record = layout.readRecord()
    except RecordUnreadable:
        return EngineState(BROKEN, _("Broken: the list of what is installed is damaged. Press Repair."))
    if record is None:
        return _stateWithoutRecord(layout, catalog)
    packages = layout.root / record.folder
    missing = missingDistributions(packages, record.distributions) if packages.is_dir() else record.distributions
    if missing or not packages.is_dir():
        return EngineState(
            BROKEN, _("Broken: {count} packages are missing. Press Repair.").format(count=max(1, len(missing))), record
        )
    if record.fingerprint != _fingerprintNow(catalog, record.build):
        return EngineState(OUTDATED, _("Outdated: installed for another version of VQSeg. Press Update."), record)
    return EngineState(READY, _describe(record), record, packages)


def _stateWithoutRecord(layout: EngineLayout, catalog: EngineCatalog) -> EngineState:
    if layout.leftovers(None):
        return EngineState(BROKEN, _("Broken: an installation or removal was interrupted. Press Repair or Remove."))
    try:
        catalog.builds()
    except EngineUnavailable as reason:
        return EngineState(UNAVAILABLE, str(reason))
    return EngineState(NOT_INSTALLED, _("Not installed."))


def _fingerprintNow(catalog: EngineCatalog, buildName: str) -> str:
    """Return the fingerprint that build would have now; empty if it is no longer offered."""
    try:
        build: EngineBuild = catalog.find(buildName)
    except EngineUnavailable:
        return ""
    return build.fingerprint


def _describe(record: EngineRecord) -> str:
    device = record.device or _("CPU")
    return _("Ready: {device}, torch {version}, {size}.").format(
        device=device, version=record.torchVersion, size=formatBytes(record.bytesOnDisk)
    )
