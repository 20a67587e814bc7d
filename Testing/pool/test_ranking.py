"""The order in which scans are to be labeled, and the reason in words."""

from __future__ import annotations

import numpy as np

from VQSegLib.labels import Label, LabelTable
from VQSegLib.pool.ranking import compute_distances, rank_pool
from VQSegLib.pool.survey import Survey

TABLE = LabelTable(
    labels=tuple(
        Label(value=value, name=name, color=(0, 0, 0)) for value, name in ((2, "Cord"), (5, "Larynx"), (7, "Eye"))
    )
)


def survey(*unsure: float, codes: tuple[float, ...] | None = (1, 0, 0, 0)) -> Survey:
    return Survey(np.array(unsure), None if codes is None else np.array(codes, float) / sum(codes))


def test_distance_of_histograms() -> None:
    shares = np.array([[1.0, 0, 0], [0, 1, 0], [0.5, 0.5, 0]])
    distances = compute_distances(shares, np.array([1.0, 0, 0]))
    by_hand = np.sqrt(0.5 * np.log2(1 / 0.75) + 0.5 * (0.5 * np.log2(0.5 / 0.75) + 0.5 * np.log2(0.5 / 0.25)))
    np.testing.assert_allclose(distances, [0, 1, by_hand], atol=1e-12)


def test_least_sure_scan_comes_first_when_all_are_alike() -> None:
    pool = {"a": survey(1, 0, 0), "b": survey(5, 4, 0), "c": survey(0, 2, 0)}
    ranked = rank_pool(pool, [survey(0, 0, 0)], TABLE, limit=10)
    assert [one.case_id for one in ranked] == ["b", "c", "a"]
    assert ranked[0].unsureness == 1.0
    assert ranked[0].unsure_labels == ("Cord", "Larynx")
    assert ranked[0].reason.startswith(
        "The model is less sure about it than about any other scan of the pool, most of all about Cord and Larynx; "
    )
    assert ranked[2].reason.startswith("The model is surer about it than about most of the pool; ")


def test_scan_unlike_the_labeled_ones_comes_first_when_the_model_is_equally_sure() -> None:
    pool = {
        "like": survey(1, 0, 0),
        "unlike": survey(1, 0, 0, codes=(0, 0, 1, 0)),
        "half": survey(1, 0, 0, codes=(1, 1, 0, 0)),
    }
    ranked = rank_pool(pool, [survey(0, 0, 0)], TABLE, limit=10)
    assert [one.case_id for one in ranked] == ["unlike", "half", "like"]
    assert "no other scan of the pool is less like the labeled ones and those above." in ranked[0].reason
    assert "much like the labeled scans or those above" in ranked[2].reason


def test_list_does_not_hold_the_same_kind_of_scan_twice_in_a_row() -> None:
    pool = {
        "new 1": survey(9, 0, 0, codes=(0, 0, 1, 0)),
        "new 2": survey(8, 0, 0, codes=(0, 0, 1, 0)),
        "other": survey(7, 0, 0, codes=(0, 0, 0, 1)),
        "known": survey(6, 0, 0),
    }
    assert [one.case_id for one in rank_pool(pool, [survey(0, 0, 0)], TABLE, limit=2)] == ["new 1", "other"]


def test_without_labeled_scans_uncertainty_decides_first_and_difference_after_that() -> None:
    pool = {"a": survey(3, 0, 0), "b": survey(2, 0, 0), "c": survey(1, 0, 0, codes=(0, 1, 0, 0))}
    ranked = rank_pool(pool, [], TABLE, limit=3)
    assert ranked[0].case_id == "a"
    assert ranked[0].novelty is None
    assert "no scan is labeled yet" in ranked[0].reason
    assert ranked[1].novelty is not None


def test_model_without_codes_ranks_by_uncertainty_alone() -> None:
    pool = {name: survey(value, 0, 0, codes=None) for name, value in (("a", 1.0), ("b", 2.0))}
    ranked = rank_pool(pool, [survey(0, 0, 0, codes=None)], TABLE, limit=3)
    assert [(one.case_id, one.novelty) for one in ranked] == [("b", None), ("a", None)]
    assert "all there is to go by" in ranked[0].reason


def test_single_scan_is_in_the_middle() -> None:
    (only,) = rank_pool({"a": survey(1, 0, 0)}, [survey(0, 0, 0)], TABLE, limit=3)
    assert (only.unsureness, only.novelty, only.score) == (0.5, 0.5, 0.5)
    assert "about as sure as usual, most of all about Cord; it is about as different" in only.reason


def test_shares_are_told_between_the_extremes() -> None:
    kinds = ((4, 0, 0, 0), (3, 1, 0, 0), (2, 2, 0, 0), (1, 3, 0, 0), (0, 4, 0, 0))
    pool = {str(number): survey(number, 0, 0, codes=codes) for number, codes in enumerate(kinds)}
    reasons = {one.case_id: one.reason for one in rank_pool(pool, [survey(0, 0, 0)], TABLE, limit=5)}
    assert "less sure about it than about 75% of the pool" in reasons["3"]
    second = rank_pool({**pool, "5": survey(0, 0, 0, codes=(0, 0, 0, 1))}, [survey(0, 0, 0)], TABLE, limit=1)
    assert "less like the labeled scans and those above than 90% of the pool" in second[0].reason


def test_sure_model_names_no_structure() -> None:
    ranked = rank_pool({"a": survey(0, 0, 0), "b": survey(0, 0, 0)}, [], TABLE, limit=3)
    assert ranked[0].unsure_labels == ()
