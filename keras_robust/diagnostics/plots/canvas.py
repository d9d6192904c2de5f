"""Where pictures are drawn: the one place that imports matplotlib."""

import numpy as np

from keras_robust.checks import missing

#: Lines are told apart by these where colors are not seen.
STYLES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1, 1, 1)), (0, (5, 3)), (0, (8, 2)), (0, (1, 3)))


def axes(width=7.0, height=4.5):
    """A new figure's Axes, from a backend that needs no screen."""
    return panels(1, 1, width, height)[0, 0]


def panels(rows: int, columns: int, width=7.0, height=4.5, share=True) -> np.ndarray:
    """The Axes (rows, columns) of a new figure, which share their scales: both, or "x" or "y" alone."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing("Pictures are drawn with matplotlib", "plots") from error
    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    FigureCanvasAgg(figure)
    return figure.subplots(rows, columns, squeeze=False, sharex=share in (True, "x"), sharey=share in (True, "y"))


def lines(ax, curves):
    """Draws curves, label -> (x, y), each in a style of its own."""
    for index, (label, (x, y)) in enumerate(curves.items()):
        ax.plot(x, y, linestyle=STYLES[index % len(STYLES)], label=label)


def background(ax, x, y, label, color="0.85"):
    """A gray area in the lower part of the picture, on a scale of its own; several are seen through each other."""
    x, y = np.asarray(x, "float64"), np.asarray(y, "float64")
    behind = ax.twinx()
    behind.set_zorder(ax.get_zorder() - 1)
    ax.patch.set_visible(False)
    step = "mid" if len(x) < 100 else None
    area = behind.fill_between(x, 0.0, y, color=color, alpha=0.7, linewidth=0, step=step, label=label)
    behind.set_ylim(0.0, 3.0 * max(float(y.max()), 1e-300))
    behind.set_axis_off()
    return area


def finish(ax, x, y, title=None, area=None, beside=False):
    """Labels of the axes, title and legend, `beside` the picture or in it; no frame at the top and at the right."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.set_title(title, fontsize="medium", parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)
    areas = area if isinstance(area, list) else [] if area is None else [area]
    handles = [*ax.get_legend_handles_labels()[0], *areas]
    place = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if beside else {}
    ax.legend(handles=handles, frameon=False, fontsize="small", handlelength=3.2, **place)
    return ax


def one_legend(drawn):
    """One legend below a row of pictures, in place of one in each."""
    first = max((ax.get_legend() for ax in drawn), key=lambda legend: len(legend.get_texts()))
    handles, labels = first.legend_handles, [text.get_text() for text in first.get_texts()]
    for ax in drawn:
        ax.get_legend().remove()
    place = {"loc": "outside lower center", "ncols": min(len(handles), 5)}
    drawn[0].figure.legend(handles, labels, frameon=False, fontsize="small", handlelength=3.2, **place)


def legend_below(ax):
    """Moves the legend of a picture below it, where several stand in a row."""
    legend = ax.get_legend()
    handles, labels = legend.legend_handles, [text.get_text() for text in legend.get_texts()]
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.17), "ncols": 2}
    ax.legend(handles, labels, frameon=False, fontsize="small", handlelength=3.2, **place)
