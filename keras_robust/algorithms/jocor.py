"""JoCoR: two networks that are to agree, trained as one on the samples whose joint loss is small."""

from keras import ops

from keras_robust.algorithms.selecting import Selecting
from keras_robust.checks import Interval
from keras_robust.registration import registered


@registered
class JoCoR(Selecting):
    """Joint training with co-regularization.

    The mean of l = (1 - lam) (L(p1) + L(p2)) + lam (KL(p1 | p2) + KL(p2 | p1)) over the max(1, floor((1 - R) n)) of the
    n samples of a batch whose l is smallest, with a gradient through all of it. The forget rate R rises from 0 to
    `forget_rate` over the first `gradual` epochs; it stands in the logs.

    Reference: Wei et al. 2020, "Combating Noisy Labels by Agreement: A Joint Training Method with Co-Regularization",
    Eqs. 1 to 5. Its authors searched lam from 0.05 to 0.95 and name 0.9 for CIFAR-10 (0.65 at 80% of wrong labels) and
    0.85 for CIFAR-100; the default of their code, 0.1, is no setting. With asymmetric noise their forget rate is half
    of the rate of the classes that have it.

    Args:
        model: a network that ends in logits.
        forget_rate: share of the samples that is left out in the end, in [0, 1): about the share of wrong labels.
        lam: how much agreement counts against the labels, in [0, 1].
        gradual: epochs until the forget rate is reached.
        second: the other network; None: a copy with new weights.
        serve: "first" or "ensemble".
        num_samples: number of training samples, numbered from 0, where `diagnostics.selection` is to tell which were
            kept; the targets then need "index". None: nobody asks.

    Example:

    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.algorithms.JoCoR(network, forget_rate=0.4)
    >>> model.compile("sgd", keras_robust.CE(from_logits=True))
    >>> history = model.fit(np.ones((4, 3), "float32"), np.array([0, 1, 0, 1]), verbose=0)
    """

    networks = 2

    def __init__(
        self, model, forget_rate, lam=0.9, gradual=10, second=None, serve="first", num_samples=None, name=None
    ):
        super().__init__(model, forget_rate, gradual, 1.0, num_samples, second, serve, name)
        self.lam = Interval(0.0, 1.0).check("JoCoR", "lam", lam)

    def objective(self, x, provenance, outputs, sample_weight):
        label, first, second = provenance.label, outputs["first"], outputs["second"]
        counts = self.counts(label, first, sample_weight)
        apart = two_way_divergence(first, second)
        joint = self.losses_of(label, first, counts) + self.losses_of(label, second, counts)
        joint = (1.0 - self.lam) * joint + self.lam * apart
        chosen = self.selected(joint, counts, self.number("forget_rate"))
        self.note(provenance, counts, chosen)
        weight = self.mean_of(chosen, label, first, sample_weight)
        learned = self.loss(label, first, weight) + self.loss(label, second, weight)
        return (1.0 - self.lam) * learned + self.lam * self.mean(apart, label, first, weight)


def two_way_divergence(first, second):
    """KL(p1 | p2) + KL(p2 | p1) of logits (batch, classes): sum (p1 - p2) (log p1 - log p2)."""
    log_p, log_q = (ops.log_softmax(ops.cast(z, "float32")) for z in (first, second))
    return ops.sum((ops.exp(log_p) - ops.exp(log_q)) * (log_p - log_q), axis=-1)
