"""A Slicer small enough for tests: real MRML and Segmentations from slicer-core, real widgets from PySide6.

`install()` puts them together under the names `slicer`, `qt` and `ctk`, as Slicer's own Python has them.
"""

from slicer_harness.installation import install

__all__ = ["install"]
