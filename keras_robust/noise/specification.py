"""Noise as a short string, the same on the command line and in code: "symmetric:0.4"."""

from functools import partial

import numpy as np

from keras_robust.noise.transition import pair_flip, symmetric

KINDS = {
    "symmetric": symmetric,
    "symmetric+true": partial(symmetric, include_true=True),
    "pair": pair_flip,
}


def from_spec(spec: str | None, K: int) -> np.ndarray:
    """The transition matrix (K, K) that a string such as "symmetric:0.4" stands for; None is no noise.

    Known kinds: "symmetric:RATE" (to another class), "symmetric+true:RATE" (resampled over all classes), "pair:RATE".

    Raises:
        ValueError: for an unknown kind or a rate that is not a number in [0, 1].

    Example:

    >>> keras_robust.noise.from_spec("pair:0.5", K=2).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    if spec is None:
        return np.eye(K)
    kind, _, rate = spec.partition(":")
    try:
        if kind not in KINDS:
            raise ValueError
        value = float(rate)
    except ValueError:
        known = ", ".join(f'"{name}:RATE"' for name in KINDS)
        raise ValueError(f"Noise must be None or one of {known}, with a rate in [0, 1]. Received: {spec!r}.") from None
    return KINDS[kind](K, value)
