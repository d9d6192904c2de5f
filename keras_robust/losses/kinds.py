"""The two kinds of losses that most are: elementary ones, and lines of the algebra."""

from keras import ops

from keras_robust.losses.base import RobustLoss
from keras_robust.losses.declaration import current


class ElementaryLoss(RobustLoss):
    """A function of one log-probability: a subclass names its `formula` and `formula_slope` (see `formulas`)."""

    of_probability = of_margin = decreasing = True

    def arguments(self) -> dict:
        """What the formula takes besides log p."""
        return {name: current(value) for name, value in self._own_hyperparameters().items()}

    def value(self, p):
        return type(self).formula(p.log_p, **self.arguments())

    def weight(self, p):
        return type(self).formula_slope(p.log_p, **self.arguments()) * ops.sigmoid(-p.margin)

    def per_sample(self, evidence):
        return evidence.at_label(self.value)


class ComposedLoss(RobustLoss):
    """A named loss that is one line on the algebra: a subclass gives the line, `formula()`."""

    def formula(self) -> RobustLoss:
        raise TypeError(f"{type(self).__name__} does not define formula().")

    def _check(self):
        self._line = self.formula()
        for flag in ("of_probability", "of_margin", "decreasing", "batch_coupled"):
            setattr(self, flag, getattr(self._line, flag))

    def value(self, p):
        return self._line.value(p)

    def weight(self, p):
        return self._line.weight(p)

    def total(self, evidence):
        return self._line.total(evidence)

    def per_sample(self, evidence):
        return self._line.per_sample(evidence)

    def label_weight(self, evidence):
        return self._line.label_weight(evidence)
