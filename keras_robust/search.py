"""Where to look for the numbers of a loss: ranges drawn from what the loss declares, for a tuner to search."""

from dataclasses import dataclass

from keras_robust.checks import greater_than, refuse
from keras_robust.losses import RobustLoss


@dataclass(frozen=True)
class SearchRange:
    """Numbers from `low` to `high`, both included.

    Attributes:
        log: whether equal factors are equally likely, not equal differences.
        integer: whether only whole numbers count.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False


def search_space(loss: RobustLoss, factor: float = 4.0) -> dict[str, SearchRange]:
    """A range for each number of a loss, from the constraint that the loss declares for it and its present value v.

    - a constraint with two borders b, as of `JS`'s pi: from border to border;
    - one border or none, which counts as b = 0: from b + (v - b) / factor to b + (v - b) factor, on a logarithmic axis
      where that is above 0;
    - v = b, as of `DAL`'s lam: from b to 1 inside it;
    - a number that follows from the number of classes, None, is not searched: nor is p_min, which only keeps a
      logarithm finite.

    So the middle of the search is the loss as it was made: start it where a paper or `recommend` puts it.

    Args:
        loss: any loss or composition.
        factor: how far to look, greater than 1.

    Returns:
        Name of the hyper-parameter, as in `loss.hyperparameters` -> its range.

    Raises:
        ValueError: for something that is no loss of this package, or a factor of 1 or less.

    Example:

    >>> search_space = keras_robust.search.search_space
    >>> search_space(keras_robust.ANLCE(alpha=5, beta=5))["alpha"]
    SearchRange(low=1.25, high=20.0, log=True, integer=False)
    >>> search_space(keras_robust.JS())
    {'pi': SearchRange(low=0.0, high=1.0, log=False, integer=False)}
    """
    if not isinstance(loss, RobustLoss):
        refuse("search_space", "loss", "a loss of keras_robust", loss)
    factor = greater_than(1.0).check("search_space", "factor", factor)
    space = {}
    for name, value in loss.hyperparameters.items():
        if value is not None and name.rpartition(".")[2] != "p_min":
            space[name] = _range(loss.constraint(name), value, factor)
    return space


def tuned_loss(hp, loss: RobustLoss, ranges: dict[str, SearchRange] | None = None, factor: float = 4.0) -> RobustLoss:
    """A new loss like `loss`, with numbers that a tuner proposes.

    Args:
        hp: the `HyperParameters` that KerasTuner hands to the function that builds a model (or anything with its
            methods `Float` and `Int`). The numbers stand there as "GCE.q", by class and name.
        loss: the loss to start from.
        ranges: the ranges of what is searched; None: all of `search_space`. What is not named stays as it is.
        factor: as in `search_space`.

    Raises:
        ValueError: for a name that is not one of `loss.hyperparameters`, or a proposal that the loss does not allow.

    Example: the first proposal of KerasTuner is the lower end of each range.

    >>> class Lowest:
    ...     def Float(self, name, min_value, max_value, sampling):
    ...         return min_value
    >>> keras_robust.search.tuned_loss(Lowest(), keras_robust.GCE(q=0.8, from_logits=True)).hyperparameters
    {'q': 0.2}
    """
    kind = type(loss).__name__
    space = search_space(loss, factor) if ranges is None else ranges
    values = {}
    for name, within in space.items():
        if within.integer:
            values[name] = hp.Int(f"{kind}.{name}", round(within.low), round(within.high))
        else:
            sampling = "log" if within.log else "linear"
            values[name] = hp.Float(f"{kind}.{name}", within.low, within.high, sampling=sampling)
    return loss.with_hyperparameters(values)


def _range(constraint, value, factor):
    low, high, integer = constraint.low, constraint.high, constraint.integer
    if low is not None and high is not None:
        return SearchRange(low, high, integer=integer)
    border = 0.0 if low is None and high is None else low if high is None else high
    distance = value - border
    ends = (border + distance / factor, border + distance * factor)
    if distance == 0:
        ends = (border, border + 1.0 if high is None else border - 1.0)
    near, far = sorted(map(round, ends)) if integer else sorted(ends)
    return SearchRange(near, far, log=near > 0 and not integer, integer=integer)
