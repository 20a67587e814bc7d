"""Which unlabeled scan to label next: where the model is unsure, and what is unlike the scans labeled so far.

Both are turned into ranks within the pool, so neither unit nor scale matters, and added. Scans are picked one after the
other, each picked one counting as labeled from then on, so that the list does not hold the same kind of scan twice
(greedy core-set selection, Sener and Savarese, arXiv 1708.00489, on code histograms).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import jensenshannon

from VQSegLib.labels import LabelTable
from VQSegLib.pool.survey import Survey

_TOP, _HIGH, _LOW = 0.995, 0.75, 0.25
"""Shares of the pool above which words change."""
_MOST_NAMED = 2
_LEAST_SHARE = 0.2
"""Share of the uncertainty that a structure must hold to be named."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RankedScan:
    """An unlabeled scan and why it is where it is.

    Attributes:
        case_id: The scan.
        score: 0 to 1: mean of the two ranks below.
        unsureness: Share of the pool about which the model is surer.
        novelty: Share of the pool that is more like the labeled scans, counting those picked before as labeled; by the
            Jensen-Shannon distance to the one most like it. None if there is nothing to compare with.
        unsure_labels: Structures that hold most of the uncertainty.
        reason: Both in one sentence.
    """

    case_id: str
    score: float
    unsureness: float
    novelty: float | None
    unsure_labels: tuple[str, ...]
    reason: str


def rank_pool(
    pool: Mapping[str, Survey], labeled: Sequence[Survey], table: LabelTable, *, limit: int
) -> tuple[RankedScan, ...]:
    """Return the scans to label next, the most useful first.

    Args:
        pool: Case id to survey of each unlabeled scan.
        labeled: Surveys of the labeled scans.
        table: Labels of the model that made the surveys.
        limit: How many to return at most.
    """
    case_ids = sorted(pool)
    sums = np.array([pool[case_id].unsure_nats_ml.sum() for case_id in case_ids])
    unsure = _shares_below(sums, sums)
    differences = _Differences(_stack([pool[case_id] for case_id in case_ids]), _stack(labeled))
    left = list(range(len(case_ids)))
    picked: list[RankedScan] = []
    while left and len(picked) < limit:
        novelty = differences.compute_novelty()
        scores = unsure if novelty is None else (unsure + novelty) / 2
        index = max(left, key=lambda one: (scores[one], -one))
        left.remove(index)
        names = _name_unsure(pool[case_ids[index]], table)
        share = None if novelty is None else float(novelty[index])
        picked.append(
            RankedScan(
                case_id=case_ids[index],
                score=float(scores[index]),
                unsureness=float(unsure[index]),
                novelty=share,
                unsure_labels=names,
                reason=_describe(float(unsure[index]), share, names, is_first=not picked and not labeled),
            )
        )
        differences.pick(index)
    return tuple(picked)


class _Differences:
    """How unlike the labeled and the picked scans each scan of the pool is."""

    def __init__(self, pool: Floats | None, labeled: Floats | None) -> None:
        self._pool = pool
        self._nearest: Floats = np.full(0 if pool is None else len(pool), np.inf)
        self._at_first: Floats | None = None
        if pool is not None and labeled is not None:
            for row in labeled:
                self._come_closer(pool, row)
            self._at_first = self._nearest

    def compute_novelty(self) -> Floats | None:
        """Return for each scan the share of the pool that was more like the labeled scans; None: nothing to compare."""
        return None if self._at_first is None else _shares_below(self._nearest, self._at_first)

    def pick(self, index: int) -> None:
        """Count a scan as labeled from now on."""
        if self._pool is not None:
            self._come_closer(self._pool, self._pool[index])
            self._at_first = self._nearest if self._at_first is None else self._at_first

    def _come_closer(self, pool: Floats, other: Floats) -> None:
        self._nearest = np.minimum(self._nearest, compute_distances(pool, other))


def compute_distances(shares: Floats, other: Floats) -> Floats:
    """Return the Jensen-Shannon distance (base 2, 0 to 1) of each row of ``(n, codes)`` to ``(codes,)``."""
    return np.nan_to_num(np.asarray(jensenshannon(shares, other[None], base=2, axis=1), dtype=np.float64))


def _stack(surveys: Sequence[Survey]) -> Floats | None:
    """Return ``(n, codes)`` code shares; None when a model has no codes."""
    rows = [survey.code_shares for survey in surveys if survey.code_shares is not None]
    return np.stack(rows) if rows and len(rows) == len(surveys) else None


def _shares_below(values: Floats, reference: Floats) -> Floats:
    """Return for each value the share of ``reference``, itself apart, that is smaller; equal ones count half."""
    if len(reference) < 2:
        return np.full(len(values), 0.5)
    ordered = np.sort(reference)
    below, up_to = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    equal = np.maximum(up_to - below - 1, 0)
    shares: Floats = np.minimum((below + equal / 2) / (len(reference) - 1), 1.0)
    return shares


def _name_unsure(survey: Survey, table: LabelTable) -> tuple[str, ...]:
    """Return the names of the structures that hold most of the uncertainty."""
    sums = survey.unsure_nats_ml
    order = np.argsort(-sums, kind="stable")[:_MOST_NAMED]
    return tuple(table.labels[index].name for index in order if sums[index] > _LEAST_SHARE * sums.sum())


def _describe(unsureness: float, novelty: float | None, names: tuple[str, ...], *, is_first: bool) -> str:
    """Say in one sentence why a scan stands where it stands."""
    where = f", most of all about {' and '.join(names)}" if names else ""
    if unsureness >= _TOP:
        unsure = f"the model is less sure about it than about any other scan of the pool{where}"
    elif unsureness >= _HIGH:
        unsure = f"the model is less sure about it than about {unsureness:.0%} of the pool{where}"
    elif unsureness >= _LOW:
        unsure = f"the model is about as sure as usual{where}"
    else:
        unsure = "the model is surer about it than about most of the pool"
    if novelty is None:
        known = "no scan is labeled yet to compare it with" if is_first else "that is all there is to go by"
    elif novelty >= _TOP:
        known = "no other scan of the pool is less like the labeled ones and those above"
    elif novelty >= _HIGH:
        known = f"it is less like the labeled scans and those above than {novelty:.0%} of the pool"
    elif novelty >= _LOW:
        known = "it is about as different from the labeled scans as usual"
    else:
        known = "it is much like the labeled scans or those above"
    sentence = f"{unsure}; {known}."
    return sentence[0].upper() + sentence[1:]
