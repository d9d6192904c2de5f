"""Small-loss selection: a network learns on the samples of a batch whose loss is smallest."""

from keras_robust.algorithms.selecting import Selecting
from keras_robust.registration import registered


@registered
class SmallLoss(Selecting):
    """One network that learns on its own small losses.

    The mean of the loss over the max(1, floor((1 - R) n)) of the n samples of a batch whose loss is smallest. The
    forget rate R rises from 0 to `forget_rate` over the first `gradual` epochs; it stands in the logs.

    Reference: Han et al. 2018, "Co-teaching", with one network: its self-paced baseline.

    Args:
        model: a network that ends in logits.
        forget_rate: share of the samples that is left out in the end, in [0, 1): about the share of wrong labels, such
            as `diagnostics.believed_labels` tells of an earlier run.
        gradual: epochs until then.
        num_samples: number of training samples, numbered from 0, where `diagnostics.selection` is to tell which were
            kept; the targets then need "index". None: nobody asks.

    Example:

    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.algorithms.SmallLoss(network, forget_rate=0.4)
    >>> model.compile("sgd", keras_robust.CE(from_logits=True))
    >>> history = model.fit(np.ones((4, 3), "float32"), np.array([0, 1, 0, 1]), verbose=0)
    """

    def __init__(self, model, forget_rate, gradual=10, num_samples=None, name=None):
        super().__init__(model, forget_rate, gradual, 1.0, num_samples, name=name)

    def objective(self, x, provenance, outputs, sample_weight):
        label = provenance.label
        counts = self.counts(label, outputs, sample_weight)
        chosen = self.selected(self.losses_of(label, outputs, counts), counts, self.number("forget_rate"))
        self.note(provenance, counts, chosen)
        return self.loss(label, outputs, self.mean_of(chosen, label, outputs, sample_weight))
