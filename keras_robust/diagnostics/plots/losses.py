"""Losses as curves, before any training: implicit weights, mean errors, the logit bias."""

import numpy as np

from keras_robust.diagnostics.plots.canvas import axes, background, finish, lines

_MARGIN = r"logit margin of the label, $\Delta_y$"


def weight_curves(margins, weights, initial=None, ax=None, title=None):
    """Implicit weight against the margin, over the margins that a network starts with.

    Where a curve is near 0 above the gray area, the loss does not start to learn.

    Reference: Ou & Zhang 2023, Figs. 2, 5 and 8.

    Args:
        margins: (points,).
        weights: label -> weights (points,), as `theory.weight_curve` gives them.
        initial: the margins at initialization: (margins, density), as `theory.initial_margins` gives them; or an array
            of the margins of samples, as `theory.measured_margins` gives them. Its height has a scale of its own.
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.

    Example:

    >>> margins = np.linspace(-8, 8, 81)
    >>> weights = {"MAE()": keras_robust.theory.weight_curve(keras_robust.MAE(), margins)}
    >>> ax = keras_robust.diagnostics.plots.weight_curves(margins, weights, keras_robust.theory.initial_margins(10))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['MAE()', 'at initialization (density)']
    """
    ax = axes(8.5, 4.0) if ax is None else ax
    area = None
    if isinstance(initial, tuple):
        area = background(ax, *initial, "at initialization (density)")
    elif initial is not None:
        counts, edges = np.histogram(initial, bins=50)
        area = background(ax, 0.5 * (edges[1:] + edges[:-1]), counts, "at initialization (samples)")
    lines(ax, {label: (margins, values) for label, values in weights.items()})
    ax.set_xlim(np.min(margins), np.max(margins))
    ax.set_ylim(bottom=0.0)
    return finish(ax, _MARGIN, "implicit weight $|w|$", title, area, beside=True)


def mean_errors(z, errors, sigma: float = 1.0, ax=None, title=None):
    """Mean error of the label's output against the label's logit, over the logits that a network starts with.

    Reference: Staats et al. 2023, Figs. 1 to 3.

    Args:
        z: the label's logits (points,).
        errors: label -> mean errors (points,), as `theory.mean_error` gives them.
        sigma: standard deviation of the logits at initialization, for the gray area; its height has a scale of its own.
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.

    Example:

    >>> z = np.linspace(-4, 10, 29)
    >>> errors = {"MAE()": keras_robust.theory.mean_error(keras_robust.MAE(), 10, z)}
    >>> ax = keras_robust.diagnostics.plots.mean_errors(z, errors)
    >>> ax.lines[0].get_xdata()[[0, -1]].tolist()
    [-4.0, 10.0]
    """
    ax = axes(8.5, 4.0) if ax is None else ax
    grid = np.linspace(-4.0 * sigma, 4.0 * sigma, 201)
    area = background(ax, grid, np.exp(-0.5 * (grid / sigma) ** 2), "at initialization (density)")
    lines(ax, {label: (z, values) for label, values in errors.items()})
    ax.set_xlim(np.min(z), np.max(z))
    return finish(ax, "logit of the label, $z_k$", r"mean error $\langle\delta_k\rangle$", title, area, beside=True)


def logit_bias(classes, epsilon, ax=None, title=None):
    """The logit bias against the number of classes.

    Reference: Staats et al. 2023, Eq. 4.

    Args:
        classes: numbers of classes (points,).
        epsilon: label -> biases (points,), as `theory.logit_bias` gives them.
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.

    Example:

    >>> classes = [10, 100, 1000]
    >>> bias = [keras_robust.theory.logit_bias(K) for K in classes]
    >>> ax = keras_robust.diagnostics.plots.logit_bias(classes, {"activation 0.15": bias})
    >>> ax.get_xscale()
    'log'
    """
    ax = axes() if ax is None else ax
    ax.set_xscale("log")
    ax.axhline(0.0, color="0.7", linewidth=0.8)
    lines(ax, {label: (classes, values) for label, values in epsilon.items()})
    return finish(ax, "number of classes $K$", r"logit bias $\epsilon$", title)
