"""The table of all controlled outcomes."""

from __future__ import annotations

from defaceqa.simulation.outcome import Outcome
from defaceqa.simulation.part_outcomes import PART_OUTCOMES
from defaceqa.simulation.plane_outcomes import PLANE_OUTCOMES
from defaceqa.simulation.tool_outcomes import TOOL_OUTCOMES
from defaceqa.simulation.value_outcomes import VALUE_OUTCOMES
from defaceqa.simulation.whole_outcomes import WHOLE_OUTCOMES

OUTCOMES: dict[str, Outcome] = {
    **VALUE_OUTCOMES,
    **TOOL_OUTCOMES,
    **WHOLE_OUTCOMES,
    **PART_OUTCOMES,
    **PLANE_OUTCOMES,
}
"""Every outcome by name."""
