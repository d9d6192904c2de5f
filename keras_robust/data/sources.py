"""Where images and clean labels come from."""

from dataclasses import dataclass

import numpy as np

from keras_robust.checks import OneOf


@dataclass(frozen=True)
class Arrays:
    """A data set in memory: images (n, height, width, channels) in [0, 1], float32, and class ids (n,), int32."""

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple:
        return self.x_train.shape[1:]


def digits() -> Arrays:
    """scikit-learn's digits: 1,797 real 8x8 images of handwritten digits, embedded in the package, no network.

    Every fifth image is a test image: 1,438 to train on, 359 to test.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError("The digits come with scikit-learn: pip install 'keras-robust[data]'.") from error
    x, y = load_digits(return_X_y=True)
    x = (x / 16.0).astype("float32").reshape(-1, 8, 8, 1)
    y = y.astype("int32")
    test = np.arange(len(x)) % 5 == 4
    return Arrays("digits", x[~test], y[~test], x[test], y[test], tuple("0123456789"))


SOURCES = {"digits": digits}


def load_arrays(name: str) -> Arrays:
    """The data set of that name, whole, in memory.

    Raises:
        ValueError: for an unknown name.
        ImportError: if the package that holds the data is not installed.

    Example:

    >>> keras_robust.data.load_arrays("digits").x_train.shape
    (1438, 8, 8, 1)
    """
    return SOURCES[OneOf(tuple(SOURCES)).check("load_arrays", "name", name)]()
