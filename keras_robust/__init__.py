"""keras_robust: learning from wrong labels with Keras 3, on TensorFlow, JAX and PyTorch.

    model.compile(optimizer, loss=keras_robust.ANLCE(alpha=5, beta=5, from_logits=True))

All losses are importable from here. `losses`, `metrics`, `optimizers`, `schedules` and `theory` need keras and numpy
alone; `algorithms`, `callbacks`, `catalog`, `comparison`, `data`, `diagnostics`, `export`, `models`, `noise`, `recipes`
and `search` are loaded when first used.
"""

import importlib

from keras_robust import losses, metrics, optimizers, schedules, theory
from keras_robust.jacobian import JacobianPenalty, jacobian_penalty
from keras_robust.losses import *  # noqa: F403 (its __all__ lists every loss)
from keras_robust.provenance import ProvenanceModel
from keras_robust.recommendation import recommend
from keras_robust.regularization import regularize
from keras_robust.version import __version__ as __version__

__all__ = [
    "JacobianPenalty",
    "ProvenanceModel",
    *losses.__all__,
    "jacobian_penalty",
    "losses",
    "metrics",
    "optimizers",
    "recommend",
    "regularize",
    "schedules",
    "theory",
]

_LOADED_ON_USE = (
    *("algorithms", "callbacks", "catalog", "comparison", "data", "diagnostics", "export", "models", "noise"),
    *("recipes", "search"),
)


def __getattr__(name):
    if name in _LOADED_ON_USE:
        return importlib.import_module(f"keras_robust.{name}")
    raise AttributeError(f"module 'keras_robust' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_LOADED_ON_USE])
