"""How bright a number is: images as people have them, brought to what can be drawn."""

import numpy as np

from keras_robust.checks import refuse

# Floats whose brightest is in between are neither: digits from 0 to 16, say, or images that were standardized.
_UNIT, _DARKEST_LEVELS = 1.0, 32.0
_ROUNDING = 1e-4
_RULE = "uint8, floats from 0 to 1, or floats from 0 to 255; scale them so, for what is white could only be guessed"


def drawable(owner: str, images) -> np.ndarray:
    """Images as matplotlib draws them, uint8 or floats in [0, 1], black 0 in both.

    What a number means is read off all the images that are given, by the rule of `white_of`.

    Args:
        owner: who asks, for the error.
        images: (n, height, width) or (n, height, width, channels) with 1, 3 or 4 channels.

    Raises:
        ValueError: for other shapes, and for values that are neither levels nor shares of white.

    Example:

    >>> float(drawable("contact_sheet", np.full((1, 2, 2), 255.0)).max())
    1.0
    """
    images = as_images(owner, images)
    white = white_of(owner, images)
    if images.dtype == np.uint8:
        return images
    if white == 255 and images.dtype.kind in "iu":
        return images.astype("uint8")
    return np.minimum(images.astype("float32") if images.dtype.kind == "b" else images / white, 1.0)


def as_images(owner: str, images) -> np.ndarray:
    """Images in one array, (n, height, width) or (n, height, width, channels) with 1, 3 or 4 channels.

    Raises:
        ValueError: for other shapes.
    """
    try:
        images = np.asarray(images)
    except ValueError:
        refuse(owner, "images", "one array: images of the same height, width and channels", f"{len(images)} images")
    shaped = images.ndim == 3 or (images.ndim == 4 and images.shape[-1] in (1, 3, 4))
    if not shaped:
        rule = "of shape (n, height, width) or (n, height, width, channels) with 1, 3 or 4 channels"
        refuse(owner, "images", rule, f"shape {images.shape}")
    return images


def white_of(owner: str, images: np.ndarray) -> float:
    """The number that stands for white: 255 for levels, 1 for shares.

    uint8 and whole numbers are levels from 0 to 255, bool is black and white; floats up to 1 are shares of white;
    floats whose largest is between 32 and 255 are levels. Anything else is refused, for it could only be guessed.

    Args:
        owner: who asks, for the error.
        images: all of them, for a single one may be dark.

    Raises:
        ValueError: for values that are neither levels nor shares of white.

    Example:

    >>> white_of("contact_sheet", np.array([[[0.0, 200.0]]]))
    255.0
    """
    kind, empty = images.dtype.kind, images.size == 0
    if images.dtype == np.uint8 or empty:
        return 255.0
    if kind == "b":
        return 1.0
    if kind not in "iuf":
        refuse(owner, "images", _RULE, str(images.dtype))
    low, high = float(images.min()), float(images.max())
    if kind in "iu" and low >= 0 and high <= 255 and high != 1:
        return 255.0
    if kind == "f" and low >= 0 and high <= _UNIT + _ROUNDING:
        return 1.0
    if kind == "f" and low >= 0 and _DARKEST_LEVELS <= high <= 255 * (1 + _ROUNDING):
        return 255.0
    refuse(owner, "images", _RULE, f"{images.dtype} from {low:g} to {high:g}")
