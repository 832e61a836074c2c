"""From numbers to an answer: pass, review or fail, for the face, for the brain and overall.

Pure functions of plain numbers; the same numbers always give the same words in the same order.

What outranks what, for the face:

1. A pair in which nothing changed fails, whatever the probability: no measurement can make it better. Only an original
   that had no face to begin with is for a person to look at.
2. A measurement that is void (face not located, no face in the original) ends in review, even when the probability
   says fail: numbers that mean nothing accuse nobody. Review is no pass, so nothing slips through.
3. A probability at or above the high threshold fails. Doubts (a value outside the training range, an unknown contrast)
   leave a fail standing: where numbers and doubts both speak against a scan, the answer must not get milder.
4. A pass is given only without doubts, and never while a facial feature is measured as plainly there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from defaceqa.anatomy.patches import FACIAL_REGIONS
from defaceqa.verdict import reasons as words
from defaceqa.verdict.reasons import value_of

Answer = Literal["pass", "review", "fail"]

EXIT_CODES: Mapping[str, int] = {"pass": 0, "fail": 1, "review": 3}
"""Process exit code of each overall verdict."""

EXIT_NOT_JUDGED = 2
"""Exit code when there is no verdict: wrong usage, unusable input, an error."""

SEVERITY: Mapping[str, int] = {"pass": 0, "review": 1, "fail": 2}

NO_FACE = "no face"

VOID_FLAGS = ("could not locate", "could not be located", "not located", NO_FACE)
"""A flag holding one of these phrases says that the face measures mean nothing."""

NOTE_FLAGS = ("note:", "the defaced image is rescaled")
"""A flag beginning so is worth a line and changes no verdict; every other flag asks for a person."""

PLAINLY_THERE = 0.4
"""Residual of eyes, nose or mouth from which a pass is withheld; good defacing stays below 0.25."""

UNTOUCHED_FRACTION = 1e-6
"""Changing less of the head than one voxel in a million is changing nothing."""

BRAIN_FAIL_ML = 2.0
BRAIN_FAIL_DEPTH_MM = 3.0
"""A connected piece this large, reaching this deep, is a cut brain: a mask's surface is uncertain by a voxel or two."""

BRAIN_REVIEW_ML = 0.02
"""A connected piece this large (three voxels of the working grid) is a doubt.

Chosen by `benchmarks/brain_and_regions.py` on half of the painted people. On all others, with the masks that are found:
98 % of cuts that took 2 mL of true brain or more take so much, none of those that stay 3 mm and more in front of it.
With trusted masks 1 % of the training pairs that lost less than 0.5 mL, nearly all of them cut.
"""

BRAIN_RIM_REVIEW_ML = 15.0
"""Removed brain in total that is a doubt even when it lies in the rim: about 1 % of an adult brain."""

_FACIAL = tuple(f"residual_{region}" for region in FACIAL_REGIONS)


def is_void(flag: str) -> bool:
    """Whether a flag says that the face measures mean nothing."""
    return any(phrase in flag.lower() for phrase in VOID_FLAGS)


@dataclass(frozen=True)
class FaceVerdict:
    """Is the face gone?

    Attributes
    ----------
    verdict : str
    probability : float
        Of "insufficiently defaced"; NaN when it could not be computed.
    criterion : str
    thresholds : tuple of float
        Low and high: at or below the first is a pass, at or above the second a fail.
    reasons : tuple of str
    """

    verdict: Answer
    probability: float
    criterion: str
    thresholds: tuple[float, float]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class BrainVerdict:
    """Is the brain whole?

    Attributes
    ----------
    verdict : str
    judged : bool
        False when the brain was not found; the verdict is then "review".
    reason : str
    removed_ml, largest_piece_ml, depth_mm : float
        Removed brain, its largest connected piece, how deep that piece reaches under the brain's surface; NaN unknown.
    """

    verdict: Answer
    judged: bool
    reason: str
    removed_ml: float
    largest_piece_ml: float
    depth_mm: float


@dataclass(frozen=True)
class Verdict:
    """The answer: the worse of face and brain, and why, most important first."""

    verdict: Answer
    face: FaceVerdict
    brain: BrainVerdict
    reasons: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 3 review."""
        return EXIT_CODES[self.verdict]


def decide(
    features: Mapping[str, float],
    probability: float,
    *,
    criterion: str,
    thresholds: tuple[float, float],
    contributions: Mapping[str, float] | None = None,
    flags: Sequence[str] = (),
    out_of_range: Sequence[str] = (),
) -> Verdict:
    """Answer both questions and join them.

    Parameters
    ----------
    features : mapping
        Feature values by name, NaN where undefined; brain numbers under ``brain_removed_ml``,
        ``brain_largest_piece_ml`` and ``brain_depth_mm``.
    probability : float
        Of "insufficiently defaced", NaN when the model could not be asked.
    criterion : str
        "lenient" or "strict".
    thresholds : tuple of float
        Low and high.
    contributions : mapping, optional
        Log-odds per feature, positive towards "insufficient"; they pick and order the reasons.
    flags : sequence of str
        What loading, locating and measuring remarked.
    out_of_range : sequence of str
        Features outside the model's training range.

    Returns
    -------
    Verdict
    """
    face = judge_face(
        features,
        probability,
        criterion=criterion,
        thresholds=thresholds,
        contributions=contributions,
        flags=(*flags, *words.out_of_range(out_of_range)),
    )
    brain = judge_brain(
        value_of(features, "brain_removed_ml"),
        value_of(features, "brain_largest_piece_ml"),
        value_of(features, "brain_depth_mm"),
    )
    return Verdict(_worse(face.verdict, brain.verdict), face, brain, _joined(face, brain, features))


def judge_face(
    features: Mapping[str, float],
    probability: float,
    *,
    criterion: str,
    thresholds: tuple[float, float],
    contributions: Mapping[str, float] | None = None,
    flags: Sequence[str] = (),
) -> FaceVerdict:
    """Verdict on the face alone; parameters as for `decide`, and the module's text says what outranks what."""
    void = _void(features, probability, flags)
    notes = [flag for flag in flags if flag not in void and flag.lower().startswith(NOTE_FLAGS)]
    doubts = [flag for flag in flags if flag not in (*void, *notes)]
    by_number = _by_threshold(probability, thresholds)
    if _untouched(features) and not _without_face(void):
        answer: Answer = "fail"
        reasons = [words.untouched(features), *void, *doubts]
    elif void:
        answer = "review"
        reasons = [*void, *doubts]
    elif by_number == "pass" and (doubts or _plainly_there(features)):
        answer = "review"
        reasons = [*doubts, *words.left(features)]
    else:
        answer = by_number
        reasons = [*_reasons(answer, features, contributions or {}), *doubts]
    return FaceVerdict(answer, probability, criterion, thresholds, tuple(dict.fromkeys([*reasons, *notes])))


def judge_brain(
    brain_removed_ml: float = math.nan, brain_largest_piece_ml: float = math.nan, brain_depth_mm: float = math.nan
) -> BrainVerdict:
    """Verdict on the brain alone.

    Parameters
    ----------
    brain_removed_ml : float
        Removed brain in mL; NaN means that the brain was not found.
    brain_largest_piece_ml, brain_depth_mm : float
        Largest connected piece of it and how deep that reaches. Unknown (NaN) counts as the worst it can be: all in
        one piece, and deep.
    """
    numbers = (brain_removed_ml, brain_largest_piece_ml, brain_depth_mm)
    if math.isnan(brain_removed_ml):
        return BrainVerdict("review", False, "the brain was not found: brain not judged", *numbers)
    piece_ml = brain_removed_ml if math.isnan(brain_largest_piece_ml) else brain_largest_piece_ml
    depth_mm = math.inf if math.isnan(brain_depth_mm) else brain_depth_mm
    if piece_ml >= BRAIN_FAIL_ML and depth_mm >= BRAIN_FAIL_DEPTH_MM:
        return BrainVerdict("fail", True, "the brain was cut: " + words.brain_cut(*numbers), *numbers)
    if piece_ml >= BRAIN_REVIEW_ML or brain_removed_ml >= BRAIN_RIM_REVIEW_ML:
        return BrainVerdict("review", True, "the brain may have been cut: " + words.brain_cut(*numbers), *numbers)
    return BrainVerdict("pass", True, f"the brain is whole ({brain_removed_ml:.1f} mL removed at its rim)", *numbers)


def _worse(first: Answer, second: Answer) -> Answer:
    return max(first, second, key=SEVERITY.__getitem__)


def _joined(face: FaceVerdict, brain: BrainVerdict, features: Mapping[str, float]) -> tuple[str, ...]:
    """Reasons of the worse question first; when both are equal the face comes first."""
    of_brain = (brain.reason, *words.brain_altered(features))
    if SEVERITY[brain.verdict] > SEVERITY[face.verdict]:
        return (*of_brain, *face.reasons)
    return (*face.reasons, *of_brain)


def _reasons(answer: Answer, features: Mapping[str, float], contributions: Mapping[str, float]) -> list[str]:
    regions = words.gone(features) if answer == "pass" else words.left(features)
    singles = words.single_features(features, contributions, towards_insufficient=answer != "pass")
    found = regions + singles
    if answer == "review":
        return [*found, words.BETWEEN]
    return found or [words.NO_SINGLE_REASON[answer]]


def _by_threshold(probability: float, thresholds: tuple[float, float]) -> Answer:
    low, high = thresholds
    # High first, so that two equal cuts decide against the scan; NaN compares false with both and needs a person.
    if probability >= high:
        return "fail"
    return "pass" if probability <= low else "review"


def _untouched(features: Mapping[str, float]) -> bool:
    changed = (value_of(features, "head_altered_fraction"), value_of(features, "head_removed_fraction"))
    return all(value <= UNTOUCHED_FRACTION for value in changed)


def _without_face(void: Sequence[str]) -> bool:
    return any(NO_FACE in flag.lower() for flag in void)


def _void(features: Mapping[str, float], probability: float, flags: Sequence[str]) -> list[str]:
    found = [flag for flag in flags if is_void(flag)]
    if math.isnan(probability):
        found.append("no probability could be computed")
    if not found and all(name in features and math.isnan(features[name]) for name in _FACIAL):
        found.append("neither eyes, nose nor mouth could be measured in the original")
    return found


def _plainly_there(features: Mapping[str, float]) -> bool:
    return any(value >= PLAINLY_THERE for _, value in words.facial_residuals(features))
