"""The largest connected part of each label, a filter that papers of this field apply to their results."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from VQSegLib.volume import Array


def keep_largest_components(label_map: Array) -> Array:
    """Return a label map ``(K, J, I)`` or ``(J, I)`` with only the largest connected component of each label."""
    kept = np.zeros_like(label_map)
    for label in np.unique(label_map[label_map != 0]):
        components, _ = ndimage.label(label_map == label)
        kept[components == 1 + np.argmax(np.bincount(components.ravel())[1:])] = label
    return kept
