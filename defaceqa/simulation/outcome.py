"""One controlled way a defacing can turn out, and the decorator that puts it into the table of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from defaceqa.simulation.face import Face

FloatArray = NDArray[np.float32]
Tendency = Literal["good", "borderline", "poor", "brain"]
Maker = Callable[[Face, np.random.Generator], FloatArray]

WHOLE_FACE = ("left_eye", "right_eye", "nose", "mouth", "cheeks_jaw")
"""Regions a person recognises on a face that was only blurred."""


@dataclass(frozen=True)
class Outcome:
    """A named way a defacing can turn out.

    Parameters
    ----------
    name : str
    what : str
        One line for people.
    tendency : {"good", "borderline", "poor", "brain"}
        What usually comes of it; the label is always measured, never taken from here.
    method : str
        Kind of tool it stands for; outcomes of one method are held out together.
    make : callable
        From a :class:`Face` and a random generator to the defaced data.
    seen : tuple of str
        Regions a person still recognises although their surface has moved.
    tool : str or None
        External program that makes it; such outcomes are made wherever the program is on PATH, and never drawn.
    """

    name: str
    what: str
    tendency: Tendency
    method: str
    make: Maker
    seen: tuple[str, ...] = ()
    tool: str | None = None


class Register(dict[str, Outcome]):
    """Outcomes by name, filled by decorating their makers."""

    def add(
        self,
        tendency: Tendency,
        method: str,
        *,
        name: str | None = None,
        seen: tuple[str, ...] = (),
        tool: str | None = None,
    ) -> Callable[[Maker], Maker]:
        """Enter a maker under its own name; the first line of its docstring says what it does."""

        def enter(make: Maker) -> Maker:
            key = name or make.__name__
            what = (make.__doc__ or "").strip().splitlines()[0]
            self[key] = Outcome(key, what, tendency, method, make, seen, tool)
            return make

        return enter
