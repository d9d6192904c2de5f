"""The pictures of a report: drawn by `plots`, with what they show in words."""

import base64
import io
from typing import NamedTuple

import numpy as np

from keras_robust.diagnostics import plots
from keras_robust.diagnostics.pages import Html, element
from keras_robust.diagnostics.runs import LoggedRun
from keras_robust.diagnostics.statistics import MarginHistograms, effective_rate, memorization_curves
from keras_robust.noise.estimate import Estimate

# Inches: narrow enough that letters stay readable on a phone.
_WIDTH, _HEIGHT = 5.2, 3.5
# Characters of a label in a legend, and of the name of a class beside a matrix.
_LABEL, _NAME = 36, 14


class Picture(NamedTuple):
    """A figure, its caption, and what is to be seen in it for those who do not see it."""

    figure: object
    caption: str
    told: str

    def html(self) -> Html:
        file = io.BytesIO()
        self.figure.savefig(file, format="png", metadata={"Software": None})
        url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
        return element("figure", element("img", src=url, alt=self.told), element("figcaption", self.caption))


def accuracy(curves: dict[str, list]) -> Picture:
    """Test accuracy by epoch, of each label (runs, epochs)."""
    several = any(len(runs) > 1 for runs in curves.values())
    ends = "; ".join(
        f"{label} {percent(np.mean([run[0] for run in runs]))} to {percent(np.mean([run[-1] for run in runs]))}"
        for label, runs in curves.items()
    )
    return Picture(
        plots.accuracy_curves(_drawable(curves, _LABEL), plots.axes(_WIDTH, _HEIGHT)).figure,
        "Accuracy on clean test labels" + ("; the band spans the seeds" if several else ""),
        f"Curves of the test accuracy, from the first epoch to the last: {ends}",
    )


def training(run: LoggedRun) -> Picture:
    """What becomes of right and wrong labels, and of the test data.

    Raises:
        ValueError: if nothing of it is known.
    """
    curves = memorization_curves(run)
    ends = "; ".join(
        f"{name} {percent(curve.values[0])} to {percent(curve.values[-1])}" for name, curve in curves.items()
    )
    return Picture(
        plots.memorization(curves, plots.axes(_WIDTH, _HEIGHT)).figure,
        "What the model makes of its labels, epoch by epoch",
        f"Curves by epoch, from the first to the last: {ends}",
    )


def rate(run: LoggedRun) -> Picture | None:
    """The effective learning rate; None where samples have no weights of their own."""
    alpha = effective_rate(run)
    if not np.any(alpha > 0):
        return None
    known = alpha[alpha > 0]
    return Picture(
        plots.effective_rate({"": alpha}, plots.axes(_WIDTH, _HEIGHT)).figure,
        "Effective learning rate: the learning rate times the mean weight of a batch",
        f"The effective learning rate by step, from {known[0]:.2g} to {known[-1]:.2g}",
    )


def memorized(curves: dict[str, tuple]) -> Picture:
    """Share of the wrong labels that are memorized, (epochs, shares) of each label."""
    ends = "; ".join(f"{label} {percent(shares[-1])}" for label, (_, shares) in curves.items())
    return Picture(
        plots.memorization(_drawable(curves, _LABEL), plots.axes(_WIDTH, _HEIGHT)).figure,
        "Share of the wrong labels that are memorized",
        f"Curves of the share of wrong labels that the model predicts, by epoch; at the last: {ends}",
    )


def margins(found: MarginHistograms, means: dict[str, list]) -> Picture:
    """Margins of clean and wrong labels at some epochs, and their means there."""
    last = ", ".join(f"{signed(values[-1])} of {name} labels" for name, values in means.items())
    apart = "of clean and of wrong labels" if "wrong" in found.counts else "of all labels"
    return Picture(
        plots.margin_histograms(*found, width=_WIDTH)[0].figure,
        f"Margins {apart}: right of 0 the label wins against all other classes together",
        f"Histograms of the margins {apart} at {len(found.epochs)} epochs; mean margin at the last: {last}",
    )


def transition(found: Estimate, names, estimated: bool) -> Picture:
    """A transition matrix, estimated or true."""
    drawn = None if names is None else [_legible(name, _NAME) for name in names]
    ax = plots.transition_matrix(found.transition, drawn, plots.axes(_WIDTH, 4.6))
    if estimated:
        ax.set_ylabel("label that the model believes")
    wrong = np.where(np.eye(len(found.transition), dtype=bool), -1.0, found.transition)
    i, j = np.unravel_index(wrong.argmax(), wrong.shape)
    names = range(len(wrong)) if names is None else names
    which = "Estimated from what the model believes" if estimated else "In truth"
    return Picture(
        ax.figure,
        f"{which}: {percent(found.rate)} of the labels are wrong",
        f"Transition matrix of {len(wrong)} classes, a row for each; most often wrong: {names[i]} labeled {names[j]}, "
        f"{percent(wrong[i, j])}",
    )


def _drawable(curves, longest):
    """Curves by labels as matplotlib takes them; labels that are the same once they are cut get their place."""
    labels = [_legible(label, longest).replace("$", r"\$") for label in curves]  # one, and not the start of a formula
    unique = [label if labels.count(label) == 1 else f"{place}. {label}" for place, label in enumerate(labels, start=1)]
    return dict(zip(unique, curves.values(), strict=True))


def _legible(name, longest):
    """A name cut to its first characters."""
    name = str(name)
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def percent(share) -> str:
    return f"{100 * share:.1f}%"


def signed(number) -> str:
    """A number with one digit, and a minus as print has it; "-" for none."""
    if not np.isfinite(number):
        return "-"
    return f"{number:.1f}".replace("-", "\N{MINUS SIGN}")
