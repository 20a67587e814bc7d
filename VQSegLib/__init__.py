"""VQSeg engine: semi-supervised 3-D CT segmentation with vector-quantized networks.

Research use only, not a medical device. Importing this package imports no third-party module, so that the
Slicer half can use :mod:`VQSegLib.wire` from any Python >= 3.9.
"""

__version__ = "0.1.0"
