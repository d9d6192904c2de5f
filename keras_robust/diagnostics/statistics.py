"""What a log or a History says of training: curves of memorization, the effective learning rate, margins by epoch."""

from typing import NamedTuple

import keras
import numpy as np

from keras_robust.checks import Interval, at_least, refuse
from keras_robust.diagnostics.runs import LoggedRun
from keras_robust.weight_log import WeightLog

# What the entries of a History are called in a picture; see `keras_robust.metrics`.
_CURVES = {
    "val_accuracy": "clean test labels",
    "memorized_share": "wrong labels, memorized",
    "corrected_share": "wrong labels, corrected",
}


class Curve(NamedTuple):
    """Values (n,) at epochs (n,), counted from 1."""

    epochs: np.ndarray
    values: np.ndarray


class MarginHistograms(NamedTuple):
    """How many samples have which margin.

    Attributes:
        edges: of the bins, (bins + 1,).
        epochs: the epochs, counted from 0 as the log has them.
        counts: (epochs, bins) for the samples with "clean" and with "wrong" labels; for "all", where nobody knows.
    """

    edges: np.ndarray
    epochs: list
    counts: dict


def memorization_curves(source) -> dict[str, Curve]:
    """What becomes of right and wrong labels, epoch by epoch, and of the test data.

    "clean training labels": share that the model predicts; "wrong labels, memorized": share of the wrong labels that it
    predicts; "wrong labels, corrected": share for which it predicts the clean label instead; "clean test labels": test
    accuracy. What is not known is left out.

    Reference: Li et al. 2023, Fig. 4.

    Args:
        source: a `WeightLog`, what `open_run` opened, or a History (or its dict) of a `fit` with the metrics
            `MemorizedShare` and `CorrectedShare`.

    Raises:
        ValueError: if nothing of it is known.

    Example:

    >>> history = {"accuracy": [0.5, 0.7], "val_accuracy": [0.6, 0.9], "memorized_share": [0.1, 0.2]}
    >>> curves = keras_robust.diagnostics.memorization_curves(history)
    >>> curves["wrong labels, memorized"].values.tolist(), sorted(curves)
    ([0.1, 0.2], ['clean test labels', 'wrong labels, memorized'])
    """
    if isinstance(source, LoggedRun):
        curves = _of_log(source.log)
        if source.accuracy is not None:
            curves["clean test labels"] = _curve(source.accuracy)
    elif isinstance(source, WeightLog):
        curves = _of_log(source)
    else:
        history = _history("memorization_curves", source)
        curves = {name: _curve(history[key]) for key, name in _CURVES.items() if key in history}
    if not curves:
        raise ValueError(
            "Nothing is known of what became of wrong labels: the log holds no clean labels, or the History none of "
            f"{', '.join(_CURVES)}."
        )
    return curves


def effective_rate(source, cumulative: bool = False) -> np.ndarray:
    """alpha_t = eta_t times the mean implicit weight: the learning rate that a loss makes of the one it is given.

    Two losses with the same alpha_t learn at the same speed; a robust loss lowers it by itself as training goes.

    Reference: Ou & Zhang 2023.

    Args:
        source: a `WeightLog` or what `open_run` opened, for one value a step (`WeightLog.alpha`); or a History (or its
            dict) with "learning_rate" and "weight_clean" or "weight_wrong" (`metrics.MeanImplicitWeight`), for one
            value an epoch and each of these.
        cumulative: whether to give the mean over all samples so far, sum_{s <= t} eta_s w_s |B_s| / sum_{s <= t} |B_s|,
            which is what the paper draws. All epochs of a History count as of one size.

    Returns:
        (steps,) from a log, (epochs,) from a History: of clean labels if both are there.

    Raises:
        ValueError: for a History without these.

    Example:

    >>> history = {"learning_rate": [0.1, 0.05], "weight_clean": [0.5, 0.2]}
    >>> keras_robust.diagnostics.effective_rate(history).round(4).tolist()
    [0.05, 0.01]
    """
    if isinstance(source, LoggedRun | WeightLog):
        return (source.log if isinstance(source, LoggedRun) else source).alpha(cumulative)
    history = _history("effective_rate", source)
    weights = next((history[key] for key in ("weight_clean", "weight_wrong") if key in history), None)
    if weights is None or "learning_rate" not in history:
        raise ValueError(
            "A History gives the effective learning rate if it holds learning_rate and the metric MeanImplicitWeight. "
            f"It holds: {', '.join(history)}."
        )
    rates = np.asarray(history["learning_rate"], "float64") * np.asarray(weights, "float64")
    return np.cumsum(rates) / np.arange(1, len(rates) + 1) if cumulative else rates


def nnce_gradients(predictions, labels, p_min: float = 1e-7) -> np.ndarray:
    """The largest gradient of `NNCE` in the probability of a class that is not the label, of every sample.

    max_{k != y} dL / dp_k = (A + log p_y) / (sum_j (A + log p_j))^2 / p_k, A = -log p_min, 0 where p_k is clamped. It
    grows as a sample is learned: `NNCE` attends to what the model believes, which clean labels come to be. Groups of
    it by epoch are what `plots.gradient_boxes` draws.

    Reference: Ye et al. 2023, Fig. 4.

    Args:
        predictions: probabilities (n, K).
        labels: given class ids (n,).
        p_min: that of `NNCE`, in (0, 1/K).

    Raises:
        ValueError: for shapes that do not fit, or an argument out of range.

    Example:

    >>> p = np.array([[0.5, 0.25, 0.25], [0.9, 0.05, 0.05]])
    >>> keras_robust.diagnostics.nnce_gradients(p, [0, 0]).round(4).tolist()
    [0.0306, 0.1793]
    """
    p, labels = np.asarray(predictions, "float64"), np.asarray(labels)
    if p.ndim != 2 or labels.shape != p.shape[:1] or np.any(p < 0):
        refuse("nnce_gradients", "predictions", "probabilities (n, K), a row for each label", p.shape)
    K = p.shape[1]
    p_min = Interval(0.0, 1.0 / K, open_low=True, open_high=True).check("nnce_gradients", "p_min", p_min)
    clamped = np.maximum(p, p_min)
    values = np.log(clamped) - np.log(p_min)
    label = np.take_along_axis(values, labels[:, None].astype(int), axis=1)
    slopes = np.where(p > p_min, label / values.sum(axis=1, keepdims=True) ** 2 / clamped, 0.0)
    np.put_along_axis(slopes, labels[:, None].astype(int), 0.0, axis=1)
    return slopes.max(axis=1)


def margin_histograms(log: WeightLog, epochs=None, bins: int = 60) -> MarginHistograms:
    """The margins of samples with clean and with wrong labels, apart, at some epochs.

    The bins span the margins of all these epochs, so that pictures of them can be compared.

    Reference: Ou & Zhang 2023, Figs. 3, 9 and 10.

    Args:
        log: the log of a training run.
        epochs: logged epochs, counted from 0; None: four of them, evenly spread from the first to the last.
        bins: how many, at least 1.

    Raises:
        ValueError: for an epoch that was not logged.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(3, RECORD)
    >>> records["margin"], records["label"] = [0.0, 1.0, 4.0], [0, 1, 0]
    >>> write_epoch(tmp_path, 0, records)
    >>> log = keras_robust.diagnostics.WeightLog(tmp_path)
    >>> found = keras_robust.diagnostics.margin_histograms(log, bins=2)
    >>> found.edges.tolist(), found.counts["clean"].tolist(), found.counts["wrong"].tolist()
    ([0.0, 2.0, 4.0], [[1, 1]], [[1, 0]])
    """
    bins = at_least(1, integer=True).check("margin_histograms", "bins", bins)
    if epochs is None:
        epochs = [log.epochs[i] for i in np.unique(np.linspace(0, len(log.epochs) - 1, 4).round().astype(int))]
    shown = []
    for epoch in epochs:
        records = log.epoch(epoch)
        margins = np.array(records["margin"], "float64")
        margins[records["label"] < 0] = np.nan
        shown.append(margins)
    known = np.concatenate(shown)
    known = known[np.isfinite(known)]
    if not known.size:
        refuse("margin_histograms", "epochs", "epochs that saw a sample", list(epochs))
    edges = np.histogram_bin_edges(known, bins)
    counts = {
        name: np.stack([np.histogram(margins[members & np.isfinite(margins)], edges)[0] for margins in shown])
        for name, members in groups_by_label(log).items()
    }
    return MarginHistograms(edges, list(epochs), counts)


def groups_by_label(log: WeightLog) -> dict[str, np.ndarray]:
    """Samples whose label is "clean" and whose is "wrong", booleans (records,); "all" where no clean label is known."""
    return {"all": np.ones(log.num_records, bool)} if log.clean is None else {"clean": ~log.wrong, "wrong": log.wrong}


def _of_log(log):
    if log.clean is None:
        return {}
    epochs = np.array(log.epochs) + 1
    shares = {
        "clean training labels": log.clean_accuracy(),
        "wrong labels, memorized": log.memorized(),
        "wrong labels, corrected": log.corrected(),
    }
    return {name: Curve(epochs, values) for name, values in shares.items() if not np.all(np.isnan(values))}


def _history(owner, source):
    history = source.history if isinstance(source, keras.callbacks.History) else source
    if not isinstance(history, dict):
        refuse(owner, "source", "a WeightLog, an opened run, or a History", source)
    return history


def _curve(values):
    return Curve(np.arange(1, len(values) + 1), np.asarray(values, "float64"))
