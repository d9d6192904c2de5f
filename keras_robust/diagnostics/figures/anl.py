"""The figures of Ye et al. 2023: how an active loss becomes a negative one; the others are of training."""

import numpy as np

from keras_robust.diagnostics import plots
from keras_robust.diagnostics.figures.schema import PaperFigure

#: A of the drawing: -log p_min for p_min = e^-5, so that both curves are seen.
_A = 5.0


def vertical_flipping():
    """Figure 1."""
    p = np.linspace(np.exp(-_A), 1.0, 400)
    active = -np.log(p)
    ax = plots.axes(6.0, 4.2)
    ax.plot(p, active, label=r"active: $L(f(x), k) = -\log\,p_k$")
    ax.plot(p, _A - active, "--", label=r"flipped: $A - L(f(x), k)$")
    ax.axhline(0.5 * _A, color="0.5", linewidth=0.8, linestyle=":", label="$A / 2$")
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(0.0, 1.05 * _A)
    return plots.finish(ax, "probability of class $k$, $p_k$", "loss").figure


FIGURES = (
    PaperFigure("anl/1", "an active loss and its mirror image, the negative loss", vertical_flipping),
    PaperFigure(
        "anl/2",
        "accuracy on test data, on right and on wrong training labels, of five losses",
    ),
    PaperFigure(
        "anl/3",
        "regularizers for ANL-CE",
    ),
    PaperFigure(
        "anl/4",
        "the gradient of NNCE on samples with clean and with wrong labels",
    ),
    PaperFigure(
        "anl/5",
        "NCE+NNCE over a grid of weights",
    ),
    PaperFigure(
        "anl/6",
        "other regularizers for NCE+RCE, against ANL-CE",
    ),
    PaperFigure(
        "anl/7",
        "ANL-CE by p_min",
    ),
)

__all__ = ["FIGURES"]
