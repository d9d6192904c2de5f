"""Losses as text: names of losses, numbers, + and *."""

import ast

import keras_robust.losses
from keras_robust.losses import RobustLoss

LOSSES = {
    name: kind
    for name, kind in vars(keras_robust.losses).items()
    if isinstance(kind, type) and issubclass(kind, RobustLoss) and name not in ("RobustLoss", "WeightedSum")
}


def read_loss(text: str) -> RobustLoss:
    """The loss of logits that an expression stands for: names of losses, numbers, + and *.

    Raises:
        ValueError: for anything else, or arguments that the loss refuses.

    Example:

    >>> read_loss("2 * CE() + LogitBias(MAE(), epsilon=1.5)").from_logits
    True
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        _refuse(text)
    loss = _build(tree, text, outermost=True)
    return loss if isinstance(loss, RobustLoss) else _refuse(text)


def _build(node, text, outermost=False):
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in LOSSES:
            arguments = [_build(argument, text) for argument in node.args]
            keywords = {keyword.arg: _build(keyword.value, text) for keyword in node.keywords}
            try:
                return LOSSES[name](*arguments, **({"from_logits": True} if outermost else {}), **keywords)
            except TypeError as error:
                raise ValueError(str(error)) from None
        case ast.BinOp(left=left, right=right, op=ast.Add()):
            return _build(left, text, outermost) + _build(right, text, outermost)
        case ast.BinOp(left=left, right=right, op=ast.Mult()):
            return _build(left, text, outermost) * _build(right, text, outermost)
        case ast.UnaryOp(operand=ast.Constant(value=float() | int() as value), op=ast.USub()):
            return -value
        case ast.Constant(value=float() | int() | str() | None as value):
            return value
    return _refuse(text)


def _refuse(text):
    raise ValueError(
        f'A loss is written as "ANLCE", "GCE(q=0.5)" or "2 * CE() + MAE()". Received: {text!r}. Known losses: '
        f"{', '.join(sorted(LOSSES))}."
    )
