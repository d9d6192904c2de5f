"""Training algorithms as text, and the loss inside them."""

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

import keras

import keras_robust.algorithms
from keras_robust import expressions
from keras_robust.algorithms.base import Algorithm
from keras_robust.algorithms.views import TwoViews

ALGORITHMS = {
    name: kind
    for name, kind in vars(keras_robust.algorithms).items()
    if isinstance(kind, type) and issubclass(kind, Algorithm) and kind is not Algorithm
}
#: What makes views of inputs.
LAYERS = {name: getattr(keras.layers, name) for name in dir(keras.layers) if name.startswith(("Random", "Gaussian"))}
#: What a run knows by itself.
OF_THE_RUN = ("model", "num_samples", "num_classes", "probe")


@dataclass(frozen=True)
class Chosen:
    """An algorithm with its arguments, for a network to come.

    Attributes:
        kind: its class.
        arguments: all but those that a run knows: network, number of samples and classes, data to look at.
    """

    kind: type[Algorithm]
    arguments: dict = field(default_factory=dict)

    @property
    def needs_probe(self) -> bool:
        """Whether it looks at all samples before an epoch."""
        return "probe" in inspect.signature(self.kind).parameters

    @property
    def needs_views(self) -> bool:
        """Whether it sees every sample twice in a step."""
        return issubclass(self.kind, TwoViews)

    def build(
        self, model: keras.Model, num_samples: int, num_classes: int, probe: Callable = lambda: None
    ) -> Algorithm:
        """The algorithm around a network.

        Args:
            probe: makes the data that it looks at before an epoch.
        """
        known = {"num_samples": num_samples, "num_classes": num_classes}
        wanted = inspect.signature(self.kind).parameters
        known = {name: value for name, value in known.items() if name in wanted}
        if self.needs_probe:
            known["probe"] = probe()
        return self.kind(model, **known, **self.arguments)


def read_algorithm(text: str) -> Chosen:
    """The algorithm that a text stands for, without what a run knows by itself: "ELR(beta=0.9, lam=7)".

    Arguments are literals, or Keras' layers that draw: "GJS(augment=GaussianNoise(0.1))".

    Raises:
        ValueError: for an unknown name, or arguments that it does not have.

    Example:

    >>> read_algorithm("CoTeaching(forget_rate=0.4)").arguments
    {'forget_rate': 0.4}
    """
    try:
        return expressions.read(text, {name: _chooser(kind) for name, kind in ALGORITHMS.items()}, LAYERS)
    except expressions.ExpressionError as error:
        raise ValueError(
            f'An algorithm is written as "ELR(beta=0.9, lam=7)". Received: {text!r:.200} ({error}). Known algorithms: '
            f"{', '.join(sorted(ALGORITHMS))}."
        ) from None


def _chooser(kind):
    names = [name for name in inspect.signature(kind).parameters if name not in OF_THE_RUN]
    signature = inspect.Signature([inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names])

    def choose(*arguments, **keywords):
        given = signature.bind_partial(*arguments, **keywords).arguments
        required = inspect.signature(kind).parameters
        lacking = [name for name in names if name not in given and required[name].default is inspect.Parameter.empty]
        if lacking:
            raise TypeError(f"{kind.__name__} needs {', '.join(lacking)}")
        return Chosen(kind, dict(given))

    return choose


def split_algorithm(text: str) -> tuple[str | None, str]:
    """The algorithm and the loss of a text such as "ELR(DAL(), lam=3)"; no algorithm where it names a loss alone.

    Example:

    >>> split_algorithm("ELR(2 * CE() + MAE(), lam=3)")
    ('ELR(lam=3)', '2 * CE() + MAE()')
    >>> split_algorithm("ELR(lam=3)"), split_algorithm("GCE(q=0.5)")
    (('ELR(lam=3)', 'CE()'), (None, 'GCE(q=0.5)'))
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None, text
    if isinstance(tree, ast.Name) and tree.id in ALGORITHMS:
        tree = ast.Call(tree, [], [])
    if not (isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id in ALGORITHMS):
        return None, text
    loss = "CE()"
    if tree.args and isinstance(tree.args[0], ast.Call | ast.BinOp | ast.Name):
        first = tree.args.pop(0)
        loss = ast.unparse(first)
    return ast.unparse(tree), loss
