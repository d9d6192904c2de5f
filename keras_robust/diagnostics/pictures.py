"""Pictures of losses and of runs: what is computed or read, then drawn. Each function returns a figure to save."""

import numpy as np

from keras_robust.checks import refuse
from keras_robust.diagnostics import plots
from keras_robust.diagnostics.believed import estimated_transition
from keras_robust.diagnostics.runs import LoggedRun
from keras_robust.diagnostics.statistics import effective_rate, margin_histograms, memorization_curves
from keras_robust.losses import RobustLoss
from keras_robust.theory import expected_margin, initial_margins, logit_bias, mean_error, weight_curve

# Logits between which mean errors are drawn: from where no network starts to where most labels are learned.
_LOGITS = (-4.0, 12.0, 97)

#: Numbers of classes at which the logit bias is drawn.
CLASSES = (2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100, 200, 500, 1000, 10_000, 100_000, 1_000_000)


def weights(losses: dict[str, RobustLoss], K: int, unit: bool = False):
    """Implicit weights of losses against the margin, over the margins of K classes at initialization.

    Args:
        losses: label -> loss.
        K: number of classes, at least 2.
        unit: whether each curve is divided by its largest value, so that shapes are compared.

    Example:

    >>> figure = keras_robust.diagnostics.pictures.weights({"MAE()": keras_robust.MAE()}, K=10)
    >>> figure.axes[0].get_xlabel()
    'logit margin of the label, $\\\\Delta_y$'
    """
    initial = initial_margins(K)
    reach = 4.0 + abs(expected_margin(K, exact=True))
    margins = np.linspace(-reach, reach, 201)
    curves = {label: weight_curve(loss, margins, K) for label, loss in losses.items()}
    if unit:
        curves = {label: values / max(values.max(), 1e-300) for label, values in curves.items()}
    title = f"{K} classes" + ("; each curve by its largest weight in the picture" if unit else "")
    return plots.weight_curves(margins, curves, initial, title=title).figure


def errors(losses: dict[str, RobustLoss], classes=(10, 100, 1000)):
    """Mean errors of losses against the label's logit, side by side for several numbers of classes.

    Args:
        losses: label -> loss.
        classes: numbers of classes.

    Example:

    >>> figure = keras_robust.diagnostics.pictures.errors({"MAE()": keras_robust.MAE()}, classes=(10, 100))
    >>> [ax.get_title() for ax in figure.axes[:2]]
    ['K = 10', 'K = 100']
    """
    if not len(classes):
        refuse("errors", "classes", "at least one number of classes", classes)
    z = np.linspace(*_LOGITS)
    drawn = plots.panels(1, len(classes), 1.2 + 3.2 * len(classes), 3.8)[0]
    for place, (ax, K) in enumerate(zip(drawn, classes, strict=True)):
        curves = {label: mean_error(loss, K, z) for label, loss in losses.items()}
        plots.mean_errors(z, curves, ax=ax, title=f"K = {K:,}")
        if place:
            ax.set_ylabel("")
    plots.one_legend(drawn)
    return drawn[0].figure


def bias(activations=(0.15,), classes=CLASSES):
    """The logit bias against the number of classes, for mean outputs of the label at the start.

    Args:
        activations: mean outputs, each in (0, 1).
        classes: numbers of classes.

    Example:

    >>> keras_robust.diagnostics.pictures.bias(classes=(10, 100)).axes[0].get_xscale()
    'log'
    """
    curves = {f"mean output {a:g}": [logit_bias(K, a) for K in classes] for a in activations}
    return plots.logit_bias(classes, curves).figure


def margins(run: LoggedRun, epochs=None):
    """Histograms of the margins of a run's clean and wrong labels at some epochs, counted from 1.

    Args:
        run: what `open_run` opened.
        epochs: logged epochs; None: four, evenly spread.

    Raises:
        ValueError: for an epoch that was not logged.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(4, RECORD)
    >>> records["margin"], records["label"], records["learning_rate"] = [2, 1, -1, 3], [0, 1, 1, 0], 0.1
    >>> write_epoch(tmp_path, 0, records)
    >>> run = keras_robust.diagnostics.open_run(tmp_path)
    >>> [ax.get_title(loc="left") for ax in keras_robust.diagnostics.pictures.margins(run, [1]).axes]
    ['epoch 1']
    """
    logged = [epoch + 1 for epoch in run.log.epochs]
    if epochs is not None and not set(epochs) <= set(logged):
        refuse("margins", "epochs", f"logged epochs, counted from 1: {logged}", epochs)
    found = margin_histograms(run.log, None if epochs is None else [epoch - 1 for epoch in epochs])
    return plots.margin_histograms(*found, title=run.title)[0].figure


def memorization(run: LoggedRun):
    """What a run made of clean and wrong labels, epoch by epoch; see `diagnostics.memorization_curves`.

    Raises:
        ValueError: if its clean labels are not known.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(4, RECORD)
    >>> records["margin"], records["label"], records["learning_rate"] = [2, 1, -1, 3], [0, 1, 1, 0], 0.1
    >>> write_epoch(tmp_path, 0, records)
    >>> run = keras_robust.diagnostics.open_run(tmp_path)
    >>> keras_robust.diagnostics.pictures.memorization(run).axes[0].get_ylabel()
    'share of samples (%)'
    """
    return plots.memorization(memorization_curves(run), title=run.title).figure


def alpha(runs: list[LoggedRun]):
    """The effective learning rates of runs, of one folder or of several.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(4, RECORD)
    >>> records["margin"], records["label"], records["learning_rate"] = [2, 1, -1, 3], [0, 1, 1, 0], 0.1
    >>> write_epoch(tmp_path, 0, records)
    >>> records["weight"] = 0.5
    >>> write_epoch(tmp_path, 1, records)
    >>> run = keras_robust.diagnostics.open_run(tmp_path)
    >>> keras_robust.diagnostics.pictures.alpha([run]).axes[0].lines[0].get_ydata().round(3).tolist()
    [0.05]
    """
    names = [run.name or run.settings.get("loss") or run.log.path.name for run in runs]
    whole = len(set(names)) == len(runs)
    curves = {name if whole else str(run.log.path): effective_rate(run) for name, run in zip(names, runs, strict=True)}
    return plots.effective_rate(curves, title=runs[0].data).figure


def transition(run: LoggedRun, class_names=None):
    """The noise in a run's labels, estimated from what the model believes; see `diagnostics.estimated_transition`.

    Args:
        run: what `open_run` opened.
        class_names: a name for each class, a list or a dict {id: name}; by default its id.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(4, RECORD)
    >>> records["margin"], records["label"], records["learning_rate"] = [2, 1, -1, 3], [0, 1, 1, 0], 0.1
    >>> write_epoch(tmp_path, 0, records)
    >>> run = keras_robust.diagnostics.open_run(tmp_path)
    >>> keras_robust.diagnostics.pictures.transition(run).axes[0].get_title()
    'estimated: 50.0% of the labels are wrong'
    """
    found = estimated_transition(run.log)
    title = "\n".join(filter(None, (run.title, f"estimated: {found.rate:.1%} of the labels are wrong")))
    ax = plots.transition_matrix(found.transition, class_names, title=title)
    ax.set_ylabel("label that the model believes")
    return ax.figure
