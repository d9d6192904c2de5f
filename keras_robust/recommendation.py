"""Which loss to take, from the number of classes alone: every number of it, and why."""

from dataclasses import dataclass
from typing import NamedTuple

from keras_robust import theory
from keras_robust.checks import Interval, refuse
from keras_robust.losses import ANLCE, CE, GCE, MAEStar, RobustLoss

_CLASSES = Interval(2, integer=True)
# Up to here 10 classes are nearer than 100, counted in factors.
_FEW = 31
# The most classes at which a setting of the active negative losses was tuned for all of them.
_MANY = 100
# Recipes of Ye et al. 2023 for a number of classes: two rates of noise, one setting.
_TUNED = {
    10: ("anl/cifar10/symmetric:0.4/", "anl/cifar10/symmetric:0.8/"),
    100: ("anl/cifar100/symmetric:0.4/", "anl/cifar100/symmetric:0.8/"),
}
# Recipes of Li et al. 2023 with and without training algorithms.
_ALGORITHMS = "dal/cifar100/symmetric+true:0.4/"
# Recipes of Staats et al. 2023 for 1,000 classes, and with 40% of the labels wrong at 100.
_THOUSAND, _HUNDRED = "logit-bias/webvision/real/", "logit-bias/cifar100/symmetric+true:0.4/"


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
        algorithm: what the network is trained by, as `algorithms.reading` reads it; None: plain training.
    """

    num_classes: int
    loss: RobustLoss
    l1: float
    claims: tuple
    cycle: tuple = ()
    algorithm: str | None = None

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
        inside = f", inside {self.algorithm}" if self.algorithm else ""
        return f"{self.num_classes:,} classes: {self.loss!r}{penalty}{inside}\n{self.reason}"


def recommend(
    num_classes: int,
    noise_rate: float | None = None,
    from_logits: bool = True,
    cycle: bool = False,
    algorithm: bool = False,
) -> Recommendation:
    """The loss to start with for a number of classes, with every number set, and the reasons.

    Nothing is to be tuned on data or noise. Up to 100 classes it is `ANLCE`, with its authors' settings for the nearest
    number of classes; above, `GCE`, whose q follows from the number of classes: the q that starts as q = 0.7 does at
    100. The noise rate decides one thing alone: for labels that are known to be clean it is `CE`. Accuracies in the
    reasons are cells of `recipes`.

    Args:
        num_classes: K, at least 2.
        noise_rate: share of wrong labels, at least 0 and below (K - 1) / K, from where on the labels say nothing; None
            if nobody knows, as usual.
        from_logits: whether the model ends in logits, which is preferred.
        cycle: above 100 classes, `MAEStar` in place of `GCE`, with a bias that `callbacks` moves down and up again as
            Staats et al. have it at 1,000 classes, moved as a whole to K. Theirs had the best top-5 accuracy.
        algorithm: whether a training algorithm may be recommended: `ELR`, which trains one network, needs no noise rate
            and remembers (samples, classes) numbers. The loss is the one inside it.

    Raises:
        ValueError: for an argument out of range; for a cycle where the loss has no bias; for an algorithm with a cycle,
            or of a model that ends in probabilities.

    Example:

    >>> advice = keras_robust.recommend(num_classes=10)
    >>> advice.loss.hyperparameters, advice.l1, advice.callbacks()
    ({'alpha': 5.0, 'beta': 5.0, 'p_min': 1e-07}, 5e-05, [])
    >>> round(keras_robust.recommend(num_classes=1000).loss.q, 4)
    0.4816
    >>> keras_robust.recommend(num_classes=10, algorithm=True).algorithm
    'ELR(beta=0.7, lam=3)'
    >>> print(keras_robust.recommend(num_classes=10, noise_rate=0.0).reason)
    - Where no label is wrong, robustness has its price: on clean CIFAR-100 cross entropy ... [Ou & Zhang 2023, Table 2]
    """
    K = _CLASSES.check("recommend", "num_classes", num_classes)
    if noise_rate is not None:
        noise_rate = Interval(0.0, 1.0, open_high=True).check("recommend", "noise_rate", noise_rate)
        if noise_rate >= (K - 1) / K:
            rule = f"below (K - 1) / K = {(K - 1) / K:.4g}, where uniform noise leaves all labels of {K} classes alike"
            refuse("recommend", "noise_rate", rule, noise_rate)
    if cycle and (K <= _MANY or noise_rate == 0):
        refuse("recommend", "cycle", f"False for {K} classes, where the recommended loss has no bias", cycle)
    if algorithm and (cycle or not from_logits):
        rule = "False with a cycle, or for a model that ends in probabilities"
        refuse("recommend", "algorithm", rule, algorithm)
    if noise_rate == 0:
        return Recommendation(K, CE(from_logits=from_logits), 0.0, _clean())
    if algorithm:
        return _early_learning(K)
    if K <= _MANY:
        return _active_negative(K, 10 if K <= _FEW else 100, from_logits)
    return _cycled(K, from_logits) if cycle else _transferred(K, from_logits)


def _early_learning(K):
    """ELR with its authors' settings for the nearest number of classes."""
    names = ("elr", "elr+dal", "dividemix", "co-teaching")
    elr, with_dal, mixed, taught = _printed(_ALGORITHMS, names)
    ce, dal = _printed(_ALGORITHMS, ("ce", "dal"))
    beta, lam, data = (0.7, 3, "CIFAR-10") if K <= _FEW else (0.9, 7, "CIFAR-100")
    claims = (
        Claim(
            f"beta = {beta:g} and lam = {lam:g} are its authors' for {data} with symmetric noise",
            "Liu et al. 2020, released configurations",
        ),
        Claim(
            f"On CIFAR-100 with 40% of the labels drawn anew it reached {_percent(elr)}, {_percent(with_dal)} with DAL "
            f"inside; cross entropy {_percent(ce)} and DAL {_percent(dal)} without an algorithm",
            f"Li et al. 2023, {elr.table} and {ce.table}",
        ),
        Claim(
            f"DivideMix trains two networks, several times as long, and reached {_percent(mixed)}; Co-teaching, which "
            f"has to be told the noise rate, {_percent(taught)}",
            f"Li et al. 2023, {mixed.table}",
        ),
        Claim("It remembers a probability for each sample and class: 4 bytes of each on the device", "algorithms.ELR"),
    )
    return Recommendation(K, CE(from_logits=True), 0.0, claims, algorithm=f"ELR(beta={beta:g}, lam={lam:g})")


def _clean():
    ce, gce, aul = _printed("curriculum/cifar100/clean/", ("ce", "gce", "aul"))
    text = (
        f"Where no label is wrong, robustness has its price: on clean CIFAR-100 cross entropy reached {_percent(ce)}, "
        f"GCE {_percent(gce)}, AUL {_percent(aul)}"
    )
    return (Claim(text, f"Ou & Zhang 2023, {ce.table}"),)


def _active_negative(K, tuned, from_logits):
    """What Ye et al. 2023 trained the data set with that has so many classes."""
    recipe = _recipe(f"{_TUNED[tuned][0]}anl-ce")
    loss = recipe.build_loss()
    loss = ANLCE(alpha=loss.alpha, beta=loss.beta, from_logits=from_logits)
    data = {10: "CIFAR-10", 100: "CIFAR-100"}[tuned]
    settings = f"alpha = {loss.alpha:g}, beta = {loss.beta:g} and l1 = {recipe.l1:g}"
    own, others = zip(*(_printed(place, ("anl-ce", "ce")) for place in _TUNED[tuned]), strict=True)
    accuracies = (
        f"On {data} with 40% and 80% symmetric noise it reached {_percent(*own)}, cross entropy {_percent(*others)}"
    )
    claims = [
        Claim(f"{settings} are its authors' for {tuned} classes, {data}", "Ye et al. 2023, released configurations"),
        Claim(accuracies, f"Ye et al. 2023, {own[0].table}"),
    ]
    if tuned != K:
        claims.append(
            Claim(f"{K} classes are nearer to {tuned} than to the other number it was tuned for", "our choice")
        )
    if tuned == 10:
        claims += _on_ten_classes()
    return Recommendation(K, loss, recipe.l1, (*claims, *_OF_ACTIVE_NEGATIVE))


def _on_ten_classes():
    from keras_robust.measures import over_seeds
    from keras_robust.recipes.obtained import DEMO

    mnist = _recipe("anl/mnist/symmetric:0.4/anl-ce")
    loss = mnist.build_loss()
    settings = f"alpha = {loss.alpha:g}, beta = {loss.beta:g} and l1 = {mnist.l1:g}"
    ours, theirs = (over_seeds(DEMO[label].values()) for label in ("ANLCE(alpha=5, beta=5)", "CE()"))
    digits = (
        f"On the digits with 40% symmetric noise it reached {ours['last']:.1%} and memorized {ours['memorized']:.1%} "
        f"of the wrong labels, cross entropy {theirs['last']:.1%} and {theirs['memorized']:.1%}"
    )
    return (
        Claim(f"On MNIST, 10 classes too, they took {settings}", "Ye et al. 2023, released configurations"),
        Claim(digits, "our own runs, make demo"),
    )


_OF_ACTIVE_NEGATIVE = (
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


def _transferred(K, from_logits):
    """GCE with the q that has the mean error of Staats et al.'s at 100 classes."""
    tuned = _recipe(f"{_HUNDRED}gence").build_loss()
    loss = GCE(q=theory.transfer(tuned, "q", _MANY, K), from_logits=from_logits)
    names = ("gence+", "mae-star-star", "ce", "mae-star", "gence")
    best, cycled, ce, fixed, kept = _printed(_THOUSAND, names)
    q = _recipe(f"{_THOUSAND}gence+").build_loss().q
    worse, better = _printed(_HUNDRED, ("mae-star/epsilon=3.0", "ce"))
    return Recommendation(
        K,
        loss,
        0.0,
        (
            _start(K),
            Claim(
                f"q = {loss.q:.4f} starts at {K:,} classes with the mean error that q = {tuned.q:g} has at {_MANY}, "
                f"{theory.mean_error(tuned, _MANY):.4f}, whatever the data",
                "Staats et al. 2023, section 3.3; theory.transfer",
            ),
            Claim(
                f"On WebVision, 1,000 classes, q = {q:g} found in this way reached {_percent(best)}; MAE with a cycled "
                f"logit bias {_percent(cycled)}, cross entropy {_percent(ce)}, MAE with a fixed bias "
                f"{_percent(fixed)}, GCE with q left at {tuned.q:g} {_percent(kept)}",
                f"Staats et al. 2023, {best.table}",
            ),
            Claim(
                "The fixed bias falls behind cross entropy on CIFAR-100 with 40% of the labels drawn anew too: "
                f"{_percent(worse)} against {_percent(better)}",
                f"Staats et al. 2023, {worse.table}",
            ),
            Claim("It is not symmetric: uniform label noise may move its minimizer", "theory.is_symmetric"),
            _UNTRIED,
        ),
    )


def _cycled(K, from_logits):
    """MAE with a bias in a cycle; that of Staats et al. starts at their bias, and here at K's."""
    (there,) = _recipe(f"{_THOUSAND}mae-star-star").callbacks()
    epsilon = theory.logit_bias(K)
    loss = MAEStar(epsilon=epsilon, from_logits=from_logits)
    names = ("mae-star-star", "gence+")
    own, others = zip(*(_printed(_THOUSAND, names, metric) for metric in ("top-1", "top-5")), strict=True)
    claims = (
        _start(K),
        Claim(
            f"epsilon = {epsilon:.4f} makes the mean output of the label 0.15 at the start, for any data; the mean "
            f"error is {theory.mean_error(loss, K):.3f}",
            "Staats et al. 2023, Eq. 4; theory.logit_bias",
        ),
        Claim(
            f"On WebVision, 1,000 classes, the cycle reached {_percent(*own)} (top-1 and top-5), GCE with its q "
            f"transferred {_percent(*others)}",
            f"Staats et al. 2023, {own[0].table}",
        ),
        Claim(
            "The cycle is the paper's for 1,000 classes, moved so that it starts at this bias",
            "Staats et al. 2023; moved by us",
        ),
        _UNTRIED,
    )
    values = there.schedules["epsilon"].values
    return Recommendation(K, loss, 0.0, claims, tuple(epsilon + value - values[0] for value in values))


_UNTRIED = Claim("No run of ours has had so many classes", "our own runs")


def _start(K):
    loss = _recipe(f"{_TUNED[_MANY][0]}anl-ce").build_loss()
    errors = (f"{theory.mean_error(loss, classes):.3g} at {classes:,}" for classes in (_MANY, K))
    return Claim(
        f"With many classes a robust loss hardly starts to learn: the mean error of ANLCE(alpha={loss.alpha:g}, "
        f"beta={loss.beta:g}) is {' classes, '.join(errors)}",
        "Staats et al. 2023, Eq. 3; theory.mean_error",
    )


def _recipe(name):
    from keras_robust import recipes  # reads all of them

    return recipes.get(name)


def _printed(place, names, metric=""):
    """Cells of recipes on test images whose metric says so, of the first table that has one of each."""
    found = []
    for name in names:
        cells = [cell for cell in _recipe(f"{place}{name}").printed if cell.of_test and metric in cell.metric]
        found.append({cell.table: cell for cell in reversed(cells) if cell.value is not None})
    table = next(table for table in reversed(found[0]) if all(table in cells for cells in found))
    return [cells[table] for cells in found]


def _percent(*cells):
    return " and ".join(f"{cell.value:.2f}%" for cell in cells)


__all__ = ["Claim", "Recommendation", "recommend"]
