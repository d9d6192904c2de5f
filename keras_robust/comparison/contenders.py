"""Losses by name, as they are written on the command line."""

import ast
from dataclasses import dataclass

import keras_robust.losses
from keras_robust.callbacks import DALSchedule
from keras_robust.losses import RobustLoss

LOSSES = {
    name: kind
    for name, kind in vars(keras_robust.losses).items()
    if isinstance(kind, type) and issubclass(kind, RobustLoss) and name not in ("RobustLoss", "WeightedSum")
}


@dataclass(frozen=True)
class Contender:
    """A loss of logits that takes part in a comparison.

    Attributes:
        text: how it is written, for example "ANLCE(alpha=5, beta=5)".
        l1: factor of the L1 penalty that goes with it.
        scheduled: whether it moves during training as its paper has it: `DAL` by Algorithm 1.
    """

    text: str
    l1: float = 0.0
    scheduled: bool = False

    def loss(self) -> RobustLoss:
        return read_loss(self.text)

    @property
    def label(self) -> str:
        """How it stands in tables and pictures."""
        return f"{self.text} scheduled" if self.scheduled else self.text

    def callbacks(self) -> list:
        """Fresh callbacks for one run."""
        return [DALSchedule()] if self.scheduled else []


# What a bare name stands for on data with 10 classes.
RECOMMENDED = {
    "ANLCE": Contender("ANLCE(alpha=5, beta=5)", l1=5e-5),
    "ANLFL": Contender("ANLFL(alpha=5, beta=5)", l1=5e-5),
    "DAL": Contender("DAL()", scheduled=True),
    "NCEandAGCE": Contender("NCEandAGCE(alpha=1, beta=4, a=6, q=1.5)"),
    "NCEandAUL": Contender("NCEandAUL(alpha=1, beta=4, a=6.3, q=1.5)"),
    "NCEandAEL": Contender("NCEandAEL(alpha=1, beta=4, a=5)"),
}


def contender(text: str) -> Contender:
    """A bare name with the arguments that suit 10 classes, "NAME(...)" exactly as written.

    Raises:
        ValueError: for anything that is not a loss of this package.

    Example:

    >>> keras_robust.comparison.contender("ANLCE")
    Contender(text='ANLCE(alpha=5, beta=5)', l1=5e-05, scheduled=False)
    """
    found = RECOMMENDED.get(text) or Contender(f"{text}()" if text in LOSSES else text)
    found.loss()
    return found


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
