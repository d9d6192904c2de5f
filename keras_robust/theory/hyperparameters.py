"""How the mean error at initialization depends on a loss's hyper-parameters, and how to carry one to other classes."""

import itertools
import math

import numpy as np

from keras_robust.checks import Interval, greater_than, refuse
from keras_robust.losses.base import RobustLoss
from keras_robust.losses.initialization import CLASSES
from keras_robust.theory.errors import error_of_terms
from keras_robust.theory.evaluation import checked_loss

#: Steps of the search for a sign change, on the scale of `_Scale`, and how far it goes to either side.
_STEP, _STEPS = 0.5, 24

#: Width, on that scale, at which a value counts as found.
_NARROW = 1e-10


def transfer(loss: RobustLoss, parameter: str, from_classes: int, to_classes: int, sigma: float = 1.0) -> float:
    """The value of one hyper-parameter that gives `to_classes` classes the mean error of `from_classes`, at z = 0.

    Carries a setting that was tuned on one data set to another number of classes, the others kept as they are. Of
    several solutions it is the nearest to the present value.

    Reference: Staats et al. 2023: q = 0.7 of GCE at K = 100 becomes 0.4816 at K = 1000.

    Args:
        loss: any loss that `mean_error` takes.
        parameter: name of one of its `hyperparameters`.
        from_classes: number of classes that the loss is set for, at least 2.
        to_classes: number of classes to find the value for, at least 2.
        sigma: standard deviation of the logits, above 0.

    Raises:
        ValueError: for an argument out of range; if no value of the hyper-parameter gives that mean error.

    Example:

    >>> round(keras_robust.theory.transfer(keras_robust.GCE(q=0.7), "q", 100, 1000), 4)
    0.4816
    """
    loss = checked_loss("transfer", loss)
    from_classes = CLASSES.check("transfer", "from_classes", from_classes)
    to_classes = CLASSES.check("transfer", "to_classes", to_classes)
    sigma = greater_than(0.0).check("transfer", "sigma", sigma)
    slot = loss.slot(parameter)
    scale = _Scale(slot.constraint)
    known, zero = {}, np.zeros(1)
    aim = float(error_of_terms(loss, from_classes, zero, sigma, known)[0])

    def excess(x):
        changed = loss.with_hyperparameters({parameter: scale.value(x)})
        return float(error_of_terms(changed, to_classes, zero, sigma, known)[0]) - aim

    start = slot.value
    bracket, seen = _bracket(excess, scale.place(0.0 if start is None else start))
    if bracket is None:
        tried = sorted(scale.value(x) for x in seen)
        errors = np.array(list(seen.values())) + aim
        raise ValueError(
            f"No value of `{parameter}` gives {loss!r} at K={to_classes} the mean error {aim:.4g} that it has at "
            f"K={from_classes}: from {tried[0]:.4g} to {tried[-1]:.4g} it stays between {np.nanmin(errors):.4g} and "
            f"{np.nanmax(errors):.4g}."
        )
    return scale.value(_root(excess, *bracket))


def landscape(loss: RobustLoss, values: dict, K: int, z: float = 0.0, sigma: float = 1.0) -> np.ndarray:
    """Mean errors over a grid of one or two hyper-parameters.

    Where it is near 0 the loss cannot start to learn at K classes; a curve of equal height holds settings that start
    alike.

    Reference: Staats et al. 2023, appendix.

    Args:
        loss: any loss that `mean_error` takes; the hyper-parameters that are not varied are as it has them.
        values: one or two of its `hyperparameters`, by name, each with a sequence of values.
        K: number of classes, at least 2.
        z: the label's logit.
        sigma: standard deviation of the other logits, above 0.

    Returns:
        float64 array (values of the first,) or (values of the first, values of the second).

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> loss = keras_robust.AGCE(a=1.0, q=1.0)
    >>> keras_robust.theory.landscape(loss, {"q": [0.5, 1.0, 2.0], "a": [0.1, 1.0]}, K=10).round(3).tolist()
    [[-0.158, -0.064], [-0.066, -0.066], [-0.012, -0.072]]
    """
    loss = checked_loss("landscape", loss)
    K = CLASSES.check("landscape", "K", K)
    z = np.array([Interval().check("landscape", "z", z)])
    sigma = greater_than(0.0).check("landscape", "sigma", sigma)
    if not isinstance(values, dict) or len(values) not in (1, 2):
        refuse("landscape", "values", "a dict of one or two hyper-parameters, each with its values", values)
    axes = [list(axis) for axis in values.values()]
    heights, known = np.empty([len(axis) for axis in axes]), {}
    for place in np.ndindex(heights.shape):
        chosen = {name: axis[i] for name, axis, i in zip(values, axes, place, strict=True)}
        heights[place] = error_of_terms(loss.with_hyperparameters(chosen), K, z, sigma, known)[0]
    return heights


class _Scale:
    """A scale without borders for the values that a constraint allows: logarithmic towards each border it has."""

    def __init__(self, constraint: Interval):
        self.low, self.high = constraint.low, constraint.high

    def place(self, value):
        edge = 1e-3  # a value on a border is taken for one so far inside
        if self.low is None and self.high is None:
            return math.asinh(value)
        if self.high is None:
            return math.log(max(value - self.low, edge))
        if self.low is None:
            return -math.log(max(self.high - value, edge))
        share = (value - self.low) / (self.high - self.low)
        share = min(max(share, edge), 1.0 - edge)
        return math.log(share / (1.0 - share))

    def value(self, x):
        if self.low is None and self.high is None:
            return math.sinh(x)
        if self.high is None:
            return self.low + math.exp(x)
        if self.low is None:
            return self.high - math.exp(-x)
        return self.low + (self.high - self.low) / (1.0 + math.exp(-x))


def _bracket(function, start):
    """Two neighbors between which the function changes sign, nearest to `start` first, and all values seen."""
    seen = {start: function(start)}
    for step in range(_STEPS):
        for side in (_STEP, -_STEP):
            near, far = start + step * side, start + (step + 1) * side
            seen[far] = function(far)
            if seen[near] * seen[far] <= 0.0:
                return (near, far), seen
    return None, seen


def _root(function, a, b):
    """Ridders' method: each round at least halves the bracket, and soon squares it."""
    low, high = function(a), function(b)
    for _ in range(100):
        if low == 0.0 or abs(b - a) < _NARROW:
            return a
        if high == 0.0:
            return b
        middle = 0.5 * (a + b)
        at_middle = function(middle)
        if at_middle == 0.0:
            return middle
        x = middle + (middle - a) * math.copysign(1.0, low) * at_middle / math.sqrt(at_middle**2 - low * high)
        at_x = function(x)
        points = sorted([(a, low), (middle, at_middle), (x, at_x), (b, high)])
        for (left, at_left), (right, at_right) in itertools.pairwise(points):
            if at_left * at_right <= 0.0:
                a, low, b, high = left, at_left, right, at_right
                break
    return a


__all__ = ["landscape", "transfer"]
