"""How hard a loss pulls: its implicit weight over the margin, its gradient over the label's probability."""

import numpy as np

from keras_robust.checks import greater_than, refuse
from keras_robust.losses.base import RobustLoss
from keras_robust.losses.initialization import CLASSES
from keras_robust.theory.cubature import cubature
from keras_robust.theory.evaluation import checked_loss, for_any_classes, gradients, margin_weights, probability_values


def weight_curve(loss: RobustLoss, margins, K: int | None = None, sigma: float = 1.0) -> np.ndarray:
    """The implicit weight |w| that a loss gives a sample whose label has a certain margin.

    For a function of the margin this is |dL / dmargin|, the curves of the curriculum view. For a loss that also looks
    at the other classes it is the mean weight (half the L1 norm of the gradient in the logits) of samples with that
    margin, the other K - 1 logits being independent N(0, sigma^2): then K must be given.

    Reference: Ou & Zhang 2023, Table 6, in which the formulas of AUL and AGCE are exchanged.

    Args:
        loss: any loss whose samples do not meet.
        margins: logit margins of the label, an array of any shape.
        K: number of classes, at least 2. None: the weight must not depend on it.
        sigma: standard deviation of the other logits, above 0, where they matter.

    Returns:
        float64 array of the shape of `margins`, at least 0.

    Raises:
        ValueError: for an argument out of range; without K for a loss that depends on it; for a batch-coupled loss.

    Example:

    >>> keras_robust.theory.weight_curve(keras_robust.MAE(), [-4.0, 0.0, 4.0]).round(4).tolist()
    [0.0177, 0.25, 0.0177]
    """
    loss = checked_loss("weight_curve", loss)
    sigma = greater_than(0.0).check("weight_curve", "sigma", sigma)
    try:
        given = np.asarray(margins, "float64")
    except (TypeError, ValueError):
        refuse("weight_curve", "margins", "an array of numbers", margins)
    if not np.all(np.isfinite(given)):
        refuse("weight_curve", "margins", "an array of finite numbers", margins)
    if loss.batch_coupled:
        raise ValueError(
            f"{type(loss).__name__} has no implicit sample weight: its gradient in the logits of one sample "
            "depends on the other samples of the batch."
        )
    if loss.of_margin:
        return np.abs(for_any_classes("weight_curve", lambda classes: margin_weights(loss, given, classes), K))
    if K is None:
        refuse("weight_curve", "K", f"given for {loss!r}, which looks at all classes", K)
    K = CLASSES.check("weight_curve", "K", K)
    rule, slopes = cubature(K - 1, sigma), gradients(loss, compiled=True)
    found = np.empty(given.size)
    for i, margin in enumerate(given.ravel()):
        logits = np.concatenate([(margin + rule.log_sums)[:, None], rule.points], axis=1)
        found[i] = 0.5 * rule.weights @ np.abs(slopes(logits)).sum(axis=1)
    return found.reshape(given.shape)


def posterior_gradient(loss: RobustLoss, p, K: int | None = None) -> np.ndarray:
    """The gradient |dL / dp_y| of a loss in the label's probability.

    1 / p for `CE`, 1 for `MAE`, p^(q - 1) for `GCE`: it falls in p where q < 1, so that hard samples count most, and
    rises where q > 1. Times p (1 - p) it is the implicit weight at the margin log(p / (1 - p)).

    Reference: Li et al. 2023, Fig. 2.

    Args:
        loss: a function of the label's probability alone.
        p: probabilities of the label, an array of any shape, in (0, 1].
        K: number of classes, where the loss depends on it (`MarginScale`).

    Returns:
        float64 array of the shape of `p`.

    Raises:
        ValueError: for an argument out of range, or a loss of another kind.

    Example:

    >>> keras_robust.theory.posterior_gradient(keras_robust.GCE(q=0.5), [0.25, 1.0]).round(4).tolist()
    [2.0, 1.0]
    """
    loss = checked_loss("posterior_gradient", loss)
    p = np.asarray(p, "float64")
    if not np.all((p > 0.0) & (p <= 1.0)):
        refuse("posterior_gradient", "p", "probabilities in (0, 1]", p)
    if not loss.of_probability:
        refuse("posterior_gradient", "loss", "a function of the label's probability alone, such as GCE", loss)
    # The limit at p = 1, where margins are infinite.
    p = np.minimum(p, 1.0 - 1e-9)
    log_p, margins = np.log(p), np.log(p) - np.log1p(-p)

    def slopes(classes):
        return probability_values(loss, log_p.ravel(), margins.ravel(), classes)[1].reshape(p.shape) / (p * (1.0 - p))

    return np.abs(for_any_classes("posterior_gradient", slopes, K))


__all__ = ["posterior_gradient", "weight_curve"]
