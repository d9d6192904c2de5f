"""Self-adaptive training: labels that drift to what the network says of their samples."""

from keras import ops

from keras_robust.algorithms.remembering import Remembering
from keras_robust.backend import equals, read_rows, select, write_rows
from keras_robust.checks import Interval, at_least
from keras_robust.labels import class_ids
from keras_robust.registration import registered


@registered
class SelfAdaptive(Remembering):
    """Self-adaptive training (SAT), and self-ensemble label correction (SELC) with `weighted=False`.

    sum_i w_i L(t_i, p_i) / sum_i w_i over a batch, w_i = max t_i (`weighted=False`: 1), where L(t, p) is the compiled
    loss of a soft label, sum_k t_k L(k). The target t_i of a sample starts as its given label. From epoch `start` on it
    is t_i <- alpha t_i + (1 - alpha) p_i at each visit, before it is used and without a gradient. The logs hold
    `alpha`, 1 before `start`.

    Reference: Huang et al. 2020, "Self-Adaptive Training: beyond Empirical Risk Minimization", Algorithm 1, with
    alpha = 0.9 and start = 60; Lu and He 2022, "SELC: Self-Ensemble Label Correction Improves Learning with Noisy
    Labels", with alpha = 0.9 and start from 20 to 40.

    Args:
        model: a network that ends in logits.
        num_samples: number of training samples, numbered from 0.
        num_classes: K.
        alpha: how much is kept of a target, in [0, 1].
        start: the first epoch, counted from 0, in which targets move.
        weighted: whether a sample counts by its largest target.

    Example:

    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.algorithms.SelfAdaptive(network, num_samples=4, num_classes=2, start=1)
    >>> model.compile("sgd", keras_robust.CE(from_logits=True))
    >>> data = keras_robust.data.with_provenance((np.ones((4, 3), "float32"), np.array([0, 1, 0, 1])))
    >>> model.fit(data, epochs=2, shuffle=False, verbose=0).history["alpha"]
    [1.0, 0.9]
    """

    moving = ("alpha",)

    def __init__(self, model, num_samples, num_classes, alpha=0.9, start=60, weighted=True, name=None):
        super().__init__(model, num_samples, num_classes, name)
        self.alpha = Interval(0.0, 1.0).check("SelfAdaptive", "alpha", alpha)
        self.start = at_least(0, integer=True).check("SelfAdaptive", "start", start)
        self.weighted = bool(weighted)

    def stage(self, epoch, epochs):
        return {"alpha": self.alpha if epoch >= self.start else 1.0}

    def objective(self, x, provenance, outputs, sample_weight):
        label, alpha = provenance.label, self.number("alpha")
        targets = self.moved(provenance, outputs, sample_weight, alpha)
        losses = self.loss.call(targets, outputs)
        if not self.weighted:
            return self.mean(losses, label, outputs, sample_weight)
        weight = ops.max(targets, axis=-1)
        total = self.mean(weight, label, outputs)
        return self.mean(weight * losses, label, outputs, sample_weight) / select(equals(total, 0), 1.0, total)

    def moved(self, provenance, outputs, sample_weight, alpha):
        """The targets of a batch, (batch, classes), after they have moved and been written down."""
        rows = self.rows(provenance, self.num_samples)
        before = read_rows(self.targets, rows)
        new = ops.logical_not(ops.any(before > 0, axis=-1, keepdims=True))
        p = ops.stop_gradient(ops.softmax(ops.cast(outputs, "float32")))
        targets = alpha * select(new, distribution(provenance.label, outputs), before) + (1.0 - alpha) * p
        counts = self.counts(provenance.label, outputs, sample_weight)[:, None]
        write_rows(self.targets, rows, select(counts, targets, before))
        return select(counts, targets, 1.0 / self.num_classes)


def distribution(label, logits):
    """Labels as the loss takes them, (batch,), (batch, 1) or (batch, classes), as float32 of the last shape."""
    label, classes = ops.convert_to_tensor(label), logits.shape[-1]
    if len(label.shape) == len(logits.shape) and label.shape[-1] == classes:
        return ops.cast(label, "float32")
    return ops.cast(ops.equal(class_ids(label, logits)[:, None], ops.arange(classes, dtype="int32")), "float32")
