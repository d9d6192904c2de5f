"""Wrong labels on purpose: transition matrices T[i, j] = P(noisy = j | clean = i), and drawing from them."""

from keras_robust.noise.corruption import NoisyLabels, corrupt
from keras_robust.noise.specification import from_spec
from keras_robust.noise.transition import pair_flip, symmetric

__all__ = ["NoisyLabels", "corrupt", "from_spec", "pair_flip", "symmetric"]
