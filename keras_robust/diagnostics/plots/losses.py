"""Losses as curves, before any training: implicit weights, mean errors, the logit bias."""

import numpy as np

from keras_robust.diagnostics.plots.canvas import axes, background, finish, lines

_MARGIN = r"logit margin of the label, $\Delta_y$"
_LOGIT, _ERROR = "logit of the label, $z_k$", r"mean error $\langle\delta_k\rangle$"
_START = "at initialization"
# Of areas that are drawn over each other.
_SHADES = ("0.75", "tab:green", "tab:blue")


def weight_curves(margins, weights, initial=None, ax=None, title=None):
    """Implicit weight against the margin, over the margins that a network starts with.

    Where a curve is near 0 above the gray area, the loss does not start to learn.

    Reference: Ou & Zhang 2023, Figs. 2, 5 and 8.

    Args:
        margins: (points,).
        weights: label -> weights (points,), as `theory.weight_curve` gives them.
        initial: the margins at initialization: (margins, density), as `theory.initial_margins` gives them; or an array
            of the margins of samples, as `theory.measured_margins` gives them; or a dict label -> one of these. The
            height of each has a scale of its own.
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
    given = initial if isinstance(initial, dict) else {} if initial is None else {_START: initial}
    areas = []
    for shade, (label, known) in zip(_SHADES, given.items(), strict=False):
        if isinstance(known, tuple):
            (x, y), what = known, "density"
        else:
            y, edges = np.histogram(known, bins=50)
            x, what = 0.5 * (edges[1:] + edges[:-1]), "samples"
        areas.append(background(ax, x, y, f"{label} ({what})", shade))
    lines(ax, {label: (margins, values) for label, values in weights.items()})
    ax.set_xlim(np.min(margins), np.max(margins))
    ax.set_ylim(bottom=0.0)
    return finish(ax, _MARGIN, "implicit weight $|w|$", title, areas, beside=True)


def mean_errors(z, errors, sigma: float | None = 1.0, ax=None, title=None):
    """Mean error of the label's output against the label's logit, over the logits that a network starts with.

    Reference: Staats et al. 2023, Figs. 1 to 3.

    Args:
        z: the label's logits (points,).
        errors: label -> mean errors (points,), as `theory.mean_error` gives them.
        sigma: standard deviation of the logits at initialization, for the gray area, whose height has a scale of
            its own; None: no area.
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
    area = None
    if sigma is not None:
        grid = np.linspace(-4.0 * sigma, 4.0 * sigma, 201)
        area = background(ax, grid, np.exp(-0.5 * (grid / sigma) ** 2), "at initialization (density)")
    lines(ax, {label: (z, values) for label, values in errors.items()})
    ax.set_xlim(np.min(z), np.max(z))
    return finish(ax, _LOGIT, _ERROR, title, area, beside=True)


def posterior_gradients(p, gradients, ax=None, title=None):
    """The gradient of losses in the label's probability, against that probability.

    A loss that is steep at the left learns hard samples, and wrong labels; one that rises to the right prefers what it
    already believes.

    Reference: Li et al. 2023, Fig. 2.

    Args:
        p: probabilities of the label (points,).
        gradients: label -> |dL / dp| (points,), as `theory.posterior_gradient` gives them.
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.

    Example:

    >>> p = np.linspace(0.05, 1.0, 20)
    >>> gradients = {"CE()": keras_robust.theory.posterior_gradient(keras_robust.CE(), p)}
    >>> ax = keras_robust.diagnostics.plots.posterior_gradients(p, gradients)
    >>> float(ax.lines[0].get_ydata().round(3)[0])
    20.0
    """
    ax = axes() if ax is None else ax
    lines(ax, {label: (p, values) for label, values in gradients.items()})
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(bottom=0.0)
    return finish(ax, "probability of the label, $p_y$", r"gradient $|\partial L / \partial p_y|$", title)


def shifted_logits(z, errors, logits, epsilon, ax=None, title=None):
    """A network's first logits as they are and shifted by the logit bias, over the gradient that a loss makes of them.

    Where the shifted area lies under the curve, and the other does not, the bias lets the loss start.

    Reference: Staats et al. 2023, Fig. 2.

    Args:
        z: the label's logits (points,).
        errors: label -> mean errors (points,), as `theory.mean_error` gives them.
        logits: logits of a network at initialization, of any shape.
        epsilon: the bias, as `theory.logit_bias` gives it.
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.

    Example:

    >>> z, logits = np.linspace(-4, 10, 29), np.random.default_rng(0).normal(size=500)
    >>> errors = {"MAE()": keras_robust.theory.mean_error(keras_robust.MAE(), 100, z)}
    >>> ax = keras_robust.diagnostics.plots.shifted_logits(z, errors, logits, 3.03)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['MAE()', 'logits', 'logits + 3.03']
    """
    ax = axes(8.5, 4.0) if ax is None else ax
    counts, edges = np.histogram(np.ravel(logits), bins=50)
    middle = 0.5 * (edges[1:] + edges[:-1])
    areas = [
        background(ax, middle + shift, counts, label, shade)
        for shade, (label, shift) in zip(
            _SHADES, {"logits": 0.0, f"logits + {epsilon:.3g}": epsilon}.items(), strict=False
        )
    ]
    lines(ax, {label: (z, values) for label, values in errors.items()})
    ax.set_xlim(np.min(z), np.max(z))
    return finish(ax, _LOGIT, _ERROR, title, areas, beside=True)


def landscape(values, heights, level=None, chosen=None, ax=None, title=None):
    """The mean error at initialization over two hyper-parameters, as a heat map on logarithmic scales.

    Reference: Staats et al. 2023, appendix.

    Args:
        values: the two hyper-parameters by name, each with its values, as `theory.landscape` takes them; above 0.
        heights: mean errors (values of the first, values of the second), as it gives them.
        level: a mean error to draw a line at: settings that start alike.
        chosen: a setting to mark, (value of the first, value of the second).
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.

    Example:

    >>> values = {"q": [0.5, 1.0, 2.0], "a": [0.1, 1.0]}
    >>> heights = keras_robust.theory.landscape(keras_robust.AGCE(a=1.0, q=1.0), values, K=10)
    >>> ax = keras_robust.diagnostics.plots.landscape(values, heights)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('q', 'a')
    """
    ax = axes(6.0, 4.5) if ax is None else ax
    (x_name, x), (y_name, y) = values.items()
    heights = np.asarray(heights).T
    ax.set_xscale("log")
    ax.set_yscale("log")
    drawn = ax.pcolormesh(x, y, heights, cmap="viridis", shading="nearest")
    if level is not None:
        ax.contour(x, y, heights, levels=[level], colors="red", linestyles="--")
    if chosen is not None:
        ax.plot(*chosen, marker="x", color="red", markersize=9, markeredgewidth=2)
    ax.set_xlabel(x_name)
    ax.set_ylabel(y_name)
    ax.set_title(title, fontsize="medium")
    ax.figure.colorbar(drawn, ax=ax, label=r"mean error $\langle\delta_k\rangle(0)$")
    return ax


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
