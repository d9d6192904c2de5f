"""Pictures, drawn with matplotlib. Every function takes arrays and returns the Axes it drew on."""

from keras_robust.diagnostics.plots.canvas import axes, finish, legend_below, lines, one_legend, panels
from keras_robust.diagnostics.plots.curves import accuracy_curves, effective_rate, gradient_boxes, memorization
from keras_robust.diagnostics.plots.grids import contact_sheet, heat_map, transition_matrix
from keras_robust.diagnostics.plots.losses import (
    landscape,
    logit_bias,
    mean_errors,
    posterior_gradients,
    shifted_logits,
    weight_curves,
)
from keras_robust.diagnostics.plots.margins import margin_histogram, margin_histograms

__all__ = [
    "accuracy_curves",
    "axes",
    "contact_sheet",
    "effective_rate",
    "finish",
    "gradient_boxes",
    "heat_map",
    "landscape",
    "legend_below",
    "lines",
    "logit_bias",
    "margin_histogram",
    "margin_histograms",
    "mean_errors",
    "memorization",
    "one_legend",
    "panels",
    "posterior_gradients",
    "shifted_logits",
    "transition_matrix",
    "weight_curves",
]
