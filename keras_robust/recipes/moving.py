"""Callbacks that move a loss's hyper-parameters, as text."""

import ast

from keras_robust import callbacks, schedules

CALLBACKS = ("DALSchedule", "LogitBiasCycle", "HyperparameterSchedule")
SCHEDULES = ("Constant", "Linear", "Exponential", "Cycle", "Piecewise")


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
        tree = ast.parse(text, mode="eval").body
        name, arguments, keywords = _call(tree, CALLBACKS)
        if name == "HyperparameterSchedule":
            if arguments:
                raise TypeError("it takes keywords alone")
            return [callbacks.HyperparameterSchedule(keywords)]
        return [getattr(callbacks, name)(*arguments, **keywords)]
    except (SyntaxError, TypeError) as error:
        raise ValueError(
            f'Moving hyper-parameters are written as "DALSchedule(q_start=0.6)" or "HyperparameterSchedule(lam='
            f'Exponential(start=8, rate=1.02))". Received: {text!r} ({error}). Known callbacks: '
            f"{', '.join(CALLBACKS)}; known schedules: {', '.join(SCHEDULES)}."
        ) from None


def _call(node, known):
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known):
        raise TypeError(f"not a call of one of {', '.join(known)}")
    keywords = {keyword.arg: _value(keyword.value) for keyword in node.keywords}
    return node.func.id, [_value(argument) for argument in node.args], keywords


def _value(node):
    if isinstance(node, ast.Call):
        name, arguments, keywords = _call(node, SCHEDULES)
        return getattr(schedules, name)(*arguments, **keywords)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise TypeError("an argument is neither a number nor a schedule") from None
