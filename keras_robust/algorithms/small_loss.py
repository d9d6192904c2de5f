"""Small-loss selection: a network learns on the samples of a batch whose loss is smallest."""

from keras_robust.algorithms.base import Algorithm, ramped
from keras_robust.checks import Interval, at_least
from keras_robust.registration import registered


@registered
class SmallLoss(Algorithm):
    """One network that learns on its own small losses.

    The mean of the loss over the max(1, floor((1 - R) n)) of the n samples of a batch whose loss is smallest. The
    forget rate R rises from 0 to `forget_rate` over the first `gradual` epochs; it stands in the logs.

    Reference: Han et al. 2018, "Co-teaching", with one network: its self-paced baseline.

    Args:
        model: a network that ends in logits.
        forget_rate: share of the samples that is left out in the end, in [0, 1): about the share of wrong labels, such
            as `diagnostics.believed_labels` tells of an earlier run.
        gradual: epochs until then.

    Example:

    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.algorithms.SmallLoss(network, forget_rate=0.4)
    >>> model.compile("sgd", keras_robust.CE(from_logits=True))
    >>> history = model.fit(np.ones((4, 3), "float32"), np.array([0, 1, 0, 1]), verbose=0)
    """

    ranks = True
    moving = ("forget_rate",)

    def __init__(self, model, forget_rate, gradual=10, name=None):
        super().__init__(model, name=name)
        self.forget_rate = Interval(0.0, 1.0, open_high=True).check("SmallLoss", "forget_rate", forget_rate)
        self.gradual = at_least(0, integer=True).check("SmallLoss", "gradual", gradual)

    def stage(self, epoch, epochs):
        return {"forget_rate": ramped(self.forget_rate, self.gradual, 1.0, epoch)}

    def objective(self, x, provenance, outputs, sample_weight):
        label = provenance.label
        counts = self.counts(label, outputs, sample_weight)
        chosen = self.selected(self.loss.call(label, outputs), counts, self.number("forget_rate"))
        return self.loss(label, outputs, self.mean_of(chosen, label, outputs, sample_weight))
