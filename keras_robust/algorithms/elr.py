"""Early-learning regularization: what a network said early on about a sample holds it back from its wrong label."""

from keras import ops

from keras_robust.algorithms.remembering import Remembering
from keras_robust.backend import read_rows, select, write_rows
from keras_robust.checks import Interval, at_least
from keras_robust.registration import registered


@registered
class ELR(Remembering):
    """Early-learning regularization.

    L + lam mean_i log(1 - <t_i, p_i>), where p_i are the probabilities of sample i, clipped to [clip, 1 - clip], and
    t_i <- beta t_i + (1 - beta) p_i / sum p_i what was remembered of it, from 0 on, updated before it is used and
    without a gradient. The clip is no detail: without it the logits grow for ever.

    Reference: Liu et al. 2020, "Early-Learning Regularization Prevents Memorization of Noisy Labels", Eqs. 4 and 9. The
    clip is in the released code alone. There beta = 0.7, lam = 3 on CIFAR-10 with symmetric noise (beta = 0.9, lam = 1
    with asymmetric), and beta = 0.9, lam = 7 on CIFAR-100.

    Args:
        model: a network that ends in logits.
        num_samples: number of training samples, numbered from 0.
        num_classes: K.
        beta: how much is kept of what was remembered, in [0, 1).
        lam: factor of the penalty, at least 0.
        clip: in (0, 0.5).

    Example:

    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.algorithms.ELR(network, num_samples=4, num_classes=2)
    >>> model.compile("sgd", keras_robust.CE(from_logits=True))
    >>> data = keras_robust.data.with_provenance((np.ones((4, 3), "float32"), np.array([0, 1, 0, 1])))
    >>> history = model.fit(data, shuffle=False, verbose=0)
    """

    def __init__(self, model, num_samples, num_classes, beta=0.7, lam=3.0, clip=1e-4, name=None):
        super().__init__(model, num_samples, num_classes, name)
        self.beta = Interval(0.0, 1.0, open_high=True).check("ELR", "beta", beta)
        self.lam = at_least(0.0).check("ELR", "lam", lam)
        self.clip = Interval(0.0, 0.5, open_low=True, open_high=True).check("ELR", "clip", clip)

    def objective(self, x, provenance, outputs, sample_weight):
        label = provenance.label
        p = ops.clip(ops.softmax(ops.cast(outputs, "float32")), self.clip, 1.0 - self.clip)
        believed = ops.stop_gradient(p / ops.sum(p, axis=-1, keepdims=True))
        rows = self.rows(provenance, self.num_samples)
        before = read_rows(self.targets, rows)
        counts = self.counts(label, outputs, sample_weight)[:, None]
        targets = select(counts, self.beta * before + (1.0 - self.beta) * believed, before)
        write_rows(self.targets, rows, targets)
        penalty = ops.log(1.0 - ops.sum(targets * p, axis=-1))
        return self.loss(label, outputs, sample_weight) + self.lam * self.mean(penalty, label, outputs, sample_weight)
