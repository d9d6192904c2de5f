"""Training as curves: accuracy, memorization, the effective learning rate."""

import numpy as np

from keras_robust.diagnostics.plots.canvas import STYLES, axes, finish, lines


def accuracy_curves(curves, ax=None, title=None):
    """Test accuracy by epoch: the mean over runs as a line, the range between the runs as a band.

    Args:
        curves: label -> accuracies in [0, 1] of shape (runs, epochs).
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes; `ax.figure.savefig(path)` writes the picture.

    Example:

    >>> ax = keras_robust.diagnostics.plots.accuracy_curves({"CE": [[0.5, 0.8, 0.7], [0.4, 0.9, 0.6]]})
    >>> ax.lines[0].get_ydata().tolist()
    [45.0, 85.0, 65.0]
    """
    ax = axes() if ax is None else ax
    for index, (label, runs) in enumerate(curves.items()):
        runs = 100.0 * np.atleast_2d(runs)
        epochs = np.arange(1, runs.shape[1] + 1)
        (line,) = ax.plot(epochs, runs.mean(axis=0), linestyle=STYLES[index % len(STYLES)], label=label)
        ax.fill_between(epochs, runs.min(axis=0), runs.max(axis=0), color=line.get_color(), alpha=0.15, linewidth=0)
    return finish(ax, "epoch", "accuracy on clean test labels (%)", title)


def memorization(curves, ax=None, title=None):
    """Shares of samples by epoch: what is learned of clean labels, memorized and corrected of wrong ones.

    Reference: Li et al. 2023, Fig. 4.

    Args:
        curves: label -> (epochs, shares in [0, 1]), as `memorization_curves` gives them.
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.

    Example:

    >>> ax = keras_robust.diagnostics.plots.memorization({"wrong labels, memorized": ([1, 2], [0.1, 0.6])})
    >>> ax.lines[0].get_ydata().tolist(), ax.get_ylabel()
    ([10.0, 60.0], 'share of samples (%)')
    """
    ax = axes() if ax is None else ax
    lines(ax, {label: (epochs, 100.0 * np.asarray(values)) for label, (epochs, values) in curves.items()})
    ax.set_ylim(-2.0, 102.0)
    return finish(ax, "epoch", "share of samples (%)", title)


def effective_rate(curves, ax=None, title=None):
    """The effective learning rate alpha_t by step, on a logarithmic scale; zeros are left out.

    Reference: Ou & Zhang 2023.

    Args:
        curves: label -> alpha_t (steps,), as `WeightLog.alpha` gives it.
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.

    Example:

    >>> ax = keras_robust.diagnostics.plots.effective_rate({"CE()": [0.01, 0.001]})
    >>> ax.get_yscale(), ax.lines[0].get_xdata().tolist()
    ('log', [1, 2])
    """
    ax = axes() if ax is None else ax
    ax.set_yscale("log")
    for_drawing = {}
    for label, alpha in curves.items():
        alpha = np.asarray(alpha, "float64")
        steps = np.flatnonzero(alpha > 0)
        for_drawing[label] = (steps + 1, alpha[steps])
    lines(ax, for_drawing)
    return finish(ax, "training step", r"effective learning rate $\alpha_t$", title)
