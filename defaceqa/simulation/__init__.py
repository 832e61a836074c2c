"""Heads nobody owns and defacings of known outcome: where the training labels and the exact tests come from."""
