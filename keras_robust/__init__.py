"""keras_robust: learning from wrong labels with Keras 3, on TensorFlow, JAX and PyTorch.

    model.compile(optimizer, loss=keras_robust.ANLCE(alpha=5, beta=5, from_logits=True))

All losses are importable from here. `losses` and `theory` hold the rest of what needs keras and numpy alone; `data`,
`diagnostics`, `models`, `noise` and `recipes` are loaded when they are first used.
"""

import importlib

from keras_robust import losses, theory
from keras_robust.losses import (
    AEL,
    AGCE,
    ANLCE,
    ANLCEER,
    ANLFL,
    APL,
    AUL,
    CE,
    CR,
    DAL,
    FL,
    GCE,
    GLS,
    JS,
    MAE,
    MSE,
    NCE,
    NFL,
    NGCE,
    NMAE,
    NNCE,
    NNFL,
    NRCE,
    RCE,
    SCE,
    TCE,
    BiTempered,
    Bootstrap,
    GCEStar,
    LogitBias,
    MAEStar,
    MarginScale,
    MarginShift,
    NCEandAEL,
    NCEandAGCE,
    NCEandAUL,
    NCEandMAE,
    NCEandRCE,
    NegativeNormalized,
    NFLandMAE,
    NFLandMAEStar,
    NFLandRCE,
    NGCEandMAE,
    NGCEandRCE,
    Normalized,
    PeerLoss,
    PHuberCE,
    Poly1,
    RobustLoss,
    SparseRegularized,
    UnitWeight,
    WeightedSum,
)
from keras_robust.regularization import regularize

__version__ = "0.1.0"

_LOADED_ON_USE = ("data", "diagnostics", "models", "noise", "recipes")


def __getattr__(name):
    if name in _LOADED_ON_USE:
        return importlib.import_module(f"keras_robust.{name}")
    raise AttributeError(f"module 'keras_robust' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_LOADED_ON_USE])
