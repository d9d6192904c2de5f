"""Co-teaching: two networks, each learns on the samples whose loss is small for the other one."""

from keras_robust.algorithms.base import Algorithm, ramped
from keras_robust.checks import Interval, at_least
from keras_robust.registration import registered


@registered
class CoTeaching(Algorithm):
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

    Example:

    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.algorithms.CoTeaching(network, forget_rate=0.4)
    >>> model.compile("sgd", keras_robust.CE(from_logits=True))
    >>> history = model.fit(np.ones((4, 3), "float32"), np.array([0, 1, 0, 1]), verbose=0)
    """

    ranks = True
    networks = 2
    moving = ("forget_rate",)

    def __init__(self, model, forget_rate, gradual=10, exponent=1.0, second=None, serve="first", name=None):
        super().__init__(model, second, serve, name)
        owner = type(self).__name__
        self.forget_rate = Interval(0.0, 1.0, open_high=True).check(owner, "forget_rate", forget_rate)
        self.gradual = at_least(0, integer=True).check(owner, "gradual", gradual)
        self.exponent = Interval(0.0, open_low=True).check(owner, "exponent", exponent)

    def stage(self, epoch, epochs):
        return {"forget_rate": ramped(self.forget_rate, self.gradual, self.exponent, epoch)}

    def objective(self, x, provenance, outputs, sample_weight):
        label, first, second = provenance.label, outputs["first"], outputs["second"]
        counts, rate = self.candidates(first, second, self.counts(label, first, sample_weight))
        chosen = (self.selected(self.loss.call(label, z), counts, rate) for z in (second, first))
        weights = (self.mean_of(one, label, first, sample_weight) for one in chosen)
        return sum(self.loss(label, z, weight) for z, weight in zip((first, second), weights, strict=True))

    def candidates(self, first, second, counts):
        """The samples among which the small losses are looked for, (batch,), and the share of them that is left out."""
        return counts, self.number("forget_rate")
