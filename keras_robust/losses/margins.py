"""Wrappers that move the label's margin.

LogitBias(L, epsilon)    L of z + epsilon at the label
MarginShift(L, tau)      LogitBias(L, |E margin| - tau)
MarginScale(L, tau)      L of p* = sigmoid(margin * tau / |E margin|)
"""

from keras_robust.checks import Interval, greater_than
from keras_robust.losses.algebra import WrapperOfProbability
from keras_robust.losses.base import RobustLoss
from keras_robust.losses.declaration import Part, current, parameter
from keras_robust.losses.initialization import expected_margin, logit_bias
from keras_robust.registration import registered


class BiasedLoss(RobustLoss):
    """A loss of logits with `bias(K)` added at the label."""

    loss: RobustLoss = parameter(within=Part())

    def _check(self):
        self.of_margin = self.loss.of_margin
        self.batch_coupled = self.loss.batch_coupled
        # What lies above a number is read without a bias only.
        self.reads = frozenset(what for what in self.loss.reads if isinstance(what, str))

    def bias(self, num_classes):
        """The bias at K classes."""
        raise TypeError(f"{type(self).__name__} does not define bias(num_classes).")

    def per_sample(self, evidence):
        return self.loss.per_sample(evidence.biased(self.bias(evidence.num_classes)))

    def weight_at_margin(self, margin, num_classes):
        return self.loss.weight_at_margin(margin + self.bias(num_classes), num_classes)

    def terms(self, num_classes):
        if self.of_margin:
            return super().terms(num_classes)
        if self.batch_coupled:
            raise ValueError(
                f"The mean error of {self!r} is not known: the gradient of a sample depends on the other samples of "
                "its batch. It is known for ANLCEER, for PeerLoss, and for sums with them."
            )
        bias = self.bias(num_classes)
        return [term._replace(bias=term.bias + bias) for term in self.loss.terms(num_classes)]


@registered
class LogitBias(BiasedLoss):
    """A loss of the logits with `epsilon` added at the label: L(z + epsilon t).

    With many classes a bounded loss starts where its gradient vanishes; the bias moves it back to where it learns.
    Soft labels t get epsilon * t.

    Reference: Staats et al. 2023, Eq. 4 for the default.

    Args:
        loss: any loss.
        epsilon: the bias, a finite number. None: `max(0, theory.logit_bias(K))`, which needs no tuning.

    Example:

    >>> loss = keras_robust.LogitBias(keras_robust.MAE(), epsilon=1.0, from_logits=True)
    >>> round(float(loss([0], [[0.0, 0.0]])), 4)
    0.2689
    """

    epsilon: float | None = parameter(default=None, within=Interval(optional=True))

    def bias(self, num_classes):
        return max(0.0, logit_bias(num_classes)) if self.epsilon is None else current(self.epsilon)


class WrapperOfExpectedMargin(RobustLoss):
    """What the two corrections of the curriculum view share: tau and the expected margin."""

    loss: RobustLoss = parameter(within=Part())
    tau: float = parameter(within=greater_than(0.0))
    expected_margin: float | None = parameter(default=None, within=greater_than(0.0, optional=True))

    def initial_margin(self, num_classes):
        """|E margin| at K classes."""
        if self.expected_margin is not None:
            return current(self.expected_margin)
        if num_classes == 2:
            raise ValueError(
                f"`expected_margin` of {type(self).__name__} must be given for K = 2, where the approximation of the "
                "expected margin (Ou & Zhang, Eq. 4) has the wrong sign. Received: expected_margin=None."
            )
        return abs(expected_margin(num_classes))


@registered
class MarginShift(BiasedLoss, WrapperOfExpectedMargin):
    """The margin moved so that training starts at -tau: L of p+ = sigmoid(margin + |E margin| - tau).

    The same as `LogitBias(loss, |E margin| - tau)`.

    Reference: Ou & Zhang 2023, "MAE shift" and "AGCE shift"; its p+ must read as above.

    Args:
        loss: any loss.
        tau: where training starts, above 0.
        expected_margin: |E margin| at initialization, above 0. None: `abs(theory.expected_margin(K))`.

    Raises:
        ValueError: at K = 2 without `expected_margin`.

    Example:

    >>> loss = keras_robust.MarginShift(keras_robust.MAE(), tau=2.0, expected_margin=3.0)
    >>> round(float(loss([0], [[0.5, 0.5]])), 4)
    0.2689
    """

    def bias(self, num_classes):
        return self.initial_margin(num_classes) - current(self.tau)


@registered
class MarginScale(WrapperOfExpectedMargin, WrapperOfProbability):
    """The margin scaled so that training starts at -tau: L of p* = sigmoid(margin * tau / |E margin|).

    Reference: Ou & Zhang 2023, "MAE scale" and "AGCE scale". The gradient weight of this loss is tau / |E margin|
    times that of `loss` at the scaled margin.

    Args:
        loss: a function of one probability.
        tau: where training starts, above 0.
        expected_margin: |E margin| at initialization, above 0. None: `abs(theory.expected_margin(K))`.

    Raises:
        ValueError: if `loss` is not a function of one probability; at K = 2 without `expected_margin`.

    Example:

    >>> loss = keras_robust.MarginScale(keras_robust.MAE(), tau=1.0, expected_margin=2.0)
    >>> round(float(loss([0], [[0.9, 0.1]])), 4)
    0.25
    """

    of_probability = of_margin = True
    # The margin itself: beyond 87 log p does not tell it.
    reads = frozenset({"margin"})

    def _check(self):
        super()._check()
        self.decreasing = self.loss.decreasing

    def factor(self, num_classes):
        """tau / |E margin|."""
        return current(self.tau) / self.initial_margin(num_classes)

    def at(self, p):
        return self.loss.at(p.scaled(self.factor(p.num_classes)))

    def signed_weight(self, p):
        factor = self.factor(p.num_classes)
        return factor * self.loss.signed_weight(p.scaled(factor))
