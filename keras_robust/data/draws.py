"""Random numbers inside a compiled step, the same ones on every backend: each a hash of where it stands."""

import keras
import numpy as np
from keras import ops

_MASK = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9  # 2^32 divided by the golden ratio: neighbors are far apart


def epoch_key(seed: int, epoch: int) -> int:
    """What the draws of an epoch begin from: below 2^31, and far from that of the next epoch.

    Example:

    >>> epoch_key(0, 0) != epoch_key(0, 1) != epoch_key(1, 0)
    True
    """
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]) >> 1


def generators_of(layer) -> list[keras.random.SeedGenerator]:
    """What a layer, and the layers inside it, draw from."""
    layers = layer._flatten_layers()
    return [one for inner in layers for one in vars(inner).values() if isinstance(one, keras.random.SeedGenerator)]


def begin_draws(generator: keras.random.SeedGenerator, seed: int, epoch: int) -> None:
    """Begins the draws of an epoch, counted from 0."""
    state = np.array([epoch_key(seed, epoch), 0])
    generator.state.assign(ops.convert_to_tensor(state, generator.state.dtype))


def drawn(generator: keras.random.SeedGenerator):
    """The state for the next draws in a step; those after have another.

    Keras' own `next` sends a number to the device.
    """
    before = generator.state.value + 0
    generator.state.assign(before + 1)
    return before


def uniform(state, shape: tuple):
    """Numbers from [0, 1), float32, in steps of 2^-24.

    Each is a hash of `state` and of its position. (`keras.random` would draw other numbers on each backend, and read
    the state back from the accelerator on PyTorch.)

    Args:
        state: (2,), whole numbers below 2^32: a key and how often it was drawn from before.
        shape: the shape of what is drawn, which may hold one tensor, the size of a batch.

    Example:

    >>> [round(float(u), 3) for u in uniform(np.array([3, 0]), (4,))]
    [0.49, 0.514, 0.066, 0.18]
    """
    count = 1
    for size in shape:
        count = count * size
    dtype = "uint32" if keras.backend.backend() == "jax" else "int64"  # PyTorch does not multiply the former
    state = ops.cast(state, dtype)
    start = _mixed(_mixed(state[0]) + state[1] * _number(_GOLDEN))
    positions = ops.cast(ops.arange(count, dtype="int32"), dtype)
    bits = _mixed(_mixed(start + positions * _number(_GOLDEN)) + start)
    return ops.reshape(ops.cast(_shifted(bits, 8), "float32") * 2.0**-24, shape)


def _number(value):
    """A number that its backend multiplies with, and that PyTorch need not send to a GPU."""
    return np.uint32(value) if keras.backend.backend() == "jax" else value


def _shifted(bits, count):
    return ops.right_shift(bits, count) if keras.backend.backend() == "tensorflow" else bits >> count


def _mixed(bits):
    """A whole number below 2^32 for another, such that every bit of one changes half of the bits of the other.

    Reference: C. Wellons 2018, "Prospecting for hash functions": the constants of `lowbias32`.
    """
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
        bits = bits & _number(_MASK)
        bits = (bits ^ _shifted(bits, shift)) * _number(factor)
    return bits & _number(_MASK)
