"""What an algorithm asks of networks, loss, optimizer and devices before it trains."""

import keras
import numpy as np
from keras import ops

from keras_robust.backend import count_of_replicas
from keras_robust.checks import refuse
from keras_robust.data.preprocessing import for_serving
from keras_robust.last_layer import ends_in
from keras_robust.losses import RobustLoss


def check_loss(owner: str, loss, loss_weights, ranks: bool) -> None:
    """Raises where a loss does not read logits or is no mean, or couples the samples that are ranked by it.

    Raises:
        ValueError: naming `loss`, `from_logits`, `reduction` or `loss_weights`.
    """
    if not isinstance(loss, keras.losses.Loss):
        refuse(owner, "loss", "a loss of logits, such as CE(from_logits=True)", loss)
    if not getattr(loss, "from_logits", False):
        refuse(owner, "from_logits", "True in its loss", getattr(loss, "from_logits", None))
    if loss.reduction not in ("sum_over_batch_size", "mean"):
        refuse(owner, "reduction", '"sum_over_batch_size" in its loss', loss.reduction)
    if loss_weights is not None:
        refuse(owner, "loss_weights", "None: the objective weighs its terms", loss_weights)
    if ranks and isinstance(loss, RobustLoss) and loss.batch_coupled:
        refuse(owner, "loss", "a loss of each sample alone, for samples are ranked by it", loss)


def check_end(owner: str, model: keras.Model) -> None:
    """Raises for a network that ends in probabilities, or in one output unit.

    Raises:
        ValueError: naming `model`.
    """
    units = model.outputs[0].shape[-1]
    if units == 1 or ends_in(model) not in ("logits", None):
        told = f"{units} output(s) of {ends_in(model)}"
        refuse(owner, "model", "a network that ends in logits of at least two classes", told)


def check_second(owner: str, network: keras.Model, second) -> keras.Model:
    """The second network: a copy with new weights where none is given.

    Raises:
        ValueError: for one of other shapes, or with the weights of the first.
    """
    if second is None:
        second = keras.models.clone_model(network)
        # `regularize` leaves no trace in the configuration that a clone is made of.
        for one, other in zip(network.trainable_variables, second.trainable_variables, strict=True):
            other.regularizer = one.regularizer
    second = for_serving(second, raw_pixels=False)
    shapes = [[tuple(v.shape) for v in one.weights] for one in (network, second)]
    if shapes[0] != shapes[1] or not second.built:
        refuse(owner, "second", "a built network with the shapes of the first one", second)
    pairs = zip(network.trainable_variables, second.trainable_variables, strict=True)
    if all(np.array_equal(*map(ops.convert_to_numpy, pair)) for pair in pairs):
        refuse(owner, "second", "a network with other weights than the first: twins stay equal for ever", second)
    return second


def check_replicas(owner: str, model: keras.Model) -> None:
    """Raises where each of several replicas or processes would rank its own samples, or remember them for itself.

    Raises:
        ValueError: naming `strategy`, with the number of replicas.
    """
    if (replicas := count_of_replicas(model)) > 1:
        refuse(owner, "strategy", "of one replica: samples are ranked or remembered", replicas)
