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


def transition_matrix(transition, class_names=None, ax=None, title=None):
    """T[i, j] = P(noisy = j | clean = i) in shades of grey, black for 1; up to 20 classes with per cents.

    Args:
        transition: T (classes, classes), rows sum to 1.
        class_names: a name for each class; by default its id.
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.
    """
    transition = np.asarray(transition)
    K = len(transition)
    names = range(K) if class_names is None else class_names
    ax = axes(6.0, 5.5) if ax is None else ax
    shades = ax.imshow(transition, cmap="Greys", vmin=0.0, vmax=1.0)
    if K <= 20:
        ticks, size = np.arange(K), 9 if K <= 10 else 6
        for i, j in zip(*np.nonzero(transition >= 0.0005), strict=True):
            color = "white" if transition[i, j] > 0.5 else "black"
            ax.text(j, i, f"{100 * transition[i, j]:.1f}", ha="center", va="center", color=color, fontsize=size)
    else:
        ticks = np.arange(0, K, max(1, K // 10))
    ax.set_xticks(ticks, [names[i] for i in ticks], rotation=0 if class_names is None else 90)
    ax.set_yticks(ticks, [names[i] for i in ticks])
    ax.set_xlabel("given label")
    ax.set_ylabel("clean label")
    ax.set_title(title)
    ax.figure.colorbar(shades, ax=ax, label="probability")
    return ax


def contact_sheet(images, captions, columns=10, ax=None, title=None):
    """Small pictures in rows, a caption under each.

    Args:
        images: (n, height, width, channels), uint8 or in [0, 1]; one channel is grey.
        captions: a short text for each.
        columns: pictures in a row.
        ax: Axes to draw on; a new figure by default.
        title: title of the picture.

    Returns:
        The Axes.
    """
    images = np.asarray(images)
    rows = -(-len(images) // columns)
    # In units of a picture's side, as are all places below.
    height = 1.1 + 0.12 * max((caption.count("\n") + 1 for caption in captions), default=0)
    ax = axes(1.1 * columns, height * max(rows, 1) + 0.5) if ax is None else ax
    if images.shape[-1] == 1:
        images = images[..., 0]
    white = 255 if images.dtype == np.uint8 else 1.0
    for place, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(place, columns)
        top, left = height * row, 1.1 * column
        ax.imshow(image, cmap="gray", vmin=0, vmax=white, extent=(left, left + 1, top + 1, top))
        ax.text(left + 0.5, top + 1.04, caption, ha="center", va="top", fontsize=7)
    ax.set_xlim(-0.05, 1.1 * columns - 0.05)
    ax.set_ylim(height * max(rows, 1), -0.05)
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set_title(title)
    return ax
