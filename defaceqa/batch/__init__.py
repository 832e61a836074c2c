"""Many pairs: judged in parallel, resumable, into one folder laid out as BIDS derivatives; then gated and compared."""

from defaceqa.batch.comparison import Comparison, as_tsv, compare
from defaceqa.batch.gate import Gate, open_gate
from defaceqa.batch.group import Counts
from defaceqa.batch.run import Tally, judge_pairs, run_batch, run_levels, write_group
from defaceqa.batch.settings import Pages, Settings, Workers

__all__ = [
    "Comparison",
    "Counts",
    "Gate",
    "Pages",
    "Settings",
    "Tally",
    "Workers",
    "as_tsv",
    "compare",
    "judge_pairs",
    "open_gate",
    "run_batch",
    "run_levels",
    "write_group",
]
