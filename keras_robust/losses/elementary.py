"""Losses that are functions of one probability, p = p_y. Their formulas stand in `formulas`."""

from keras_robust.checks import Interval, at_least, greater_than
from keras_robust.losses import formulas
from keras_robust.losses.declaration import current, parameter
from keras_robust.losses.kinds import ComposedLoss, ElementaryLoss
from keras_robust.registration import registered

WEIGHT = at_least(0.0)
BELOW_ZERO = Interval(high=0.0, open_high=True)


@registered
class CE(ElementaryLoss):
    """Cross entropy, -log p: the baseline that learns wrong labels by heart.

    The same value as `keras.losses.SparseCategoricalCrossentropy` and `CategoricalCrossentropy`, for ids and for
    one-hot labels, with nothing clipped.

    Example:

    >>> round(float(keras_robust.CE()(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.6931
    """

    formula, formula_slope = staticmethod(formulas.ce), staticmethod(formulas.ce_slope)

    def total(self, evidence):
        return -evidence.sum_log_probs

    def negative_total(self, evidence, p_min, highest):
        return evidence.sum_above(formulas.log(p_min))


@registered
class FL(ElementaryLoss):
    """Focal loss, -(1 - p)^gamma log p: less weight on samples that are learned already. Not robust by itself.

    The gradient flows through the factor, as the formula says; released code of APL and ANL detaches it.

    Reference: Lin et al. 2017; gamma = 0.5 is the value in the released code of Ma et al. 2020.

    Args:
        gamma: focusing exponent, at least 0; 0 is `CE`.

    Example:

    >>> round(float(keras_robust.FL()(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.4901
    """

    gamma: float = parameter(default=0.5, within=at_least(0.0))
    formula, formula_slope = staticmethod(formulas.fl), staticmethod(formulas.fl_slope)


@registered
class MAE(ElementaryLoss):
    """Mean absolute error, 1 - p: symmetric, so robust to uniform noise, but slow to learn with many classes.

    Papers print 2 (1 - p), the L1 distance to the one-hot label; all released code, and so all published weights of
    sums, have 1 - p.

    Reference: Ghosh et al. 2017.

    Example:

    >>> round(float(keras_robust.MAE()(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.5
    """

    formula, formula_slope = staticmethod(formulas.mae), staticmethod(formulas.mae_slope)

    def total(self, evidence):
        return float(evidence.num_classes - 1)


@registered
class RCE(ElementaryLoss):
    """Reverse cross entropy, -A (1 - p): cross entropy with prediction and label exchanged, log 0 set to A.

    Reference: Wang et al. 2019; Ma et al. 2020 prints A = -4. Released code clamps the one-hot label at 1e-4, which
    is A = log(1e-4) = -9.2103 and weighs the term 2.303 times more.

    Args:
        A: what log 0 stands for, below 0.

    Example:

    >>> round(float(keras_robust.RCE()(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    2.0
    """

    A: float = parameter(default=-4.0, within=BELOW_ZERO)
    formula, formula_slope = staticmethod(formulas.rce), staticmethod(formulas.rce_slope)

    def total(self, evidence):
        return -current(self.A) * float(evidence.num_classes - 1)


@registered
class GCE(ElementaryLoss):
    """Generalized cross entropy, (1 - p^q) / q: between cross entropy (q = 0) and MAE (q = 1).

    A good first choice. q above 1 bounds the loss even further, as the late phase of `DAL` does.

    Reference: Zhang & Sabuncu 2018; q = 0.7 as in the released code of Ma et al. 2020; Li et al. 2023 for
    q > 1. Nothing is clamped: a confidently wrong sample keeps its gradient.

    Args:
        q: robustness exponent, at least 0; 0 is exactly `CE`, 1 is `MAE`.

    Example:

    >>> round(float(keras_robust.GCE()(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.5492
    """

    q: float = parameter(default=0.7, within=at_least(0.0))
    formula, formula_slope = staticmethod(formulas.gce), staticmethod(formulas.gce_slope)


@registered
class SCE(ComposedLoss):
    """Symmetric cross entropy, alpha CE + beta RCE.

    Reference: Wang et al. 2019, with alpha and beta as in its released code for CIFAR-10. See `RCE` for A.

    Args:
        alpha: weight of `CE`, at least 0.
        beta: weight of `RCE`, at least 0.
        A: what log 0 stands for, below 0.

    Example:

    >>> round(float(keras_robust.SCE()(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    2.0693
    """

    alpha: float = parameter(default=0.1, within=WEIGHT)
    beta: float = parameter(default=1.0, within=WEIGHT)
    A: float = parameter(default=-4.0, within=BELOW_ZERO)

    def formula(self):
        return self.alpha * CE() + self.beta * RCE(self.A)


@registered
class TCE(ElementaryLoss):
    """Taylor cross entropy, sum_{i=1..t} (1 - p)^i / i: the Taylor series of -log p, cut after t terms.

    Reference: Feng et al. 2020.

    Args:
        t: number of terms, a whole number of at least 1; 1 is `MAE`, many terms come close to `CE`. A schedule may move
            it between 1 and this number; it is rounded.

    Example:

    >>> round(float(keras_robust.TCE()(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.625
    """

    t: int = parameter(default=2, within=at_least(1, integer=True))
    formula, formula_slope = staticmethod(formulas.tce), staticmethod(formulas.tce_slope)

    def _check(self):
        if isinstance(self.t, int):
            self.t_max = self.t

    def arguments(self):
        return super().arguments() | {"t_max": self.t_max}

    def _constraint(self, key):
        return Interval(1.0, float(self.t_max))


@registered
class AUL(ElementaryLoss):
    """Asymmetric unhinged loss, [(a - p)^q - (a - 1)^q] / q.

    Reference: Zhou et al. 2021 (asymmetric loss functions). Ou & Zhang 2023, Table 6, prints its formula under the
    name AGCE.

    Args:
        a: offset, above 1.
        q: exponent, above 0.

    Example:

    >>> loss = keras_robust.AUL(a=6.3, q=1.5)
    >>> round(float(loss(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    1.1778
    """

    a: float = parameter(within=greater_than(1.0))
    q: float = parameter(within=greater_than(0.0))
    formula, formula_slope = staticmethod(formulas.aul), staticmethod(formulas.aul_slope)


@registered
class AGCE(ElementaryLoss):
    """Asymmetric generalized cross entropy, [(a + 1)^q - (a + p)^q] / q.

    Reference: Zhou et al. 2021 (asymmetric loss functions). Ou & Zhang 2023, Table 6, prints it under the name AUL
    and with (a + 1) for (a + 1)^q.

    Args:
        a: offset, above 0.
        q: exponent, above 0.

    Example:

    >>> loss = keras_robust.AGCE(a=0.6, q=0.6)
    >>> round(float(loss(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.4449
    """

    a: float = parameter(within=greater_than(0.0))
    q: float = parameter(within=greater_than(0.0))
    formula, formula_slope = staticmethod(formulas.agce), staticmethod(formulas.agce_slope)


@registered
class AEL(ElementaryLoss):
    """Asymmetric exponential loss, exp(-p / a).

    Reference: Zhou et al. 2021 (asymmetric loss functions).

    Args:
        a: scale, above 0.

    Example:

    >>> round(float(keras_robust.AEL(a=2.5)(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.8187
    """

    a: float = parameter(within=greater_than(0.0))
    formula, formula_slope = staticmethod(formulas.ael), staticmethod(formulas.ael_slope)


@registered
class JS(ElementaryLoss):
    """Generalized Jensen-Shannon loss: the divergence of label and prediction, scaled to lie between CE and MAE.

    With the mixture m = pi e_y + (1 - pi) p:
    [pi KL(e_y || m) + (1 - pi) KL(p || m)] / [-(1 - pi) log(1 - pi)], computed in closed form from p_y alone:
    [-pi (log p + s) - (1 - pi) (p s + (1 - p) log(1 - pi))] / [-(1 - pi) log(1 - pi)], s = log(1 + pi (1 - p) / p).

    Reference: Englesson & Azizpour 2021. Li et al. 2023, Eq. 12 (its gradient) has the wrong sign.

    Args:
        pi: weight of the label in the mixture, in [0, 1]; 0 is exactly `CE`, 1 exactly `MAE`.

    Example:

    >>> round(float(keras_robust.JS()(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.6226
    """

    pi: float = parameter(default=0.5, within=Interval(0.0, 1.0))
    formula, formula_slope = staticmethod(formulas.js), staticmethod(formulas.js_slope)


@registered
class Poly1(ComposedLoss):
    """Poly-1 loss, CE + epsilon (1 - p).

    Reference: Leng et al. 2022.

    Args:
        epsilon: change of the first Taylor coefficient of cross entropy, at least -1.

    Example:

    >>> round(float(keras_robust.Poly1()(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    1.1931
    """

    epsilon: float = parameter(default=1.0, within=at_least(-1.0))

    def formula(self):
        return CE() + self.epsilon * MAE()


@registered
class PHuberCE(ElementaryLoss):
    """Partially Huberized cross entropy: -log p for p > 1 / tau, else the tangent -tau p + log tau + 1.

    Reference: Menon et al. 2020; tau = 10 on MNIST and CIFAR-100, 2 on CIFAR-10.

    Args:
        tau: largest slope in p, at least 1; 1 is `MAE`.

    Example:

    >>> round(float(keras_robust.PHuberCE()(np.array([0]), np.array([[0.5, 0.25, 0.25]]))), 4)
    0.6931
    """

    tau: float = parameter(default=10.0, within=at_least(1.0))
    formula, formula_slope = staticmethod(formulas.phuber), staticmethod(formulas.phuber_slope)
