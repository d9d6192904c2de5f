"""Negative learning: what a sample is not, then only where the network believes its label, then what it is."""

import keras
import numpy as np
from keras import ops

from keras_robust.algorithms.remembering import Remembering
from keras_robust.backend import constant, read_rows, select, write_rows
from keras_robust.checks import at_least, refuse
from keras_robust.data.draws import begin_draws, drawn, epoch_key, uniform
from keras_robust.labels import class_ids
from keras_robust.registration import registered

CLIP = 1e-5  # of 1 - p, as in the released code
SMALLEST = 1e-30  # of what is remembered: 0 says that nothing is


@registered
class NLNL(Remembering):
    """Negative learning for noisy labels, in three stages.

    Negative (NL): the sum over `draws` of -log(1 - p_k), 1 - p clipped at 1e-5, for classes k that are drawn at every
    visit, uniformly from all but the given label y. Selective negative (SelNL): the same for samples with p_y > 1/K
    alone. Selective positive (SelPL): the compiled loss, for samples with p_y > 0.5 alone. There p_y is the mean of
    what the network said of the given label at the ten visits before this one, or as many as there were. The objective
    is the mean over the samples that are taken, each weighted by the size of the largest class over that of its own.
    The logs hold `stage`: 1, 2 or 3.

    Reference: Kim et al. 2019, "NLNL: Negative Learning for Noisy Labels", and its code for clip, class sizes and what
    the mean is over; in SelPL the code divides by the sum of the class weights instead. Their settings: stages of 720
    epochs each, 1 draw on CIFAR-10 and 110 on CIFAR-100. The second part of the paper, another network that is trained
    on the labels of the first, is not included; `predict` gives those labels.

    Args:
        model: a network that ends in logits.
        num_samples: number of training samples, numbered from 0.
        num_classes: K.
        draws: complementary labels of a visit.
        stages: epochs of NL, SelNL and SelPL; after them the last one that has any goes on. (1, 0, 0) is NL alone.
        class_counts: samples of each class by the given labels, K whole numbers; None: classes of one size.
        seed: of the draws, which follow from it, from the epoch and from the number of batches before in the epoch.

    Attributes:
        predicted: the probabilities of the given label at the last ten visits, newest first, (num_samples + 1, 10).

    Example:

    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.algorithms.NLNL(network, num_samples=4, num_classes=2, stages=(1, 1, 1))
    >>> model.compile("sgd", keras_robust.CE(from_logits=True))
    >>> data = keras_robust.data.with_provenance((np.ones((4, 3), "float32"), np.array([0, 1, 0, 1])))
    >>> model.fit(data, epochs=4, shuffle=False, verbose=0).history["stage"]
    [1, 2, 3, 3]
    """

    memory, columns = "predicted", 10
    moving = ("stage",)

    def __init__(
        self, model, num_samples, num_classes, draws=1, stages=(720, 720, 720), class_counts=None, seed=0, name=None
    ):
        super().__init__(model, num_samples, num_classes, name)
        whole = at_least(0, integer=True)
        self.draws = at_least(1, integer=True).check("NLNL", "draws", draws)
        if not isinstance(stages, tuple | list) or len(stages) != 3 or not any(stages):
            refuse("NLNL", "stages", "the epochs of NL, SelNL and SelPL, not all 0", stages)
        self.stages = tuple(whole.check("NLNL", "stages", epochs) for epochs in stages)
        if class_counts is not None:
            class_counts = tuple(whole.check("NLNL", "class_counts", count) for count in class_counts)
            if len(class_counts) != self.num_classes or not any(class_counts):
                refuse("NLNL", "class_counts", f"{self.num_classes} numbers of samples, not all 0", class_counts)
        self.class_counts = class_counts
        self.seed = whole.check("NLNL", "seed", seed)
        #: Key and count of this epoch's draws. It is no weight: files do not hold it.
        self.generator = keras.random.SeedGenerator(epoch_key(self.seed, 0))

    def stage(self, epoch, epochs):
        first, second, _ = self.stages
        last = max(number for number, length in enumerate(self.stages, 1) if length)
        return {"stage": min(1 + (epoch >= first) + (epoch >= first + second), last)}

    def begin_epoch(self, epoch):
        begin_draws(self.generator, self.seed, epoch)

    def objective(self, x, provenance, outputs, sample_weight):
        label, stage = provenance.label, self.number("stage")
        ids = class_ids(label, outputs)
        ids = select(ops.logical_and(ids >= 0, ids < self.num_classes), ids, 0)
        p = ops.softmax(ops.cast(outputs, "float32"))
        counts = self.counts(label, outputs, sample_weight)
        believed = self.believed(provenance, ops.take_along_axis(p, ids[:, None], axis=-1), counts)
        taken = ops.logical_or(stage < 1.5, believed > select(stage < 2.5, 1.0 / self.num_classes, 0.5))
        weight = self.mean_of(ops.logical_and(counts, taken), label, outputs, sample_weight)
        if self.class_counts is not None:
            largest = max(self.class_counts)
            sizes = constant(tuple(largest / max(count, 1) for count in self.class_counts))
            weight = weight * ops.take(sizes, ids)
        others = ops.take_along_axis(p, self.complementary(ids), axis=-1)
        negative = -ops.sum(ops.log(ops.clip(1.0 - others, CLIP, 1.0)), axis=-1)
        return select(stage > 2.5, self.loss(label, outputs, weight), self.mean(negative, label, outputs, weight))

    def kept(self, given):
        """Samples that the present stage learns from at their next visit, and those that it has seen."""
        said = ops.convert_to_numpy(self.predicted)[:-1]
        visits = np.count_nonzero(said, axis=-1)
        stage = int(ops.convert_to_numpy(self.number("stage")))
        bar = {1: -1.0, 2: 1.0 / self.num_classes, 3: 0.5}[stage]
        return (said.sum(axis=-1) / np.maximum(visits, 1) > bar)[:, None], visits > 0

    def believed(self, provenance, p_y, counts):
        """p_y of samples, (batch,): the mean over the last ten visits before this one, which is then written down."""
        rows = self.rows(provenance, self.num_samples)
        before = read_rows(self.predicted, rows)
        after = ops.concatenate([ops.maximum(ops.stop_gradient(p_y), SMALLEST), before[:, :-1]], axis=-1)
        write_rows(self.predicted, rows, select(counts[:, None], after, before))
        visits = ops.sum(ops.cast(before > 0, "float32"), axis=-1)
        return ops.sum(before, axis=-1) / ops.maximum(visits, ops.ones_like(visits))

    def complementary(self, ids):
        """For class ids (batch,) others, (batch, draws), each uniform over the K - 1 classes that are not the given."""
        further = uniform(drawn(self.generator), (ops.shape(ids)[0], self.draws)) * (self.num_classes - 1)
        return (ids[:, None] + 1 + ops.cast(further, "int32")) % self.num_classes
