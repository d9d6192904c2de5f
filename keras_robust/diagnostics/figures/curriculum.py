"""The figures of Ou & Zhang 2023: implicit weights over the margins that a network starts with."""

import numpy as np

from keras_robust import losses, models
from keras_robust.diagnostics import plots
from keras_robust.diagnostics.figures.fresh import first_images, fresh_logits, label_margins
from keras_robust.diagnostics.figures.schema import PaperFigure
from keras_robust.theory import initial_margins, weight_curve

_MARGINS = np.linspace(-12.0, 8.0, 201)
#: tau of Figure 7 as its caption says it: |E margin| of CIFAR-10 by the paper's formula; see `theory.expected_margin`.
_TAU = 2.717


def _sce(q):
    return (1.0 - q) * losses.CE() + q * losses.MAE()


# Table 2 with the parameters of Table 8, in the groups that its accuracies on CIFAR-100 make. Without NCE and NCE+MAE,
# whose weight the margin alone does not tell.
_BY_UNDERFITTING = {
    "no underfitting": {
        "CE": losses.CE(),
        "SCE, q = 0.7": _sce(0.7),
        "GCE, q = 0.3": losses.GCE(q=0.3),
    },
    "mild": {"AUL, a = 1.1, q = 5": losses.AUL(a=1.1, q=5.0), "AGCE, a = 0.1, q = 0.1": losses.AGCE(a=0.1, q=0.1)},
    "severe": {
        "MAE": losses.MAE(),
        "AUL, a = 3, q = 0.7": losses.AUL(a=3.0, q=0.7),
        "AGCE, a = 1.6, q = 2": losses.AGCE(a=1.6, q=2.0),
    },
}
# The values of Figure 5 are in its drawing alone: these are ours.
_BY_PARAMETER = {
    "FL": {f"gamma = {gamma:g}": losses.FL(gamma=gamma) for gamma in (0.0, 0.5, 2.0)},
    "SCE": {f"q = {q:g}": _sce(q) for q in (0.3, 0.7, 0.95)},
    "GCE": {f"q = {q:g}": losses.GCE(q=q) for q in (0.1, 0.4, 0.7, 1.0)},
    "TCE": {f"t = {t}": losses.TCE(t=t) for t in (1, 2, 6)},
    "AUL": {f"a = {a:g}, q = {q:g}": losses.AUL(a=a, q=q) for a, q in ((1.1, 5.0), (2.0, 2.0), (3.0, 0.7))},
    "AGCE": {f"a = {a:g}, q = {q:g}": losses.AGCE(a=a, q=q) for a, q in ((0.1, 0.1), (1.6, 2.0), (3.0, 4.0))},
}
# Table 12.
_OF_TABLE_5 = {
    "CE": losses.CE(),
    "SCE, q = 0.95": _sce(0.95),
    "GCE, q = 0.4": losses.GCE(q=0.4),
    "AUL, a = 2, q = 2": losses.AUL(a=2.0, q=2.0),
    "MAE": losses.MAE(),
    "AGCE, a = 3, q = 4": losses.AGCE(a=3.0, q=4.0),
}


def weights_by_underfitting():
    """Figure 2."""
    return _weights_in_panels(_BY_UNDERFITTING, 1, _starts(10, 100), 100)


def weights_by_parameter():
    """Figure 5."""
    return _weights_in_panels(_BY_PARAMETER, 2, _starts(100), 100)


def margins_at_initialization(data_dir=None, networks: int = 2):
    """Figure 6: the networks of CIFAR-10 and CIFAR-100, each on 200 images."""
    drawn = plots.panels(1, 2, 9.0, 3.6, share=False)[0]
    for ax, (name, build, K) in zip(
        drawn, (("cifar10", models.cnn8, 10), ("cifar100", models.resnet34, 100)), strict=True
    ):
        images, labels, what = first_images(name, 200, data_dir)
        logits = fresh_logits(build, images, K, networks)
        found = label_margins(logits, labels).ravel()
        ax.hist(found, bins=40, density=True, color="0.8", label=f"{build.__name__}, new")
        ax.plot(*initial_margins(K), label=r"logits $N(0, 1)$")
        ax.plot(*initial_margins(K, float(logits.std())), "--", label=rf"logits $N(0, {logits.std():.2f}^2)$")
        ax.set_xlim(-6.0 + initial_margins(K).margins.mean(), 6.0 + initial_margins(K).margins.mean())
        plots.finish(ax, r"logit margin of the label, $\Delta_y$", "density", what)
    return drawn[0].figure


def weights_moved_and_stretched():
    """Figure 7."""
    mae = losses.MAE()
    curves = {
        "MAE": mae,
        "MAE shift": losses.MarginShift(mae, tau=_TAU),
        "MAE scale": losses.MarginScale(mae, tau=_TAU),
    }
    return plots.weight_curves(_MARGINS, _unit(curves, 100), _starts(10, 100), title="100 classes").figure


def weights_of_table_5():
    """Figure 8."""
    return plots.weight_curves(_MARGINS, _unit(_OF_TABLE_5, 10), _starts(10), title="10 classes").figure


def _weights_in_panels(groups, rows, starts, K):
    drawn = plots.panels(rows, len(groups) // rows, 4.0 * len(groups) // rows, 3.9 * rows, share="y").ravel()
    for place, (ax, (title, group)) in enumerate(zip(drawn, groups.items(), strict=True)):
        plots.weight_curves(_MARGINS, _unit(group, K), starts, ax=ax, title=title)
        plots.legend_below(ax)
        if place % (len(groups) // rows):
            ax.set_ylabel("")
    return drawn[0].figure


def _unit(group, K):
    """Curves whose largest weight in the picture is 1."""
    curves = {label: weight_curve(loss, _MARGINS, K) for label, loss in group.items()}
    return {label: values / values.max() for label, values in curves.items()}


def _starts(*classes):
    return {f"start, K = {K}": initial_margins(K) for K in classes}


FIGURES = (
    PaperFigure(
        "curriculum/1",
        "effective learning rates alpha_t of losses that underfit, and of CE",
    ),
    PaperFigure(
        "curriculum/2",
        "implicit weights of losses that underfit CIFAR-100 not, mildly and severely",
        weights_by_underfitting,
    ),
    PaperFigure(
        "curriculum/3",
        "margins of clean and wrong labels through training, symmetric noise of 0.4",
    ),
    PaperFigure(
        "curriculum/4",
        "the schedule decides on robustness: long training, and learning rates",
    ),
    PaperFigure("curriculum/5", "hyper-parameters change where a loss puts its weight", weights_by_parameter),
    PaperFigure(
        "curriculum/6",
        "margins at initialization, of normal logits and of new networks",
        margins_at_initialization,
        needs_images=True,
    ),
    PaperFigure(
        "curriculum/7",
        "the implicit weight of MAE moved and stretched to where 100 classes start",
        weights_moved_and_stretched,
    ),
    PaperFigure("curriculum/8", "implicit weights of the losses of Table 5", weights_of_table_5),
    PaperFigure(
        "curriculum/9",
        "margins of clean and wrong labels through training, three kinds of noise",
    ),
    PaperFigure(
        "curriculum/10",
        "margins of clean and wrong labels through training, three more losses",
    ),
)

__all__ = ["FIGURES"]
