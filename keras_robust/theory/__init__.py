"""What can be computed before training: how a loss meets a network at initialisation."""

from keras_robust.theory.initialization import expected_margin, logit_bias

__all__ = ["expected_margin", "logit_bias"]
