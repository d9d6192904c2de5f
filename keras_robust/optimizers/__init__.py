"""SGD and Adam as the papers had them, which are PyTorch's, and learning rates that move by epoch."""

from keras_robust.optimizers.coupled import CoupledAdam, CoupledSGD
from keras_robust.optimizers.rates import by_epoch, cosine

__all__ = ["CoupledAdam", "CoupledSGD", "by_epoch", "cosine"]
