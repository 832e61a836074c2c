"""Which files belong together: pairs from a table, two trees, names, a BIDS data set. No image is read."""

from defaceqa.datasets.bids_filter import BidsFilter, read_bids_filter
from defaceqa.datasets.listed import pairs_in_table
from defaceqa.datasets.pairing import PairFiles, Pairing, Unpaired
from defaceqa.datasets.source import find_pairs
from defaceqa.datasets.trees import Selection, pairs_in_folder

__all__ = [
    "BidsFilter",
    "PairFiles",
    "Pairing",
    "Selection",
    "Unpaired",
    "find_pairs",
    "pairs_in_folder",
    "pairs_in_table",
    "read_bids_filter",
]
