"""Arguments of losses as data: a class lists them, the base class builds its constructor from the list.

    class GCE(ElementaryLoss):
        q: float = parameter(default=0.7, within=at_least(0.0))

gives `GCE(q=0.7, *, from_logits=False, ...)` with a checked, serialised, read-only attribute `q`.
"""

import inspect
from typing import Any

from keras_robust.checks import Interval

REQUIRED = inspect.Parameter.empty


class Parameter:
    """A read-only attribute of a loss, checked by `within` when the loss is made."""

    def __init__(self, default, within, fixed=False, kw_only=False):
        self.default = default
        self.within = within
        self.fixed = fixed
        self.kind = inspect.Parameter.KEYWORD_ONLY if kw_only else inspect.Parameter.POSITIONAL_OR_KEYWORD

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, loss, owner=None):
        return self if loss is None else loss.__dict__[self.name]

    def __set__(self, loss, value):
        kind = type(loss).__name__
        raise AttributeError(
            f"`{self.name}` of {kind} is fixed when the loss is made, because a compiled training step would not see "
            f"it change. Make a new loss: {kind}({self.name}={value!r}, ...)."
        )

    @property
    def is_hyperparameter(self) -> bool:
        """Whether this is a number that weighs or shapes the loss, not a choice, a part or a count of steps."""
        return isinstance(self.within, Interval) and not self.fixed

    def signature(self) -> inspect.Parameter:
        return inspect.Parameter(self.name, self.kind, default=self.default)


def parameter(*, default: Any = REQUIRED, within: Any, fixed: bool = False, kw_only: bool = False) -> Any:
    """Declares an argument of a loss.

    Args:
        default: its default; without one the argument is required.
        within: its constraint, see `checks`.
        fixed: marks a number that is no hyper-parameter, such as a count of iterations.
        kw_only: whether it can only be given by name.
    """
    return Parameter(default, within, fixed, kw_only)


def parameters_of(cls) -> dict[str, Parameter]:
    """The declared parameters of a class, base classes first."""
    found = {}
    for base in reversed(cls.__mro__):
        found.update({name: value for name, value in vars(base).items() if isinstance(value, Parameter)})
    return found
