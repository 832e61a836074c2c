"""Folds that keep a person's pairs together and both labels on both sides, checked before anything is fitted."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from defaceqa.errors import LabelError

Labels = NDArray[np.int_]
Groups = NDArray[np.str_]
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Row numbers to train on, row numbers to test on."""

_WORDS = {0: "sufficient (label 0)", 1: "insufficient (label 1)"}


def grouped_folds(labels: Labels, groups: Groups, n_folds: int, seed: int, name: str) -> list[Fold]:
    """Split rows into folds by person, the share of labels about the same in each.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    groups : ndarray of str, shape (n,)
        The person of each row.
    n_folds, seed : int
    name : str
        What these folds are called in an error message, such as "outer fold".

    Raises
    ------
    LabelError
        Fewer people than folds, or a fold that lacks a label on one side.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    people = len(np.unique(groups))
    if people < n_folds:
        raise LabelError(f"{people} people cannot be split into {n_folds} folds; use fewer folds or more people.")
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # scikit-learn warns about a rare class; check_folds says what that means here, and refuses.
        warnings.simplefilter("ignore", UserWarning)
        try:
            folds = [(train, test) for train, test in splitter.split(labels, labels, groups)]
        except ValueError as error:
            raise LabelError(f"No {name}s can be made: {str(error).rstrip('.')}.") from error
    check_folds(folds, labels, groups, name)
    return folds


def check_folds(folds: Sequence[Fold], labels: Labels, groups: Groups, name: str) -> None:
    """Refuse folds that leak a person or lack a label.

    Raises
    ------
    LabelError
        Naming the fold and the person, or the fold and the label.
    """
    for number, (train, test) in enumerate(folds, start=1):
        shared = np.intersect1d(groups[train], groups[test])
        if shared.size:
            raise LabelError(f"Subject {shared[0]} is on both sides of {name} {number}; people must be kept apart.")
        for side, rows in (("trains", train), ("tests", test)):
            absent = [label for label in (0, 1) if not (labels[rows] == label).any()]
            if absent:
                raise LabelError(
                    f"{name.capitalize()} {number} {side} without any {_WORDS[absent[0]]} pair; "
                    "use fewer folds or label more people."
                )


def fold_numbers(folds: Sequence[Fold], rows: int) -> NDArray[np.int_]:
    """Number of the fold in which each row is tested, from 1."""
    numbers = np.zeros(rows, dtype=np.int_)
    for number, (_, test) in enumerate(folds, start=1):
        numbers[test] = number
    return numbers
