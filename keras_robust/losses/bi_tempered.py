"""The bi-tempered logistic loss (Amid et al. 2019), and the softmax that goes with it."""

import keras
from keras import ops

from keras_robust.checks import Interval, at_least
from keras_robust.losses.base import RobustLoss
from keras_robust.losses.declaration import current, parameter
from keras_robust.losses.inputs import as_predictions
from keras_robust.losses.rows import log_sum_exp
from keras_robust.numerics import expm1_over, log1p_over
from keras_robust.registration import registered

TEMPERATURE = at_least(1.0)
STEPS = at_least(1, integer=True)


@registered
class BiTempered(RobustLoss):
    """Bi-tempered logistic loss: a tempered logarithm (t1) of a tempered softmax (t2).

    (1 - p_y^(1 - t1)) / (1 - t1) - (1 - sum_k p_k^(2 - t1)) / (2 - t1), with
    p_k = [1 + (t2 - 1) (x - z_k)]^(-1 / (t2 - 1)) and x such that the p_k sum to 1. t1 < 1 bounds the
    loss, t2 > 1 gives the softmax heavy tails; t1 = t2 = 1 is CE.

    Reference: Amid et al. 2019. x comes from Newton steps with an implicit gradient; the fixed point of the published
    code errs by up to 1.7e-2 after 5 steps.

    Args:
        t1: temperature of the logarithm, in [0, 1].
        t2: temperature of the softmax, at least 1.
        iterations: Newton steps, at least 1.

    Example:

    >>> loss = keras_robust.BiTempered(from_logits=True)
    >>> round(float(loss([0], [[3.0, 0.0, -1.0]])), 4)
    0.0767
    """

    t1: float = parameter(default=0.8, within=Interval(0.0, 1.0))
    t2: float = parameter(default=1.2, within=TEMPERATURE)
    iterations: int = parameter(default=20, within=STEPS, fixed=True)

    def per_sample(self, evidence):
        t1 = current(self.t1)
        power = 2.0 - t1
        log_p = tempered_log_softmax(evidence.shifted, current(self.t2), self.iterations)
        excess = ops.sum(ops.exp(power * log_p), axis=-1) - 1.0
        if evidence.has_ids:
            fit = -expm1_over(1.0 - t1, evidence.pick(log_p))
        else:
            fit = evidence.pick(-expm1_over(1.0 - t1, log_p))
        return fit + excess / power * evidence.label_mass

    def probabilities(self, logits):
        """The probabilities (..., K) that a model trained with this loss predicts; see `tempered_softmax`."""
        return tempered_softmax(logits, current(self.t2), self.iterations)


def tempered_softmax(logits, t2: float, iterations: int = 20):
    """The tempered softmax, p_k = [1 + (t2 - 1) (x - z_k)]^(-1 / (t2 - 1)), with x such that the p_k sum to 1.

    What a model that ends in logits and was trained with `BiTempered` predicts: with t2 > 1 its tails are heavier than
    those of the softmax, which is the case t2 = 1.

    Reference: Amid et al. 2019, Eq. 5.

    Args:
        logits: floats (..., K), classes last.
        t2: temperature, at least 1.
        iterations: Newton steps towards x, at least 1.

    Returns:
        Probabilities (..., K), float32 at least.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> [round(float(p), 3) for p in keras_robust.losses.tempered_softmax([3.0, 0.0, -1.0], t2=2.0)]
    [0.608, 0.215, 0.177]
    """
    if isinstance(t2, int | float):
        t2 = TEMPERATURE.check("tempered_softmax", "t2", t2)
    iterations = STEPS.check("tempered_softmax", "iterations", iterations)
    logits = as_predictions(logits)
    logits = ops.cast(logits, "float64" if keras.backend.standardize_dtype(logits.dtype) == "float64" else "float32")
    shifted = logits - ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    return ops.exp(tempered_log_softmax(shifted, t2, iterations))


def tempered_log_softmax(s, t, iterations):
    """log p_k = -u - log(c_k) / a with c_k = 1 - a s_k exp(-a u), a = t - 1, of logits s whose largest is 0.

    u = -log p_max lies in [0, log K] and makes the p_k sum to 1; written in it nothing overflows. Newton's steps
    are taken on S^-a - 1, S = sum p, as a function of exp(a u): it is concave and rising, so that steps from u = 0
    never overshoot, and one step is exact for t = 1, for equal logits and for one large one. The last step carries
    the derivative of the implicit function u(s).
    """
    a = t - 1.0
    frozen = ops.stop_gradient(s)

    def log_probs(s, u):
        return -u[..., None] - log1p_over(a, -s * ops.exp(-a * u)[..., None])

    def slope(log_p, u):
        """- dS / du = sum p_k / c_k."""
        return ops.sum(ops.exp(log_p) / (1.0 - a * frozen * ops.exp(-a * u)[..., None]), axis=-1)

    def step(_, u):
        log_p = log_probs(frozen, u)
        log_total = log_sum_exp(log_p)
        ratio = ops.exp(log_total) / slope(log_p, u)
        return u + log_total + log1p_over(a, (ratio - 1.0) * -expm1_over(a, -log_total))

    u = ops.stop_gradient(ops.fori_loop(0, iterations, step, ops.zeros_like(frozen[..., 0])))
    log_p = log_probs(s, u)
    excess = ops.sum(ops.exp(log_p), axis=-1) - 1.0
    return log_probs(s, u + excess / ops.stop_gradient(slope(log_p, u)))
