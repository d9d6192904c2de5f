"""Pictures, drawn with matplotlib. Every function takes arrays and returns the Axes it drew on."""

import numpy as np

_STYLES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1, 1, 1)), (0, (5, 3)))


def axes(width=7.0, height=4.5):
    """A new figure's Axes, from a backend that needs no screen."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("Pictures are drawn with matplotlib: pip install 'keras-robust[plots]'.") from error
    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def accuracy_curves(curves, ax=None, title=None):
    """Test accuracy by epoch: the mean over runs as a line, the range between the runs as a band.

    Args:
        curves: label -> accuracies in [0, 1] of shape (runs, epochs).
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes; `ax.figure.savefig(path)` writes the picture.
    """
    ax = axes() if ax is None else ax
    for index, (label, runs) in enumerate(curves.items()):
        runs = 100.0 * np.atleast_2d(runs)
        epochs = np.arange(1, runs.shape[1] + 1)
        (line,) = ax.plot(epochs, runs.mean(axis=0), linestyle=_STYLES[index % len(_STYLES)], label=label)
        ax.fill_between(epochs, runs.min(axis=0), runs.max(axis=0), color=line.get_color(), alpha=0.15, linewidth=0)
    ax.set_xlabel("epoch")
    ax.set_ylabel("accuracy on clean test labels (%)")
    ax.set_title(title)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return ax
