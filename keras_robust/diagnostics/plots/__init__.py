"""Pictures, drawn with matplotlib. Every function takes arrays and returns the Axes it drew on."""

from keras_robust.diagnostics.plots.canvas import axes, one_legend, panels
from keras_robust.diagnostics.plots.curves import accuracy_curves, effective_rate, memorization
from keras_robust.diagnostics.plots.grids import contact_sheet, heat_map, transition_matrix
from keras_robust.diagnostics.plots.losses import logit_bias, mean_errors, weight_curves
from keras_robust.diagnostics.plots.margins import margin_histogram, margin_histograms

__all__ = [
    "accuracy_curves",
    "axes",
    "contact_sheet",
    "effective_rate",
    "heat_map",
    "logit_bias",
    "margin_histogram",
    "margin_histograms",
    "mean_errors",
    "memorization",
    "one_legend",
    "panels",
    "transition_matrix",
    "weight_curves",
]
