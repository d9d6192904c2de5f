"""Co-teaching+: the small losses are looked for where two networks disagree."""

from keras import ops

from keras_robust.algorithms.co_teaching import CoTeaching
from keras_robust.backend import select
from keras_robust.checks import at_least
from keras_robust.registration import registered


@registered
class CoTeachingPlus(CoTeaching):
    """Co-teaching among the samples whose two predictions differ, from epoch `start` on; before it is `CoTeaching`.

    Networks that learn on each other's choice come to agree, and then choose alike; where they still disagree they stay
    two. Of the n samples of a batch that they disagree on, max(1, floor((1 - R) n)) are kept. In a batch without any,
    both take the mean of their loss over the whole batch. The logs hold `disagreement`, 0 before `start` and 1 after.

    Reference: Yu et al. 2019, "How does Disagreement Help Generalization against Label Corruption?", Algorithm 1. The
    released code gives probabilities to a cross entropy that takes their softmax again, leaves out the sample of number
    0, and without disagreement takes the cross entropy of the batch up to step 5,000 and nothing after it; here none of
    this is so. Its `start` is 20 on CIFAR-10, 5 on CIFAR-100, 100 on Tiny-ImageNet and 0 on MNIST.

    Args:
        model: a network that ends in logits.
        forget_rate: share of the samples that is left out in the end, in [0, 1): about the share of wrong labels.
        gradual: epochs until then.
        exponent: of the forget rate while it rises, greater than 0.
        start: the first epoch, counted from 0, that looks at disagreement.
        second: the other network; None: a copy with new weights.
        serve: "first" or "ensemble".
        num_samples: number of training samples, numbered from 0, where `diagnostics.selection` is to tell which were
            kept; the targets then need "index". None: nobody asks.

    Example:

    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.algorithms.CoTeachingPlus(network, forget_rate=0.4, start=1)
    >>> model.compile("sgd", keras_robust.CE(from_logits=True))
    >>> history = model.fit(np.ones((4, 3), "float32"), np.array([0, 1, 0, 1]), epochs=2, verbose=0)
    >>> history.history["disagreement"]
    [0.0, 1.0]
    """

    moving = ("forget_rate", "disagreement")

    def __init__(
        self,
        model,
        forget_rate,
        gradual=10,
        exponent=1.0,
        start=20,
        second=None,
        serve="first",
        num_samples=None,
        name=None,
    ):
        super().__init__(model, forget_rate, gradual, exponent, second, serve, num_samples, name)
        self.start = at_least(0, integer=True).check("CoTeachingPlus", "start", start)

    def stage(self, epoch, epochs):
        return {**super().stage(epoch, epochs), "disagreement": float(epoch >= self.start)}

    def candidates(self, first, second, counts):
        counts, rate = super().candidates(first, second, counts)
        differ = ops.logical_and(counts, ops.not_equal(ops.argmax(first, axis=-1), ops.argmax(second, axis=-1)))
        looked_at, any_differ = self.number("disagreement") > 0.5, ops.any(differ)
        counts = select(ops.logical_and(looked_at, any_differ), differ, counts)
        return counts, select(ops.logical_and(looked_at, ops.logical_not(any_differ)), 0.0, rate)
