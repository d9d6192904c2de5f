"""Margins of the training samples as histograms."""

import numpy as np

from keras_robust.diagnostics.plots.canvas import axes, finish, panels

# Filled, and outlined: told apart where colors are not seen.
_LOOKS = {
    "clean": {"facecolor": "0.75", "edgecolor": "none", "label": "clean labels"},
    "wrong": {"facecolor": "none", "edgecolor": "tab:red", "hatch": "////", "linewidth": 1.0, "label": "wrong labels"},
    "all": {"facecolor": "0.75", "edgecolor": "none", "label": "all labels"},
}


def margin_histogram(edges, counts, ax=None, title=None):
    """How many samples have which margin, those with clean and with wrong labels apart.

    Args:
        edges: of the bins, (bins + 1,).
        counts: "clean", "wrong" or "all" -> samples in each bin, (bins,).
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.

    Example:

    >>> ax = keras_robust.diagnostics.plots.margin_histogram([-2, 0, 2], {"clean": [1, 9], "wrong": [3, 0]})
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['clean labels', 'wrong labels']
    """
    ax = axes() if ax is None else ax
    for name, values in counts.items():
        ax.stairs(values, edges, fill=True, **_LOOKS[name])
    ax.axvline(0.0, color="0.3", linewidth=0.8)
    return finish(ax, r"logit margin of the given label, $\Delta_y$", "samples", title)


def margin_histograms(edges, epochs, counts, title=None, width=7.0):
    """Histograms of the margins at several epochs, one above the other, on the same scales.

    Reference: Ou & Zhang 2023, Figs. 3, 9 and 10.

    Args:
        edges: of the bins, (bins + 1,).
        epochs: (epochs,), counted from 0.
        counts: "clean", "wrong" or "all" -> samples in each bin, (epochs, bins); `diagnostics.margin_histograms` gives
            all three.
        title: title of the picture.
        width: of the picture, in inches.

    Returns:
        The Axes (epochs,) of a new figure.

    Example:

    >>> counts = {"clean": np.array([[2, 2], [0, 4]])}
    >>> drawn = keras_robust.diagnostics.plots.margin_histograms([-1, 0, 1], [0, 9], counts)
    >>> [ax.get_title(loc="left") for ax in drawn]
    ['epoch 1', 'epoch 10']
    """
    drawn = panels(len(epochs), 1, width, 0.8 + 1.35 * len(epochs))[:, 0]
    for place, (ax, epoch) in enumerate(zip(drawn, epochs, strict=True)):
        margin_histogram(edges, {name: np.asarray(rows)[place] for name, rows in counts.items()}, ax)
        ax.set_title(f"epoch {epoch + 1}", loc="left", fontsize="medium")
        if place < len(epochs) - 1:
            ax.set_xlabel("")
        if place:
            ax.get_legend().remove()
    drawn[0].figure.suptitle(title, fontsize="medium", parse_math=False)
    return drawn
