"""The written rule by which a new model takes the place of the one in use."""

from __future__ import annotations

from collections.abc import Iterator

from VQSegLib.training.figures import Figures, Verdict

FEWEST_PATIENTS = 2
LOWEST_BOUND = -0.02
LARGEST_LABEL_LOSS = 0.05
LARGEST_HD95_GROWTH_MM = 2.0
RULE = (
    f"A new model takes the place of the old one if, on at least {FEWEST_PATIENTS} held-out patients, its mean Dice is "
    f"not lower, the 95 % interval of the paired difference does not reach below {LOWEST_BOUND}, no structure loses "
    f"more than {LARGEST_LABEL_LOSS} Dice, none is missed in more cases, and HD95 does not grow by more than "
    f"{LARGEST_HD95_GROWTH_MM:g} mm on average."
)


def judge(figures: Figures) -> tuple[Verdict, str]:
    """Apply the rule; the sentence says what it rests on."""
    if figures.patients < FEWEST_PATIENTS or figures.dice.difference is None:
        return Verdict.UNDECIDED, (
            f"The rule cannot decide: it needs {FEWEST_PATIENTS} held-out patients and the project has "
            f"{figures.patients} (every fifth labeled patient is held out); the user decides."
        )
    dice = figures.dice
    seen = (
        f"Mean Dice {dice.old:.3f} before and {dice.new:.3f} after on {figures.patients} held-out patients "
        f"(difference {dice.difference:+.3f}, 95 % interval {dice.low:+.3f} to {dice.high:+.3f})"
    )
    reasons = list(_find_reasons(figures))
    if reasons:
        return Verdict.WORSE, f"{seen}: worse by the rule, because {'; '.join(reasons)}."
    return Verdict.NOT_WORSE, f"{seen}: not worse by the rule."


def _find_reasons(figures: Figures) -> Iterator[str]:
    """Yield why a new model is worse."""
    dice, distance = figures.dice, figures.hd95_mm
    if dice.difference is not None and dice.difference < 0:
        yield "its mean Dice is lower"
    if dice.low is not None and dice.low < LOWEST_BOUND:
        yield f"the interval reaches below {LOWEST_BOUND}"
    for label in figures.labels:
        if label.dice.difference is not None and label.dice.difference < -LARGEST_LABEL_LOSS:
            yield f"{label.name} loses {-label.dice.difference:.3f} Dice"
        if label.new_missed > label.old_missed:
            yield f"{label.name} is missed in {label.new_missed} instead of {label.old_missed} cases"
    if distance.difference is not None and distance.difference > LARGEST_HD95_GROWTH_MM:
        yield f"HD95 grows by {distance.difference:.1f} mm"


def describe_bias(figures: Figures) -> Iterator[str]:
    """Yield a warning where label maps began as a proposal of one of the two models, which favours that one."""
    for side, words in (("old", "the old model"), ("new", "the new model")):
        cases = [case for case in figures.cases if case.proposed_by == side]
        if not cases:
            continue
        changed = [case.changed_voxels for case in cases if case.changed_voxels is not None]
        how_much = f"; clinicians changed {', '.join(map(str, changed))} voxels in them" if changed else ""
        yield (
            f"{len(cases)} of {len(figures.cases)} held-out label maps began as a proposal of {words}, which favours "
            f"it{how_much}."
        )
