"""The shipped demo scan in Slicer's Sample Data module."""

from __future__ import annotations

import hashlib
from pathlib import Path

from VQSegUI.Resources import resourcePath

SAMPLE_NAME = "VQSegHeadNeckCT"


def registerDemoScan() -> None:
    """Offer the demo scan in the Sample Data module; does nothing where that module or the file is missing."""
    scan = Path(resourcePath("demo/image.nii.gz"))
    try:
        from SampleData import SampleDataLogic
    except ImportError:
        return
    if not scan.is_file():
        return
    SampleDataLogic.registerCustomSampleDataSource(
        category="VQSeg",
        sampleName=SAMPLE_NAME,
        uris=scan.as_uri(),
        fileNames="VQSegHeadNeckCT.nii.gz",
        checksums="SHA256:" + hashlib.sha256(scan.read_bytes()).hexdigest(),
        nodeNames="Head and neck CT",
        thumbnailFileName=resourcePath("Icons/VQSeg.png"),
        loadFileTypes="VolumeFile",
    )
