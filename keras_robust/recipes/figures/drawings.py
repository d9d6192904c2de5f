"""The ways in which figures show runs. Each takes panels, title -> curves with their runs, and returns a figure."""

import numpy as np

from keras_robust.checks import refuse
from keras_robust.diagnostics import effective_rate, margin_histograms, memorization_curves, plots

# What the papers draw of a run: accuracies on test data, and on right and wrong training labels as they are given.
_FITS = {
    "test": "clean test labels",
    "training, right labels": "clean training labels",
    "training, wrong labels": "wrong labels, memorized",
}
_WIDE, _HIGH, _COLUMNS = 4.2, 3.2, 3


def accuracies(panels):
    """Test accuracy by epoch, a line for each curve, a band between its runs."""
    drawn = _grid(len(panels))
    for ax, (title, curves) in zip(drawn.flat, panels.items(), strict=False):
        plots.accuracy_curves({curve.label: _stacked(runs) for curve, runs in curves}, ax=ax, title=title)
    _share_legend(drawn.flat[: len(panels)])
    return _finished(drawn)


def fits(panels):
    """A panel for each curve: accuracy on test data, on right and on wrong training labels."""
    shown = [(title, curve, runs) for title, curves in panels.items() for curve, runs in curves]
    drawn = _grid(len(shown), columns=_COLUMNS if len(shown) % 5 else 5)
    for place, (ax, (title, curve, runs)) in enumerate(zip(drawn.flat, shown, strict=False)):
        found = [memorization_curves(run) for run in runs]
        curves = {}
        for label, name in _FITS.items():
            if all(name in one for one in found):
                means = np.mean([one[name].values for one in found], axis=0)
                curves[label] = (found[0][name].epochs, 100.0 * means)
        plots.lines(ax, curves)
        plots.finish(ax, "epoch", "accuracy (%)", f"{title}\n{curve.label}")
        if place:
            ax.get_legend().remove()
    return _finished(drawn)


def corrections(panels):
    """Test accuracy above, and below the share of wrong training labels for which the clean one is predicted."""
    drawn = plots.panels(2, len(panels), 1.0 + _WIDE * len(panels), 2 * _HIGH, share="x")
    for (upper, lower), (title, curves) in zip(drawn.T, panels.items(), strict=True):
        plots.accuracy_curves({curve.label: _stacked(runs) for curve, runs in curves}, ax=upper, title=title)
        shares = {}
        for curve, runs in curves:
            found = [memorization_curves(run).get("wrong labels, corrected") for run in runs]
            if None not in found and np.isfinite(found[0].values).all():
                shares[curve.label] = (found[0].epochs, 100.0 * np.mean([one.values for one in found], axis=0))
        plots.lines(lower, shares)
        plots.finish(lower, "epoch", "wrong labels, corrected (%)")
        lower.get_legend().remove()
        if not shares:
            lower.set_axis_off()
    _share_legend(drawn[0])
    return _finished(drawn)


def margins(panels):
    """Histograms of the margins of right and wrong labels: a column for each curve, rows of epochs for each panel."""
    found = {
        title: [(curve.label, margin_histograms(runs[0].log)) for curve, runs in panels[title]] for title in panels
    }
    epochs = max(len(one.epochs) for curves in found.values() for _, one in curves)
    columns, rows = max(map(len, found.values())), epochs * len(found)
    drawn = plots.panels(rows, columns, 0.6 + 3.2 * columns, 1.2 + 1.5 * rows, share=False)
    for ax in drawn.flat:
        ax.set_axis_off()
    for place, (title, curves) in enumerate(found.items()):
        for column, (label, one) in enumerate(curves):
            for row, epoch in enumerate(one.epochs):
                ax = drawn[place * epochs + row, column]
                ax.set_axis_on()
                plots.margin_histogram(one.edges, {name: counts[row] for name, counts in one.counts.items()}, ax)
                head = f"{title}\n{label}, " if not row else ""
                ax.set_title(f"{head}epoch {epoch + 1}", fontsize="small")
                if row < len(one.epochs) - 1:
                    ax.set_xlabel("")
                if place or column or row:
                    ax.get_legend().remove()
    return _finished(drawn)


def effective_rates(panels):
    """The cumulative effective learning rate by step; in a panel that says so, each divided by its largest value."""
    drawn = _grid(len(panels), share=False)
    for ax, (title, curves) in zip(drawn.flat, panels.items(), strict=False):
        found = {}
        for curve, runs in curves:
            rates = np.mean([effective_rate(run, cumulative=True) for run in runs], axis=0)
            found[curve.label] = rates / rates.max() if "largest" in title else rates
        plots.effective_rate(found, ax=ax, title=title)
        if "largest" in title:
            ax.set_ylabel(r"$\alpha_t$ / its largest value")
    return drawn[0, 0].figure


def ends(panels):
    """Test accuracy after the last epoch by the number that is varied, the mean of the runs and where they lie."""
    drawn = _grid(len(panels), share="y")
    for ax, (title, curves) in zip(drawn.flat, panels.items(), strict=False):
        (name,) = curves[0][0].values
        x = [curve.values[name] for curve, _ in curves]
        last = [[100.0 * run.accuracy[-1] for run in runs] for _, runs in curves]
        ax.plot(x, [np.mean(values) for values in last], "-")
        for place, values in zip(x, last, strict=True):
            ax.plot([place] * len(values), values, "o", color="tab:blue", markersize=4)
        plots.finish(ax, name, "test accuracy, last epoch (%)", title)
        ax.get_legend().remove()
    return _finished(drawn)


def grids(panels):
    """Test accuracies after the last epoch in rows and columns of two numbers, all of which must be there."""
    drawn = _grid(len(panels), share=False)
    for ax, (title, curves) in zip(drawn.flat, panels.items(), strict=False):
        down, across = curves[0][0].values
        rows, columns = ([*dict.fromkeys(curve.values[name] for curve, _ in curves)] for name in (down, across))
        found = {(c.values[down], c.values[across]): np.mean([run.accuracy[-1] for run in runs]) for c, runs in curves}
        if len(found) < len(rows) * len(columns):
            lacking = [(row, column) for row in rows for column in columns if (row, column) not in found]
            refuse("figure", "runs", f"runs of all combinations; {down}, {across} = {lacking[0]} lacks", title)
        values = [[found[row, column] for column in columns] for row in rows]
        names = [f"{down} = {row:g}" for row in rows]
        plots.heat_map(values, names, [f"{column:g}" for column in columns], ax=ax, title=title)
        ax.set_xlabel(across)
    return drawn[0, 0].figure


DRAWINGS = {one.__name__: one for one in (accuracies, fits, corrections, margins, effective_rates, ends, grids)}


def _grid(count, columns=_COLUMNS, share=True):
    """So many Axes of a new figure, in rows; those that are left over are without a frame."""
    columns = 2 if count == 4 else min(columns, count)
    rows = -(-count // columns)
    drawn = plots.panels(rows, columns, 1.0 + _WIDE * columns, 0.8 + _HIGH * rows, share)
    for ax in drawn.flat[count:]:
        ax.set_axis_off()
    return drawn


def _finished(drawn):
    """The figure, with numbers under every picture, and what they are beside the first of a row."""
    for row in drawn:
        for place, ax in enumerate([ax for ax in row if ax.axison]):
            ax.tick_params(labelbottom=True)
            if place:
                ax.set_ylabel("")
    return drawn[0, 0].figure


def _share_legend(drawn):
    """One legend of all, where they have the same curves."""
    labels = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in drawn]
    if len(labels) > 1 and all(one == labels[0] for one in labels):
        plots.one_legend(drawn)


def _stacked(runs):
    return np.stack([run.accuracy for run in runs])
