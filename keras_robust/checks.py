"""Constraints on arguments, written as data and worded as errors.

A constraint is a small frozen object with one method, `check(owner, name, value)`, that returns the accepted
value or raises a `ValueError` naming the argument, what is allowed and what came.
"""

import math
import numbers
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np


def refuse(owner: str, name: str, rule: str, value: Any):
    """Raises the one sentence that every refused argument gets."""
    raise ValueError(f"`{name}` of {owner} must be {rule}. Received: {name}={value!r}.")


def missing(what: str, extra: str) -> ImportError:
    """The error where a package is not installed, with the extra that brings it. The clone is where it comes from."""
    return ImportError(f"{what}: pip install -e '.[{extra}]' in the clone of keras_robust.")


@dataclass(frozen=True)
class Interval:
    """Real numbers between two borders; a border that is `None` is infinite, an `open_` one is excluded."""

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    integer: bool = False
    optional: bool = False

    def __str__(self):
        borders = []
        if self.low is not None:
            borders.append(f"{'greater than' if self.open_low else 'at least'} {self.low:g}")
        if self.high is not None:
            borders.append(f"{'less than' if self.open_high else 'at most'} {self.high:g}")
        kind = "a whole number" if self.integer else "a finite number"
        rule = " and ".join(borders) if borders else kind
        if borders and self.integer:
            rule = f"{kind}, {rule}"
        return f"{rule}, or None" if self.optional else rule

    def __contains__(self, value):
        above = self.low is None or (value > self.low if self.open_low else value >= self.low)
        below = self.high is None or (value < self.high if self.open_high else value <= self.high)
        return above and below and math.isfinite(value)

    def check(self, owner, name, value):
        if value is None and self.optional:
            return None
        if isinstance(value, keras.Variable):  # checked whenever it is assigned
            return value
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value.item()
        whole = isinstance(value, numbers.Integral) or (isinstance(value, numbers.Real) and float(value).is_integer())
        if (
            isinstance(value, (bool, np.bool_))
            or not isinstance(value, numbers.Real)
            or (self.integer and not whole)
            or value not in self
        ):
            refuse(owner, name, str(self), value)
        return int(value) if self.integer else float(value)


@dataclass(frozen=True)
class OneOf:
    """One of a few named choices."""

    choices: tuple

    def __str__(self):
        return "one of " + ", ".join(repr(choice) for choice in self.choices)

    def check(self, owner, name, value):
        if isinstance(value, str) and value in self.choices:
            return value
        refuse(owner, name, str(self), value)


@dataclass(frozen=True)
class Distribution:
    """A probability for each class, or `None`; kept as a tuple of floats."""

    def __str__(self):
        return "a list of non-negative class probabilities that sum to 1, or None for the uniform distribution"

    def check(self, owner, name, value):
        if value is None:
            return None
        try:
            probabilities = np.asarray(value, dtype="float64")
        except (TypeError, ValueError):
            refuse(owner, name, str(self), value)
        fits = probabilities.ndim == 1 and np.all(probabilities >= 0) and abs(probabilities.sum() - 1) < 1e-5
        if not fits:
            refuse(owner, name, str(self), value)
        return tuple(probabilities.tolist())


def at_least(low, **kwargs):
    return Interval(low=low, **kwargs)


def greater_than(low, **kwargs):
    return Interval(low=low, open_low=True, **kwargs)
