"""Networks without the cost of drawing their first weights."""

import keras
import pytest


@pytest.fixture
def zeros_at_first(monkeypatch):
    """For tests that set all weights or look at none: drawing 300 million random numbers takes most of their time."""
    for kind in (keras.initializers.VarianceScaling, keras.initializers.RandomNormal, keras.initializers.RandomUniform):
        monkeypatch.setattr(kind, "__call__", lambda self, shape, dtype=None: keras.ops.zeros(shape, dtype))
