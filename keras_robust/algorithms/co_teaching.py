"""Co-teaching: two networks, each learns on the samples whose loss is small for the other one."""

from keras_robust.algorithms.selecting import Selecting
from keras_robust.registration import registered


@registered
class CoTeaching(Selecting):
    """Two networks, each of which learns on the other's small losses.

    Each ranks the samples of a batch by its own loss and keeps max(1, floor((1 - R) n)) of n; the other one's loss is
    the mean over these. The loss that is logged is the sum of both. The forget rate R of epoch e, counted from 0, is
    forget_rate^exponent · e / (gradual - 1) while e < gradual, then forget_rate; it stands in the logs.

    Reference: Han et al. 2018, "Co-teaching: Robust Training of Deep Neural Networks with Extremely Noisy Labels". The
    released code divides the loss by the number of kept samples twice; here it is a mean.

    Args:
        model: a network that ends in logits.
        forget_rate: share of the samples that is left out in the end, in [0, 1): about the share of wrong labels.
        gradual: epochs until then.
        exponent: of the forget rate while it rises, greater than 0.
        second: the other network; None: a copy with new weights.
        serve: "first" or "ensemble".
        num_samples: number of training samples, numbered from 0, where `diagnostics.selection` is to tell which were
            kept; the targets then need "index". None: nobody asks.

    Example:

    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.algorithms.CoTeaching(network, forget_rate=0.4)
    >>> model.compile("sgd", keras_robust.CE(from_logits=True))
    >>> history = model.fit(np.ones((4, 3), "float32"), np.array([0, 1, 0, 1]), verbose=0)
    """

    networks = selections = 2

    def __init__(
        self,
        model,
        forget_rate,
        gradual=10,
        exponent=1.0,
        second=None,
        serve="first",
        num_samples=None,
        name=None,
    ):
        super().__init__(model, forget_rate, gradual, exponent, num_samples, second, serve, name)

    def objective(self, x, provenance, outputs, sample_weight):
        label, first, second = provenance.label, outputs["first"], outputs["second"]
        counts = self.counts(label, first, sample_weight)
        among, rate = self.candidates(first, second, counts)
        chosen = [self.selected(self.losses_of(label, z, counts), among, rate) for z in (second, first)]
        self.note(provenance, counts, *chosen)
        weights = (self.mean_of(one, label, first, sample_weight) for one in chosen)
        return sum(self.loss(label, z, weight) for z, weight in zip((first, second), weights, strict=True))

    def candidates(self, first, second, counts):
        """The samples among which the small losses are looked for, (batch,), and the share of them that is left out."""
        return counts, self.number("forget_rate")
