"""The figures of Staats et al. 2023: mean errors at initialization, by the number of classes."""

import numpy as np

from keras_robust import losses, models
from keras_robust.diagnostics import pictures, plots
from keras_robust.diagnostics.figures.fresh import first_images, fresh_logits
from keras_robust.diagnostics.figures.schema import PaperFigure
from keras_robust.theory import landscape, logit_bias, mean_error

_Z = np.linspace(-4.0, 12.0, 49)
_NORMAL = np.exp(-0.5 * np.linspace(-4.0, 4.0, 81) ** 2) / np.sqrt(2.0 * np.pi)

# Table 1 with the parameters of Appendix Table 1: few classes, and many. b of the paper's AGCE is called a here.
_FEW = {
    "CE": losses.CE(),
    "MAE": losses.MAE(),
    "genCE": losses.GCE(q=0.7),
    "biTemp": losses.BiTempered(t1=0.8, t2=1.2),
    "AGCE": losses.AGCE(a=0.6, q=0.6),
    "NF-MAE / 20": 0.05 * losses.NFLandMAE(alpha=1.0, beta=20.0),
    "NCE-AGCE / 2": 0.5 * losses.NCEandAGCE(alpha=1.0, beta=4.0, a=6.0, q=1.5),
}
_OLD = losses.NCEandAGCE(alpha=10.0, beta=0.1, a=1.8, q=3.0)
_NEW = losses.NCEandAGCE(alpha=100.0, beta=0.7, a=0.05, q=0.05)
# epsilon by the number of classes, as the paper has it.
_PRINTED_BIAS = {10: 0.5, 100: 3.0, 1000: 5.2}
_MANY = {
    **{name: _FEW[name] for name in ("CE", "MAE", "genCE", "biTemp")},
    "AGCE": losses.AGCE(a=1e-5, q=0.5),
    "NF-MAE": losses.NFLandMAE(alpha=1.0, beta=0.2),
    "NCE-AGCE": _OLD,
}


def errors_of_mae():
    """Figure 1."""
    drawn = plots.panels(2, 1, 7.0, 5.0, share="x")[:, 0]
    errors = {f"MAE, K = {K}": mean_error(losses.MAE(), K, _Z) for K in (10, 100)}
    _over_logits(drawn, errors)
    return drawn[0].figure


def errors_of_all_losses():
    """Figure 2: 10 and 1000 classes; the area of the shifted logits is that of MAE*."""
    drawn = plots.panels(1, 2, 11.0, 4.4, share="x")[0]
    start = np.random.default_rng(0).normal(size=20_000)
    for ax, group, K in zip(drawn, (_FEW, _MANY), (10, 1000), strict=True):
        errors = {label: mean_error(loss, K, _Z) for label, loss in group.items()}
        plots.shifted_logits(_Z, errors, start, logit_bias(K), ax=ax, title=f"K = {K:,}")
        plots.legend_below(ax)
    return drawn[0].figure


def errors_of_three_q():
    """Figure 3."""
    curves = {
        f"K = {K:,}, q = {q:g}": mean_error(losses.GCE(q=q), K, _Z) for K, q in ((100, 0.7), (1000, 0.7), (1000, 0.48))
    }
    ax = plots.mean_errors(_Z, curves, title="genCE")
    ax.axhline(mean_error(losses.GCE(q=0.7), 100), color="0.6", linewidth=0.8)
    return ax.figure


def bias_by_classes():
    """Appendix Figure 1."""
    figure = pictures.bias((0.15,))
    ax = figure.axes[0]
    ax.plot(*zip(*_PRINTED_BIAS.items(), strict=True), "x", color="black", label="printed")
    ax.legend(frameon=False)
    return figure


def logits_of_new_networks(data_dir=None, mlps: int = 20, resnets: int = 2):
    """Appendix Figure 2. The paper has 500 MLPs and 20 ResNets."""
    drawn = plots.panels(1, 2, 9.0, 3.6, share=False)[0]
    for ax, (name, count, build, K, networks) in zip(
        drawn,
        (("cifar10", 150, models.mlp1024, 10, mlps), ("cifar100", 300, models.resnet34, 100, resnets)),
        strict=True,
    ):
        images, _, what = first_images(name, count, data_dir)
        logits = fresh_logits(build, images, K, networks).ravel()
        spread = np.sqrt(np.mean(logits.astype("float64") ** 2))
        ax.hist(logits, bins=80, density=True, color="0.8", label=f"{networks} of {build.__name__}")
        z = np.linspace(-4.0, 4.0, 201)
        density = np.exp(-0.5 * z**2) / (spread * np.sqrt(2.0 * np.pi))
        ax.plot(spread * z, density, color="tab:green", label=rf"$N(0, {spread:.2f}^2)$")
        plots.finish(ax, "logit, $z$", "density", what)
    return drawn[0].figure


def errors_before_and_after():
    """Appendix Figure 3."""
    drawn = plots.panels(2, 2, 10.0, 5.6, share="x")
    pairs = {"genCE": (losses.GCE(q=0.7), losses.GCE(q=0.48)), "NCE-AGCE": (_OLD, _NEW)}
    for column, (name, (old, new)) in enumerate(pairs.items()):
        errors = {
            "K = 100, old": mean_error(old, 100, _Z),
            "K = 1,000, old": mean_error(old, 1000, _Z),
            "K = 1,000, new": mean_error(new, 1000, _Z),
        }
        _over_logits(drawn[:, column], errors, name)
    return drawn[0, 0].figure


def search_of_four_parameters():
    """Appendix Figure 4: two of the four at a time, the others at the choice."""
    K, aim = 1000, mean_error(_OLD, 100)
    drawn = plots.panels(1, 2, 10.0, 4.0, share=False)[0]
    small, large = np.geomspace(0.005, 0.5, 21), np.geomspace(10.0, 1000.0, 21)
    for ax, values, chosen in (
        (drawn[0], {"q": small, "a": small}, (0.05, 0.05)),
        (drawn[1], {"alpha": large, "beta": large / 100.0}, (100.0, 0.7)),
    ):
        heights = landscape(_NEW, values, K)
        plots.landscape(values, heights, aim, chosen, ax=ax, title=f"NCE-AGCE, K = {K:,}; dashed: {aim:.4f}")
    return drawn[0].figure


def _over_logits(drawn, errors, title=None):
    """Mean errors, and below them the logits of a new network."""
    upper, lower = drawn
    plots.mean_errors(_Z, errors, ax=upper, sigma=None, title=title)
    upper.legend(frameon=False, fontsize="small", handlelength=3.2)
    upper.set_xlabel("")
    lower.fill_between(
        np.linspace(-4.0, 4.0, 81), 0.0, _NORMAL, color="0.8", label=r"logits at initialization, $N(0, 1)$"
    )
    lower.set_ylim(bottom=0.0)
    plots.finish(lower, "logit of the label, $z_k$", "density")


FIGURES = (
    PaperFigure("logit-bias/1", "MAE's mean error moves away from the first logits as classes grow", errors_of_mae),
    PaperFigure("logit-bias/2", "mean errors of all losses at 10 and 1000 classes", errors_of_all_losses),
    PaperFigure("logit-bias/3", "q of genCE for 1000 classes, by the mean error at 0", errors_of_three_q),
    PaperFigure(
        "logit-bias/4",
        "test accuracy, and accuracy on wrongly labeled training images, through training on CIFAR-10",
    ),
    PaperFigure(
        "logit-bias/5",
        "test accuracy through training on CIFAR-100",
    ),
    PaperFigure("logit-bias/appendix-1", "the logit bias by the number of classes", bias_by_classes),
    PaperFigure(
        "logit-bias/appendix-2",
        "logits of new networks are close to normal",
        logits_of_new_networks,
        needs_images=True,
    ),
    PaperFigure(
        "logit-bias/appendix-3",
        "mean errors of genCE and NCE-AGCE before and after new parameters for 1000 classes",
        errors_before_and_after,
    ),
    PaperFigure(
        "logit-bias/appendix-4",
        "the search of NCE-AGCE's four parameters (b of the paper is a here)",
        search_of_four_parameters,
    ),
)

__all__ = ["FIGURES"]
