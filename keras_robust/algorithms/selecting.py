"""What algorithms share that learn on the samples of a batch whose loss is small."""

from keras import ops

from keras_robust.algorithms.base import Algorithm
from keras_robust.backend import read_rows, select, write_rows
from keras_robust.checks import Interval, at_least
from keras_robust.labels import class_ids

# What is remembered of a sample that was seen; 0: it was not.
_LEFT_OUT, _CHOSEN = 1.0, 2.0


class Selecting(Algorithm):
    """An algorithm that keeps max(1, floor((1 - R) n)) of the n samples of a batch; the forget rate R rises.

    Args:
        forget_rate: share of the samples that is left out in the end, in [0, 1).
        gradual: epochs until then.
        exponent: of the forget rate while it rises, greater than 0.
        num_samples: number of training samples, numbered from 0, where `diagnostics.selection` is to tell which were
            kept; the targets then need "index". None: nobody asks.

    Attributes:
        choices: of every sample at its last visit, (num_samples + 1, selections): 2 if it was kept, 1 if not, 0 if it
            was not seen; the last row takes numbers out of range. None without `num_samples`.
    """

    ranks = True
    moving = ("forget_rate",)
    #: How many selections there are: one, or one for each network.
    selections = 1

    def __init__(self, model, forget_rate, gradual, exponent, num_samples, second=None, serve="first", name=None):
        super().__init__(model, second, serve, name)
        owner = type(self).__name__
        self.forget_rate = Interval(0.0, 1.0, open_high=True).check(owner, "forget_rate", forget_rate)
        self.gradual = at_least(0, integer=True).check(owner, "gradual", gradual)
        self.exponent = Interval(0.0, open_low=True).check(owner, "exponent", exponent)
        self.num_samples = at_least(1, integer=True, optional=True).check(owner, "num_samples", num_samples)
        self.choices = self.num_samples and self.remember("choices", self.num_samples, self.selections)

    def stage(self, epoch, epochs):
        return {"forget_rate": ramped(self.forget_rate, self.gradual, self.exponent, epoch)}

    def losses_of(self, label, logits, counts):
        """The loss of each sample, (batch,); of one that does not count, whatever its label, that of some class."""
        label = ops.convert_to_tensor(label)
        if len(label.shape) == len(logits.shape) and label.shape[-1] == logits.shape[-1]:
            return self.loss.call(select(counts[:, None], label, 1.0 / logits.shape[-1]), logits)
        return self.loss.call(select(counts, class_ids(label, logits), 0), logits)

    def selected(self, values, counts, forget_rate):
        """Which samples have the smallest values, (batch,): 1 - forget_rate of those that count, at least one.

        Args:
            values: of the samples, (batch,); they get no gradient.
            counts: which count.
            forget_rate: R; max(1, floor((1 - R) n + 1e-3)) of n are kept.
        """
        values = ops.stop_gradient(values)
        values = select(counts, values, ops.full_like(values, float("inf")))
        rank = ops.argsort(ops.argsort(values))
        n = ops.sum(ops.cast(counts, "float32"))
        kept = ops.maximum(ops.floor((1.0 - forget_rate) * n + 1e-3), ops.ones_like(n))
        return ops.logical_and(counts, ops.cast(rank, "float32") < kept)

    def note(self, provenance, counts, *chosen):
        """Writes down which samples of a batch were chosen, (batch,), once for each selection."""
        if self.choices is None:
            return
        rows = self.rows(provenance, self.num_samples)
        now = ops.stack([select(one, _CHOSEN, ops.ones_like(rows, "float32") * _LEFT_OUT) for one in chosen], axis=-1)
        write_rows(self.choices, rows, select(counts[:, None], now, read_rows(self.choices, rows)))

    def kept(self, given):
        """Samples that were chosen at their last visit, and those that were seen at all.

        Args:
            given: class ids of the labels, (num_samples,); nothing depends on them here.

        Returns:
            Boolean arrays (num_samples, selections) and (num_samples,).

        Raises:
            ValueError: without `num_samples`.
        """
        if self.choices is None:
            raise ValueError(
                f"{type(self).__name__} remembers which samples it kept where it is told how many there are: give it "
                "`num_samples`. Received: num_samples=None."
            )
        choices = ops.convert_to_numpy(self.choices)[:-1]
        return choices == _CHOSEN, choices.any(axis=-1)

    def end_epoch(self, epoch, logs):
        if self.choices is not None:
            self.refuse_noted_strays(self.choices)


def ramped(forget_rate: float, gradual: int, exponent: float, epoch: int) -> float:
    """The forget rate of an epoch: forget_rate^exponent · epoch / (gradual - 1) before `gradual`, then forget_rate.

    Reference: Han et al. 2018 (Co-teaching), as their code has it.

    Example:

    >>> [round(ramped(0.4, 5, 1.0, epoch), 2) for epoch in range(6)]
    [0.0, 0.1, 0.2, 0.3, 0.4, 0.4]
    """
    if gradual <= 1 or epoch >= gradual:
        return forget_rate
    return forget_rate**exponent * epoch / (gradual - 1)
