"""Callbacks that move a loss's hyper-parameters, as text."""

from keras_robust import callbacks, expressions, schedules


def _scheduled(**moves):
    return callbacks.HyperparameterSchedule(moves)


CALLBACKS = {
    "DALSchedule": callbacks.DALSchedule,
    "LogitBiasCycle": callbacks.LogitBiasCycle,
    "HyperparameterSchedule": _scheduled,
}
SCHEDULES = {name: getattr(schedules, name) for name in ("Constant", "Linear", "Exponential", "Cycle", "Piecewise")}


def read_callbacks(text: str) -> list:
    """The callbacks that a text stands for: "DALSchedule(q_start=0.6)", or "HyperparameterSchedule(lam=Linear(0, 1))".

    Raises:
        ValueError: for anything else, or arguments that the callback refuses.

    Example:

    >>> (move,) = read_callbacks("HyperparameterSchedule(lam=Exponential(start=8, rate=1.02))")
    >>> round(move.schedules["lam"](epoch=2, epochs=150), 4)
    8.3232
    """
    try:
        return [expressions.read(text, CALLBACKS, SCHEDULES)]
    except expressions.ExpressionError as error:
        raise ValueError(
            f'Moving hyper-parameters are written as "DALSchedule(q_start=0.6)" or "HyperparameterSchedule(lam='
            f'Exponential(start=8, rate=1.02))". Received: {text!r} ({error}). Known callbacks: '
            f"{', '.join(CALLBACKS)}; known schedules: {', '.join(SCHEDULES)}."
        ) from None
