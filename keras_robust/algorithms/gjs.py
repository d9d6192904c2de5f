"""The generalized Jensen-Shannon loss of three distributions: a label, and what is predicted of two views."""

import math

from keras import ops
from keras.src.backend.common.masking import get_keras_mask, set_keras_mask

from keras_robust.algorithms.views import VIEWS, TwoViews
from keras_robust.checks import refuse
from keras_robust.registration import registered


@registered
class GJS(TwoViews):
    """Two views of each sample: a loss of their mean prediction, and a divergence that makes them agree.

    L(y, p̄) + JS_w(p2, p3) / -log(1 - pi1), with the predictions p2 and p3 of two views, w = (pi2, pi3) / (1 - pi1),
    p̄ = w2 p2 + w3 p3, and JS_w(p2, p3) = w2 KL(p2 || p̄) + w3 KL(p3 || p̄). The loss L reads log p̄ as logits. Compiled
    with `JS(pi=pi1)` it is the generalized Jensen-Shannon divergence of the label, p2 and p3, divided by
    -(1 - pi1) log(1 - pi1); any other loss takes the place of the label's term.

    Metrics and recorders see the first view, `predict` takes inputs as they are. Each view is a forward pass of its
    own, with a batch of its own in batch normalization, as in the released code.

    Reference: Englesson & Azizpour 2021, "Generalized Jensen-Shannon Divergence Loss for Learning with Noisy Labels",
    Eq. 4 and Proposition 2. The released code clamps predictions at 1e-7; here logarithms are exact.

    Args:
        model: a network that ends in logits.
        pi: weights of the label and of the two views, greater than 0, with the sum 1. Li et al. 2023 set the default in
            all of their runs; the paper has pi1 from 0.1 to 0.9, by data set and noise, and pi2 = pi3.
        augment: a Keras layer that makes a view of a batch of inputs; None: the views come from the model's
            preprocessing, or with the data, x = {"view_0", "view_1"}.

    Raises:
        ValueError: for weights that are none; from `fit`, where there are no two views.

    Example:

    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = keras_robust.algorithms.GJS(network, augment=keras.layers.GaussianNoise(0.1, seed=0))
    >>> model.compile("sgd", keras_robust.JS(pi=0.3, from_logits=True))
    >>> history = model.fit(np.ones((4, 3), "float32"), np.array([0, 1, 0, 1]), verbose=0)
    """

    def __init__(self, model, pi=(0.3, 0.35, 0.35), augment=None, name=None):
        super().__init__(model, augment, name=name)
        self.pi = _checked_weights(pi)

    def outputs(self, x):
        """Logits of both views, by name."""
        return {name: self._network(view, training=True) for name, view in zip(VIEWS, self.views(x), strict=True)}

    def prediction(self, outputs):
        return outputs[VIEWS[0]] if isinstance(outputs, dict) else outputs

    def objective(self, x, provenance, outputs, sample_weight):
        label, (pi1, pi2, pi3) = provenance.label, self.pi
        w2, w3 = pi2 / (1.0 - pi1), pi3 / (1.0 - pi1)
        log_p2, log_p3 = (ops.log_softmax(ops.cast(outputs[name], "float32")) for name in VIEWS)
        log_mean = ops.logaddexp(log_p2 + math.log(w2), log_p3 + math.log(w3))
        if (mask := get_keras_mask(outputs[VIEWS[0]])) is not None:
            set_keras_mask(log_mean, mask)
        divergence = w2 * _kl(log_p2, log_mean) + w3 * _kl(log_p3, log_mean)
        consistency = self.mean(divergence, label, log_mean, sample_weight)
        return self.loss(label, log_mean, sample_weight) - consistency / math.log1p(-pi1)


def _kl(log_p, log_q):
    """KL(p || q) of each sample."""
    return ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)


def _checked_weights(pi):
    rule = "three numbers greater than 0 with the sum 1"
    try:
        weights = tuple(float(one) for one in pi)
    except (TypeError, ValueError):
        refuse("GJS", "pi", rule, pi)
    if len(weights) != 3 or not all(one > 0.0 for one in weights) or abs(sum(weights) - 1.0) > 1e-6:
        refuse("GJS", "pi", rule, pi)
    return weights
