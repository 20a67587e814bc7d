"""An engine of a few files: wheels made on the spot, with a catalog that offers them for this computer."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

TORCH = """
import os, time
time.sleep(float(os.environ.get("TINY_SLEEP", "0")))
__version__ = "1.0+cpu"
class version: cuda = None
class cuda:
    is_available = staticmethod(lambda: False)
class ones:
    def __init__(self, count): self.count = count
    def sum(self): return self.count
"""
PACKAGES = {"numpy": ("2.0", "answer = 42\n"), "torch": ("1.0+cpu", TORCH), "monai": ("1.6", "import torch\n")}


@dataclass(frozen=True)
class TinyEngine:
    """Where the parts lie."""

    wheels: Path
    catalog: Path


def make_tiny_engine(folder: Path, platform_tag: str, python: str, extra_files: int = 0) -> TinyEngine:
    """Make wheels and catalog; ``extra_files`` makes one package slow to unpack."""
    wheels, catalog = folder / "wheels ü", folder / "catalog"
    wheels.mkdir(parents=True)
    catalog.mkdir()
    lines = []
    for name, (version, text) in PACKAGES.items():
        files = {f"{name}/__init__.py": text}
        if name == "numpy":
            files |= {f"numpy/part{index}.py": f"value = {index}\n" for index in range(extra_files)}
        wheel = make_wheel(wheels, name, version, files)
        if name != "torch":
            lines.append(f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
    (catalog / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    build = {"download_bytes": 3000, "disk_bytes": 3000, "longest_path": 60, "is_measured": True}
    build |= {"requirements": ["requirements.txt"], "torch": "torch==1.0+cpu", "torch_index": "http://127.0.0.1:9/none"}
    content = {"format": 1, "source": "", "pythons": [python], "imports": list(PACKAGES), "starts_worker": False}
    content["platforms"] = {platform_tag: {"cpu": build}}
    (catalog / "catalog.json").write_text(json.dumps(content), encoding="utf-8")
    return TinyEngine(wheels, catalog)


def make_wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> Path:
    """Write a pure-Python wheel."""
    info = f"{name}-{version}.dist-info"
    contents = {path: text.encode() for path, text in files.items()}
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in contents.items():
            archive.writestr(path, data)
    return wheel


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
