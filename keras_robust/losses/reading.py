"""Losses as text: names of losses, numbers, + and *."""

import functools

from keras_robust import expressions, losses
from keras_robust.losses import RobustLoss

LOSSES = {
    name: kind
    for name, kind in vars(losses).items()
    if isinstance(kind, type) and issubclass(kind, RobustLoss) and name not in ("RobustLoss", "WeightedSum")
}
_OF_LOGITS = {name: functools.partial(kind, from_logits=True) for name, kind in LOSSES.items()}


def read_loss(text: str) -> RobustLoss:
    """The loss of logits that an expression stands for: names of losses, numbers, + and *.

    Raises:
        ValueError: for anything else, or arguments that the loss refuses.

    Example:

    >>> read_loss("2 * CE() + LogitBias(MAE(), epsilon=1.5)").from_logits
    True
    """
    try:
        return expressions.read(text, _OF_LOGITS, LOSSES)
    except expressions.ArgumentsError:
        raise
    except expressions.ExpressionError as error:
        raise ValueError(
            f'A loss is written as "ANLCE", "GCE(q=0.5)" or "2 * CE() + MAE()". Received: {text!r:.200} ({error}). '
            f"Known losses: {', '.join(sorted(LOSSES))}."
        ) from None
