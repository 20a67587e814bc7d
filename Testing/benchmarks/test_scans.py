"""Scans to measure with."""

import numpy as np

from VQSegLib.benchmarks.scans import enlarge, load_demo_label_map, load_demo_scan


def test_an_enlarged_scan_shows_the_same_patient_at_the_same_place():
    scan = load_demo_scan()
    larger = enlarge(scan, (64, 256, 256))
    assert larger.shape_kji == (64, 256, 256)
    assert larger.array.dtype == np.int16
    for corner in (0, 1):
        faces = [
            volume.affine_ijk_to_ras @ np.array([*(corner * side - 0.5 for side in volume.shape_kji[::-1]), 1.0])
            for volume in (scan, larger)
        ]
        np.testing.assert_allclose(*faces, atol=1e-6)
    assert abs(float(larger.array.mean()) - float(scan.array.mean())) < 5


def test_the_demo_contours_lie_on_the_demo_scan():
    assert load_demo_label_map().has_geometry_of(load_demo_scan())
