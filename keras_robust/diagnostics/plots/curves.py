"""Training as curves: accuracy, memorization, the effective learning rate; and as boxes, a set of numbers an epoch."""

import numpy as np

from keras_robust.diagnostics.plots.canvas import STYLES, axes, finish, lines


def accuracy_curves(curves, ax=None, title=None, measured="accuracy on clean test labels"):
    """Accuracy by epoch: the mean over runs as a line, the range between the runs as a band.

    Args:
        curves: label -> accuracies in [0, 1] of shape (runs, epochs).
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.
        measured: what the accuracies are.

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
    return finish(ax, "epoch", f"{measured} (%)", title)


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


def gradient_boxes(epochs, gradients, ax=None, title=None):
    """Box plots by epoch of a number that every sample has, those with clean and with wrong labels side by side.

    Boxes span the quartiles, whiskers what lies within 1.5 times that span; a triangle is the mean. Outliers are left
    out.

    Reference: Ye et al. 2023, Fig. 4, of the gradient of NNCE.

    Args:
        epochs: numbers of the epochs (epochs,).
        gradients: label -> for each epoch the numbers of its samples, such as `diagnostics.nnce_gradients` gives them
            of predictions; two labels, or one.
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.

    Example:

    >>> gradients = {"clean labels": [[0.1, 0.2], [0.3, 0.4]], "wrong labels": [[0.1, 0.2], [0.0, 0.1]]}
    >>> ax = keras_robust.diagnostics.plots.gradient_boxes([1, 10], gradients)
    >>> [tick.get_text() for tick in ax.get_xticklabels()]
    ['1', '10']
    """
    ax = axes() if ax is None else ax
    places, width = np.arange(len(epochs)), 0.8 / max(len(gradients), 1)
    for index, ((label, values), color) in enumerate(zip(gradients.items(), ("tab:blue", "tab:red"), strict=False)):
        at = places + (index - 0.5 * (len(gradients) - 1)) * width
        drawn = ax.boxplot(
            [np.asarray(each, "float64") for each in values],
            positions=at,
            widths=0.8 * width,
            showfliers=False,
            showmeans=True,
            patch_artist=True,
            manage_ticks=False,
            medianprops={"color": "black"},
            meanprops={"marker": "^", "markerfacecolor": "white", "markeredgecolor": "black", "markersize": 5},
        )
        for box in drawn["boxes"]:
            box.set(facecolor=color, alpha=0.6, hatch="//" if index else None)
        drawn["boxes"][0].set_label(label)
    ax.set_xticks(places, [str(epoch) for epoch in epochs])
    return finish(ax, "epoch", r"largest $\partial L / \partial p_k$, $k \neq y$", title)
