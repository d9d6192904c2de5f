"""The network of the demonstration."""

import keras
import numpy as np
import pytest

from keras_robust import models


def test_cnn2():
    model = models.cnn2((8, 8, 1), 10)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") == 2
    assert [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)] == [32, 64]
    p = model.predict(np.zeros((3, 8, 8, 1), "float32"), verbose=0)
    np.testing.assert_allclose(p.sum(axis=-1), 1.0, rtol=1e-5)
    logits = models.cnn2((8, 8, 1), 10, classifier_activation=None)
    assert logits.layers[-1].activation is keras.activations.linear


def test_the_last_layer_computes_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.cnn2((8, 8, 1), 10)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.layers[-1].compute_dtype == "float32"
    assert model.layers[1].compute_dtype == "bfloat16"


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="`num_classes` of cnn2 must be a whole number, at least 2"):
        models.cnn2((8, 8, 1), 1)
