"""The private folder that holds the engine's packages: what lies where, and who may change it now.

::

    <root>/engine.json     says which package folder is in use; written last, replaced in one step
    <root>/e1a2b3/         a package folder; one that engine.json does not name is left over from an interruption
    <root>/lock            held by the process that installs or removes
    <root>/t, <root>/c     pip's temporary files and downloads, only while installing

No folder is ever renamed: engine.json alone decides, because Windows refuses to rename a folder of thousands of
fresh files while a virus scanner reads them. Names are short because Windows limits paths to 260 characters.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import List, Optional

FORMAT = 1


@dataclass(frozen=True)
class EngineRecord:
    """What engine.json says about the installed engine.

    Attributes:
        folder: Name of the package folder.
        build: "cpu" or "cuda".
        python: Python version the packages are for, such as "3.12".
        fingerprint: Hash over the pins they were installed from.
        torchVersion: What torch calls itself, such as "2.13.0+cpu".
        device: Name of the GPU seen by the check after the installation; empty without one.
        bytesOnDisk: Size of the package folder.
        distributions: Names of its ``*.dist-info`` folders.
        format: Version of this file's format.
    """

    folder: str
    build: str
    python: str
    fingerprint: str
    torchVersion: str = ""
    device: str = ""
    bytesOnDisk: int = 0
    distributions: List[str] = field(default_factory=list)
    format: int = FORMAT


class RecordUnreadable(Exception):
    """engine.json exists but cannot be used."""


class EngineLayout:
    """Paths below the private folder.

    Attributes:
        root: The private folder; it need not exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    @property
    def recordFile(self) -> Path:
        """File that says which package folder is in use."""
        return self.root / "engine.json"

    @property
    def lockFile(self) -> Path:
        """File that the process which installs or removes keeps locked."""
        return self.root / "lock"

    @property
    def temporaryFolder(self) -> Path:
        """Where pip unpacks; on the same disk as the packages, since the system's folder may be small."""
        return self.root / "t"

    @property
    def downloadFolder(self) -> Path:
        """pip's cache: after an interruption the large downloads need not be repeated."""
        return self.root / "c"

    def makePackageFolder(self) -> Path:
        """Return the path of a new, not yet existing package folder."""
        return self.root / f"e{secrets.token_hex(3)}"

    def packageFolders(self) -> List[Path]:
        """Return all package folders, finished or not."""
        try:
            return sorted(path for path in self.root.iterdir() if isPackageFolderName(path.name) and path.is_dir())
        except OSError:
            return []

    def leftovers(self, record: Optional[EngineRecord]) -> List[Path]:
        """Return what an interrupted installation or removal left behind."""
        used = record.folder if record else ""
        unfinished = [path for path in self.packageFolders() if path.name != used]
        return unfinished + ([self.temporaryFolder] if self.temporaryFolder.exists() else [])

    def readRecord(self) -> Optional[EngineRecord]:
        """Return the record of the installed engine, None if there is none.

        Raises:
            RecordUnreadable: The file is damaged or from a later version of VQSeg.
        """
        try:
            fields = json.loads(self.recordFile.read_text(encoding="utf-8"))
            record = EngineRecord(**fields)
            isUsable = record.format == FORMAT and isPackageFolderName(record.folder)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise RecordUnreadable(str(error)) from error
        if not isUsable:
            msg = f"format {record.format}, folder {record.folder!r}"
            raise RecordUnreadable(msg)
        return record

    def writeRecord(self, record: EngineRecord) -> None:
        """Make a package folder the one in use, in one step that a crash cannot leave half done."""
        temporary = self.root / "engine.json.new"
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(asdict(record), stream, indent=2)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self.recordFile)


def isPackageFolderName(name: str) -> bool:
    """Return whether a folder of this name holds packages: nothing else is ever deleted."""
    return len(name) == 7 and name[0] == "e" and all(letter in "0123456789abcdef" for letter in name[1:])


def runningPython() -> str:
    """Return the version of this Python as the catalog writes it, such as "3.12"."""
    return "{}.{}".format(*sys.version_info[:2])


def extensionRoot() -> Path:
    """Return the folder that holds VQSegLib and Resources: above VQSeg.py in a checkout, beside it when installed."""
    moduleFolder = Path(__file__).resolve().parents[1]
    isInstalled = (moduleFolder / "VQSegLib" / "__init__.py").is_file()
    return moduleFolder if isInstalled else moduleFolder.parent
