"""Which loss to take, from the number of classes alone: every number of it, and why."""

from dataclasses import dataclass
from typing import NamedTuple

from keras_robust import theory
from keras_robust.checks import Interval, refuse
from keras_robust.losses import ANLCE, CE, MAEStar, RobustLoss

_CLASSES = Interval(2, integer=True)
# Up to here 10 classes are nearer than 100, counted in factors.
_FEW = 31
# The most classes at which a setting of the active negative losses was tuned for all of them.
_MANY = 100
# The cycle of Staats et al. is for 1,000 classes; it starts at the bias that Staats et al. print for them.
_CYCLE = (5.2, 4.8, 4.3, 3.7, 3.0, 2.3)


class Claim(NamedTuple):
    """One reason, and where it is from."""

    text: str
    source: str

    def __str__(self):
        return f"{self.text} [{self.source}]"


@dataclass(frozen=True)
class Recommendation:
    """A loss with every number set, and what goes with it. `print` shows it with its reasons.

    Attributes:
        num_classes: the number of classes that it is for.
        loss: a new loss.
        l1: factor for `keras_robust.regularize(model, l1=...)`; 0 for no penalty.
        claims: the reasons, each with its source.
        cycle: biases that `callbacks` moves the loss through; none for a loss that stays as it is.
    """

    num_classes: int
    loss: RobustLoss
    l1: float
    claims: tuple
    cycle: tuple = ()

    @property
    def reason(self) -> str:
        """The claims, one a line."""
        return "\n".join(f"- {claim}" for claim in self.claims)

    def callbacks(self) -> list:
        """New callbacks that move the loss during training, for one `fit`; empty for a loss that stays as it is."""
        from keras_robust.callbacks import LogitBiasCycle

        return [LogitBiasCycle(self.cycle, loss=self.loss)] if self.cycle else []

    def __str__(self):
        penalty = f", with regularize(model, l1={self.l1:g})" if self.l1 else ""
        return f"{self.num_classes:,} classes: {self.loss!r}{penalty}\n{self.reason}"


def recommend(
    num_classes: int, noise_rate: float | None = None, from_logits: bool = True, cycle: bool = False
) -> Recommendation:
    """The loss to start with for a number of classes, with every number set, and the reasons.

    Nothing is to be tuned on data or noise. Up to 100 classes it is `ANLCE`, with its authors' settings for the nearest
    number of classes; above, `MAEStar`, whose bias follows from the number of classes. The noise rate decides one thing
    alone: for labels that are known to be clean it is `CE`.

    Args:
        num_classes: K, at least 2.
        noise_rate: share of wrong labels, at least 0 and below (K - 1) / K, from where on the labels say nothing; None
            if nobody knows, as usual.
        from_logits: whether the model ends in logits, which is preferred.
        cycle: whether the bias of `MAEStar` goes down and up in a cycle, as Staats et al. have it at 1,000 classes,
            moved as a whole to K. No number of ours says whether it helps.

    Raises:
        ValueError: for an argument out of range; for a cycle where the loss has no bias.

    Example:

    >>> advice = keras_robust.recommend(num_classes=10)
    >>> advice.loss.hyperparameters, advice.l1, advice.callbacks()
    ({'alpha': 5.0, 'beta': 5.0, 'p_min': 1e-07}, 5e-05, [])
    >>> print(keras_robust.recommend(num_classes=10, noise_rate=0.0).reason)
    - Where no label is wrong, robustness has its price: on clean CIFAR-100 cross entropy ... [Ou & Zhang 2023, Table 2]
    """
    K = _CLASSES.check("recommend", "num_classes", num_classes)
    if noise_rate is not None:
        noise_rate = Interval(0.0, 1.0, open_high=True).check("recommend", "noise_rate", noise_rate)
        if noise_rate >= (K - 1) / K:
            rule = f"below (K - 1) / K = {(K - 1) / K:.4g}, where uniform noise leaves all labels of {K} classes alike"
            refuse("recommend", "noise_rate", rule, noise_rate)
    biased = K > _MANY and noise_rate != 0
    if cycle and not biased:
        refuse("recommend", "cycle", f"False for {K} classes, where the recommended loss has no bias", cycle)
    if noise_rate == 0:
        return Recommendation(K, CE(from_logits=from_logits), 0.0, _CLEAN)
    if biased:
        epsilon = theory.logit_bias(K)
        loss = MAEStar(epsilon=epsilon, from_logits=from_logits)
        values = tuple(epsilon + value - _CYCLE[0] for value in _CYCLE) if cycle else ()
        return Recommendation(K, loss, 0.0, (*_bias_claims(K, epsilon, loss), *_CYCLE_CLAIMS[: len(values)]), values)
    alpha, beta, l1 = (5.0, 5.0, 5e-5) if K <= _FEW else (10.0, 1.0, 5e-7)
    loss = ANLCE(alpha=alpha, beta=beta, from_logits=from_logits)
    own = _AT_10 if K <= _FEW else _AT_100
    return Recommendation(K, loss, l1, (*own, *_distance(K, 10 if K <= _FEW else 100), *_ACTIVE_NEGATIVE))


_CLEAN = (
    Claim(
        "Where no label is wrong, robustness has its price: on clean CIFAR-100 cross entropy reached 71.02%, GCE "
        "70.14%, AUL 59.62%",
        "Ou & Zhang 2023, Table 2",
    ),
)
_AT_10 = (
    Claim(
        "alpha = beta = 5 and l1 = 5e-5 are its authors' for 10 classes, CIFAR-10",
        "Ye et al. 2023, released configurations",
    ),
    Claim("On MNIST, 10 classes too, they took 1, 1 and 1e-6", "Ye et al. 2023, released configurations"),
    Claim(
        "On CIFAR-10 with 40% and 80% symmetric noise it reached 87.28% and 61.27%, cross entropy 58.19% and 19.09%",
        "Ye et al. 2023, its CIFAR-10 table",
    ),
    Claim(
        "On the digits with 40% symmetric noise it reached 98.1% and memorized 1.4% of the wrong labels, cross entropy "
        "75.4% and 97.2%",
        "our own runs, make demo",
    ),
)
_AT_100 = (
    Claim(
        "alpha = 10, beta = 1 and l1 = 5e-7 are its authors' for 100 classes, CIFAR-100",
        "Ye et al. 2023, released configurations",
    ),
)
_ACTIVE_NEGATIVE = (
    Claim(
        "One setting serves every noise rate from 0 to 80%: that is how its authors used it",
        "Ye et al. 2023, configurations",
    ),
    Claim(
        "It is a sum of symmetric losses: uniform label noise does not move its minimizer",
        "Ye et al. 2023; theory.is_symmetric",
    ),
    Claim(
        "The L1 penalty is on all weights, takes the place of weight decay, and goes with a gradient norm clip of 5",
        "Ye et al. 2023, released code",
    ),
)
_CYCLE_CLAIMS = (
    Claim(
        "The cycle is the paper's for 1,000 classes, moved so that it starts at this bias",
        "Staats et al. 2023; moved by us",
    ),
)


def _distance(K, tuned):
    if tuned == K:
        return ()
    return (Claim(f"{K} classes are nearer to {tuned} than to the other number it was tuned for", "our choice"),)


def _bias_claims(K, epsilon, loss):
    start = theory.mean_error(loss, K)
    return (
        Claim(
            "With many classes a robust loss hardly starts to learn: the mean error of ANLCE(alpha=10, beta=1) is "
            "-0.0203 at 100 classes, -0.0015 at 1,000",
            "Staats et al. 2023, Eq. 3; theory.mean_error",
        ),
        Claim(
            f"epsilon = {epsilon:.4f} makes the mean output of the label 0.15 at the start, for any data; the mean "
            f"error is {start:.3f}",
            "Staats et al. 2023, Eq. 4; theory.logit_bias",
        ),
        Claim("Nothing else is to be set", "Staats et al. 2023"),
        Claim("No run of ours has had so many classes", "our own runs"),
    )


__all__ = ["Claim", "Recommendation", "recommend"]
