"""Pass, review or fail: `decision` answers, `reasons` finds the words."""

from defaceqa.verdict.decision import (
    EXIT_CODES,
    EXIT_NOT_JUDGED,
    BrainVerdict,
    FaceVerdict,
    Verdict,
    decide,
    is_void,
    judge_brain,
    judge_face,
)

__all__ = [
    "EXIT_CODES",
    "EXIT_NOT_JUDGED",
    "BrainVerdict",
    "FaceVerdict",
    "Verdict",
    "decide",
    "is_void",
    "judge_brain",
    "judge_face",
]
