"""What can be computed before training: how a loss meets a network at initialization, and what noise it bears."""

import importlib

from keras_robust.losses.initialization import expected_margin, logit_bias

# Losses are made of `initialization`, and everything else here is made of losses: it is loaded when it is first used.
_HOMES = {
    "LabelSums": "tolerance",
    "MarginDensity": "margins",
    "NCEDecomposition": "normalization",
    "asymmetric_up_to": "asymmetry",
    "asymmetry_ratio": "asymmetry",
    "initial_margins": "margins",
    "is_symmetric": "symmetry",
    "label_sums": "tolerance",
    "landscape": "hyperparameters",
    "mean_error": "errors",
    "measured_margins": "margins",
    "nce_decomposition": "normalization",
    "posterior_gradient": "weights",
    "risk_gap": "tolerance",
    "tolerated_rate": "tolerance",
    "transfer": "hyperparameters",
    "weight_curve": "weights",
}

__all__ = ["expected_margin", "logit_bias", *_HOMES]


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(f"keras_robust.theory.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'keras_robust.theory' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_HOMES])
