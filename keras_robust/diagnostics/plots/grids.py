"""Pictures in rows and columns: transition matrices, accuracies by two settings, and many small images."""

import numpy as np

from keras_robust.class_names import names_by_id
from keras_robust.diagnostics.plots.canvas import axes
from keras_robust.diagnostics.plots.pixels import drawable


def transition_matrix(transition, class_names=None, ax=None, title=None):
    """T[i, j] = P(noisy = j | clean = i) in shades of gray, black for 1; up to 20 classes with per cents.

    Args:
        transition: T (classes, classes), rows sum to 1.
        class_names: a name for each class, a list or a dict {id: name}; by default its id.
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.

    Example:

    >>> ax = keras_robust.diagnostics.plots.transition_matrix([[0.7, 0.3], [0.0, 1.0]], ["cat", "dog"])
    >>> [text.get_text() for text in ax.texts]
    ['70.0', '30.0', '100.0']
    """
    transition = np.asarray(transition)
    K = len(transition)
    names = range(K) if class_names is None else names_by_id("transition_matrix", class_names, K)
    ax = axes(6.0, 5.5) if ax is None else ax
    shades = ax.imshow(transition, cmap="Grays", vmin=0.0, vmax=1.0)
    if K <= 20:
        ticks, size = np.arange(K), 9 if K <= 10 else 6
        for i, j in zip(*np.nonzero(transition >= 0.0005), strict=True):
            color = "white" if transition[i, j] > 0.5 else "black"
            ax.text(j, i, f"{100 * transition[i, j]:.1f}", ha="center", va="center", color=color, fontsize=size)
    else:
        ticks = np.arange(0, K, max(1, K // 10))
    # A dollar in a name or a title is one, and not the start of a formula.
    ax.set_xticks(ticks, [names[i] for i in ticks], rotation=0 if class_names is None else 90, parse_math=False)
    ax.set_yticks(ticks, [names[i] for i in ticks], parse_math=False)
    ax.set_xlabel("given label")
    ax.set_ylabel("clean label")
    ax.set_title(title, parse_math=False)
    ax.figure.colorbar(shades, ax=ax, label="probability")
    return ax


def heat_map(values, row_names, column_names, ax=None, title=None, label="accuracy on clean test labels (%)"):
    """Numbers in rows and columns as colors, with per cents; from the lowest to the highest.

    Args:
        values: (rows, columns), in [0, 1].
        row_names, column_names: a name for each.
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.
        label: what the numbers are.

    Returns:
        The Axes.

    Example:

    >>> ax = keras_robust.diagnostics.plots.heat_map([[0.5, 0.25]], ["q=0.7"], ["0.1", "1"])
    >>> [text.get_text() for text in ax.texts]
    ['50.0', '25.0']
    """
    values = 100.0 * np.asarray(values)
    rows, columns = values.shape
    ax = axes(2.4 + 0.8 * columns + 0.08 * max(map(len, row_names)), 1.8 + 0.5 * rows) if ax is None else ax
    colors = ax.imshow(values, cmap="viridis", aspect="auto")
    middle = (values.min() + values.max()) / 2
    for (i, j), value in np.ndenumerate(values):
        color = "black" if value > middle else "white"
        ax.text(j, i, f"{value:.1f}", ha="center", va="center", color=color, fontsize=9)
    ax.set_xticks(np.arange(columns), column_names)
    ax.set_yticks(np.arange(rows), row_names)
    ax.set_title(title, fontsize="medium")
    ax.figure.colorbar(colors, ax=ax, label=label)
    return ax


def contact_sheet(images, captions, columns=10, ax=None, title=None):
    """Small pictures in rows, a caption under each.

    Args:
        images: (n, height, width, channels), or without channels for gray: uint8, floats in 0 to 1 or in 0 to 255.
            Which of them is read off all the values: a largest of at most 1 is white, one of 32 to 255 is on a scale
            that ends at 255; anything else is refused.
        captions: a short text for each.
        columns: pictures in a row.
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.

    Raises:
        ValueError: for images of other shapes, or of which nobody can tell what is white.

    Example:

    >>> ax = keras_robust.diagnostics.plots.contact_sheet(np.zeros((2, 8, 8, 1)), ["one", "two"], columns=2)
    >>> [text.get_text() for text in ax.texts]
    ['one', 'two']
    """
    images = drawable("contact_sheet", images)
    rows = -(-len(images) // columns)
    # In units of a picture's side, as are all places below.
    height = 1.1 + 0.12 * max((caption.count("\n") + 1 for caption in captions), default=0)
    ax = axes(1.1 * columns, height * max(rows, 1) + 0.7) if ax is None else ax
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    white = 255 if images.dtype == np.uint8 else 1.0
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(place, columns)
        top, left = height * row, 1.1 * column
        ax.imshow(image, cmap="gray", vmin=0, vmax=white, extent=(left, left + 1, top + 1, top))
        ax.text(left + 0.5, top + 1.04, caption, ha="center", va="top", fontsize=7, parse_math=False)
    ax.set_xlim(-0.05, 1.1 * columns - 0.05)
    ax.set_ylim(height * max(rows, 1), -0.05)
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set_title(title, fontsize="medium", parse_math=False)
    return ax
