"""Mixup: a network learns on mixtures of two samples, and on both of their labels."""

import keras
from keras import ops

from keras_robust.algorithms.base import Algorithm
from keras_robust.algorithms.mixing import Mix, Mixer, floats
from keras_robust.registration import registered


@registered
class Mixup(Algorithm):
    """Mixtures of two samples, with the loss of both labels.

    lam L(z, y_a) + (1 - lam) L(z, y_b), where z are the logits of lam x_a + (1 - lam) x_b. One lam a batch is drawn
    from Beta(alpha, alpha), and the partners b are a random permutation of the batch, as in the released code. Both
    follow from seed, epoch and step alone, on every backend: a resumed run goes on as it would have. Each label's term
    has the weight of its sample.

    Metrics of training see the predictions for mixtures beside the labels of a; those of validation see samples as they
    are. No sample is seen alone: `SampleWeightLogger` needs a `probe`.

    Reference: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization", Eq. 2. There alpha is 1 on CIFAR, 8 or 32
    with random labels, 0.2 to 0.4 on ImageNet.

    Args:
        model: a network that ends in logits. Its inputs are floats; it may begin with `data.Preprocessing`, whose
            images are mixed after it.
        alpha: of the Beta distribution, greater than 0; near 0 hardly anything is mixed.
        seed: of the draws, a whole number.

    Raises:
        ValueError: from `fit`, for whole numbers as inputs.

    Example:

    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.algorithms.Mixup(network, alpha=1.0)
    >>> model.compile("sgd", keras_robust.CE(from_logits=True))
    >>> history = model.fit(np.ones((4, 3), "float32"), np.array([0, 1, 0, 1]), verbose=0)
    """

    records = False

    def __init__(self, model, alpha=1.0, seed=0, name=None):
        super().__init__(model, name=name)
        self._mixer = Mixer("Mixup", alpha, seed)
        self.alpha, self.seed = self._mixer.alpha, self._mixer.seed

    def begin_epoch(self, epoch):
        self._mixer.begin(epoch)

    def outputs(self, x):
        """Logits of the mixed inputs, and how they were mixed."""
        images = floats("Mixup", self.prepared(x))
        mix = self._mixer.draw(ops.shape(keras.tree.flatten(images)[0])[0])
        logits = self._network(keras.tree.map_structure(mix.of, images), training=True)
        return {"logits": logits, **mix._asdict()}

    def prediction(self, outputs):
        return outputs["logits"] if isinstance(outputs, dict) else outputs

    def objective(self, x, provenance, outputs, sample_weight):
        label, logits, mix = (
            ops.convert_to_tensor(provenance.label),
            outputs["logits"],
            Mix(outputs["lam"], outputs["partner"]),
        )
        weight = None if sample_weight is None else mix.other(ops.convert_to_tensor(sample_weight))
        own, other = self.loss(label, logits, sample_weight), self.loss(mix.other(label), logits, weight)
        return mix.lam * own + (1.0 - mix.lam) * other
