"""The figures of Li et al. 2023: gradients of losses, and the triggers of backdoors."""

import numpy as np

from keras_robust import losses
from keras_robust.data import generated, load_arrays
from keras_robust.diagnostics import plots
from keras_robust.diagnostics.figures.schema import PaperFigure
from keras_robust.noise import add_trigger
from keras_robust.theory import posterior_gradient

# The parameters are in the drawing alone: these are ours.
_PANELS = {
    "CE": {"CE": losses.CE()},
    "MAE": {"MAE": losses.MAE()},
    "GCE": {f"q = {q:g}": losses.GCE(q=q) for q in (0.3, 0.5, 0.7, 0.9)},
    "TCE": {f"t = {t}": losses.TCE(t=t) for t in (2, 6, 20)},
    "JS": {rf"$\pi$ = {pi:g}": losses.JS(pi=pi) for pi in (0.1, 0.5, 0.9)},
    "GCE, q > 1": {f"q = {q:g}": losses.GCE(q=q) for q in (1.2, 1.5, 2.0)},
}


def gradients_by_posterior():
    """Figure 2."""
    drawn = plots.panels(2, 3, 11.0, 6.4, share="x")
    p = np.linspace(0.02, 1.0, 197)
    for place, (ax, (title, group)) in enumerate(zip(drawn.ravel(), _PANELS.items(), strict=True)):
        plots.posterior_gradients(p, {name: posterior_gradient(loss, p) for name, loss in group.items()}, ax, title)
        ax.set_ylim(0.0, min(max(ax.get_ylim()[1], 1.25), 10.0))
        if place < 3:
            ax.set_xlabel("")
        if place % 3:
            ax.set_ylabel("")
    return drawn[0, 0].figure


def backdoor_triggers(data_dir=None):
    """Figure 5, on images of CIFAR-10; where they are not at hand, on digits, or on generated images."""
    images, what = _images(data_dir)
    kinds = {"without": images, **{kind: add_trigger(images, kind) for kind in ("local", "global")}}
    captions = [f"{kind} trigger" for kind in kinds for _ in images]
    return plots.contact_sheet(np.concatenate([*kinds.values()]), captions, columns=len(images), title=what).figure


def _images(data_dir):
    for name, folder in (("cifar10", data_dir), ("digits", None)):
        try:
            return load_arrays(name, folder).x_train[:6], f"images of {name}"
        except (FileNotFoundError, ImportError):
            continue
    return generated("cifar10", train_size=6).x_train, "generated images"


FIGURES = (
    PaperFigure(
        "dal/1",
        "test accuracy of CE and MAE, of GCE by q, and of DAL by q_s",
    ),
    PaperFigure("dal/2", "gradients of losses against the probability of the label", gradients_by_posterior),
    PaperFigure(
        "dal/3",
        "test accuracy by q_s of DAL and q of GCE, by q_e and lambda_e",
    ),
    PaperFigure(
        "dal/4",
        "accuracy on test data, on right and on wrong training labels, through training",
    ),
    PaperFigure("dal/5", "images with the triggers of backdoors", backdoor_triggers, needs_images=True),
)

__all__ = ["FIGURES"]
