"""Backdoors: a few samples of other classes carry a mark and the attacker's label."""

from typing import NamedTuple

import numpy as np

from keras_robust.checks import Interval, OneOf, refuse
from keras_robust.noise.corruption import SEED, NoisyLabels, checked_ids

TRIGGER = OneOf(("local", "global"))
PATCH = 3
BLEND = 0.2
# Fixed: the images of training and of test time must share one pattern.
_PATTERN_SEED = 0


class Backdoor(NamedTuple):
    """Poisoned training data: new images, their labels, and the positions of the poisoned samples, ascending."""

    images: np.ndarray
    labels: NoisyLabels
    indices: np.ndarray


def backdoor(
    images,
    labels,
    target: int,
    trigger: str = "local",
    n: int = 100,
    seed: int = 0,
    num_classes: int | None = None,
    value_range: tuple | None = None,
) -> Backdoor:
    """Poisons `n` samples of other classes: they get the trigger and the label `target`; the inputs are left alone.

    Triggers are those of `add_trigger`. To see what the backdoor did to a model, put the trigger on the test images
    and take `attack_success_rate` of its predictions.

    Reference: Li et al. 2023, section 5.6: 100 poisoned samples, a local or a global trigger. How the triggers
    look is our choice: the patch of BadNets (Gu et al. 2017), the blended pattern of Chen et al. 2017.

    Args:
        images: (n, height, width) or (n, height, width, channels).
        labels: class ids (n,), integers.
        target: the class that the trigger shall stand for.
        trigger: "local" or "global".
        n: how many samples to poison, at least 1.
        seed: a whole number; it chooses the samples.
        num_classes: K; by default the largest label, or `target`, plus 1.
        value_range: darkest and brightest value, as for `add_trigger`.

    Returns:
        `Backdoor(images, labels, indices)`, where `labels` is a `NoisyLabels`.

    Raises:
        ValueError: for an argument out of range, or fewer than `n` samples of other classes.

    Example:

    >>> images, labels = np.zeros((50, 8, 8, 1), "uint8"), np.arange(50) % 10
    >>> poisoned = keras_robust.noise.backdoor(images, labels, target=3, n=5)
    >>> poisoned.labels.noisy[poisoned.indices].tolist()
    [3, 3, 3, 3, 3]
    """
    K = Interval(2, integer=True, optional=True).check("backdoor", "num_classes", num_classes)
    if K is None:
        K = max(
            2, int(np.max(labels, initial=0)) + 1, Interval(0, integer=True).check("backdoor", "target", target) + 1
        )
    labels = checked_ids("backdoor", labels, K)
    target = Interval(0, K - 1, integer=True).check("backdoor", "target", target)
    seed = SEED.check("backdoor", "seed", seed)
    others = np.flatnonzero(labels != target)
    n = Interval(1, len(others), integer=True).check("backdoor", "n", n)
    images = np.asarray(images)
    if len(images) != len(labels):
        refuse("backdoor", "images", f"one for each of the {len(labels)} labels", f"an array of shape {images.shape}")
    indices = np.sort(np.random.default_rng(seed).choice(others, n, replace=False))
    value_range = _value_range("backdoor", images, value_range)
    poisoned, noisy = images.copy(), labels.copy()
    poisoned[indices] = add_trigger(images[indices], trigger, value_range)
    noisy[indices] = target
    spec = f"backdoor, {n} samples of other classes with a {trigger} trigger labeled {target}"
    return Backdoor(poisoned, NoisyLabels(noisy, labels.copy(), K, seed, spec), indices)


def add_trigger(images, trigger: str = "local", value_range: tuple | None = None) -> np.ndarray:
    """The same images with a backdoor's trigger.

    - "local": a checkerboard of 3 x 3 pixels, bright in its corners, in the bottom right corner.
    - "global": 0.8 image + 0.2 pattern, the pattern one fixed picture of uniform random values, the same for all
      images of a shape.

    Args:
        images: (n, height, width) or (n, height, width, channels).
        trigger: "local" or "global".
        value_range: darkest and brightest value; by default (0, 255) for integers and (0, 1) for floats.

    Returns:
        A new array of the same shape and type.

    Raises:
        ValueError: for an unknown trigger, images that are none, or values outside the range.

    Example:

    >>> keras_robust.noise.add_trigger(np.zeros((1, 4, 4)))[0].tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]
    """
    TRIGGER.check("add_trigger", "trigger", trigger)
    images = np.asarray(images)
    low, high = _value_range("add_trigger", images, value_range)
    shape = images.shape[1:] if images.ndim == 4 else (*images.shape[1:], 1)
    marked = images.reshape(len(images), *shape).astype("float64")
    if trigger == "local":
        bright = (np.add.outer(np.arange(PATCH), np.arange(PATCH)) % 2 == 0)[:, :, None]
        marked[:, -PATCH:, -PATCH:] = np.where(bright, high, low)
    else:
        pattern = low + (high - low) * np.random.default_rng(_PATTERN_SEED).random(shape)
        marked = (1.0 - BLEND) * marked + BLEND * pattern
    if np.issubdtype(images.dtype, np.integer):
        marked = np.rint(marked)
    return marked.astype(images.dtype).reshape(images.shape)


def attack_success_rate(predicted, labels, target: int) -> float:
    """The share of test samples of other classes that a model calls `target` once they carry the trigger.

    Li et al. 2023 leave out what the model calls `target` anyway, whatever the true class: give its predictions for the
    images without the trigger in place of `labels`. `recipes.run` does.

    Args:
        predicted: predicted class ids (n,) for images with the trigger.
        labels: true class ids (n,), or those that are predicted without the trigger; where they are `target`, samples
            do not count.
        target: the attacker's class.

    Raises:
        ValueError: for shapes that differ, or no sample of another class.

    Example:

    >>> keras_robust.noise.attack_success_rate(predicted=[3, 3, 1, 3], labels=[0, 1, 1, 3], target=3)
    0.6666666666666666
    """
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if labels.ndim != 1 or predicted.shape != labels.shape:
        refuse("attack_success_rate", "predicted", f"ids of the labels' shape {labels.shape}", predicted)
    others = labels != target
    if not others.any():
        refuse("attack_success_rate", "labels", f"ids among which some are not {target}", labels)
    return float(np.mean(predicted[others] == target))


def _value_range(owner, images, value_range):
    if images.ndim not in (3, 4) or min(images.shape[1:3], default=0) < PATCH:
        rule = f"(n, height, width) or (n, height, width, channels), at least {PATCH} pixels high and wide"
        refuse(owner, "images", rule, f"an array of shape {images.shape}")
    if value_range is None:
        value_range = (0, 255) if np.issubdtype(images.dtype, np.integer) else (0.0, 1.0)
    low, high = value_range
    if images.size and not low <= images.min() <= images.max() <= high:
        received = f"values from {images.min():g} to {images.max():g}"
        refuse(owner, "images", f"in the value range ({low:g}, {high:g}); else say `value_range`", received)
    return low, high
