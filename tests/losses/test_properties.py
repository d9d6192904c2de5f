"""Properties that hold for all inputs, searched for counter-examples."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from harness import as_numpy, in_turn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import keras_robust as kr

LOGITS = hnp.arrays("float32", (3, 5), elements=st.floats(-50, 50, width=32))
QUICK = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
NORMALIZED = [kr.NCE, kr.NFL, kr.NMAE, kr.NRCE, kr.NGCE]
SYMMETRIC = [*NORMALIZED, kr.MAE, kr.RCE, kr.NNCE, kr.NNFL, kr.ANLCE, kr.ANLFL, kr.NCEandMAE, kr.NCEandRCE]
BOUNDED = [*SYMMETRIC, kr.GCE, kr.TCE, kr.JS, kr.SCE, kr.PHuberCE, kr.CE, kr.FL, kr.Poly1]


def over_labels(kind, z):
    batch, K = z.shape
    losses = kind(from_logits=True).call(np.repeat(np.arange(K), batch), np.tile(z, (K, 1)))
    return as_numpy(losses).reshape(K, batch)


def of_each(loss, labels, *logits):
    """The losses of several batches, computed as one: labels (batches, samples), logits (samples, classes) of each."""
    return as_numpy(loss.call(labels.ravel(), np.concatenate(logits))).reshape(labels.shape)


@pytest.mark.parametrize("kind", NORMALIZED)
@QUICK
@given(LOGITS)
def test_normalized_losses_sum_to_one(kind, z):
    np.testing.assert_allclose(over_labels(kind, z).sum(axis=0), 1.0, rtol=1e-5)


@pytest.mark.parametrize("kind", SYMMETRIC)
@QUICK
@given(LOGITS)
def test_symmetric_losses_sum_to_a_constant(kind, z):
    constant = over_labels(kind, np.zeros((3, 5), "float32")).sum(axis=0)
    np.testing.assert_allclose(over_labels(kind, z).sum(axis=0), constant, rtol=1e-5)


@pytest.mark.parametrize("kind", in_turn(BOUNDED))
@QUICK
@given(LOGITS)
def test_losses_fall_as_the_labels_logit_rises(kind, z):
    higher = z.copy()
    higher[:, 2] += 1.0
    before, after = of_each(kind(from_logits=True), np.full((2, 3), 2), z, higher)
    assert np.all(after <= before + 1e-5 * np.maximum(1.0, before))
    assert np.all(after >= -1e-6)


@pytest.mark.parametrize("kind", in_turn(BOUNDED))
@QUICK
@given(LOGITS, st.permutations(range(5)), st.floats(-1000, 1000, width=32))
def test_only_differences_of_logits_matter_and_classes_have_no_order(kind, z, order, shift):
    y = np.array([0, 1, 4])
    labels = np.stack([y, y, np.argsort(order)[y]])
    expected, shifted, ordered = of_each(kind(from_logits=True), labels, z, z + np.float32(shift), z[:, order])
    tolerance = 1e-4 * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(shifted, expected, atol=tolerance)
    np.testing.assert_allclose(ordered, expected, atol=tolerance)


@QUICK
@given(LOGITS, st.floats(0, 3), st.floats(0, 3))
def test_sums_are_linear(z, a, b):
    y = np.array([0, 1, 4])
    both = a * kr.GCE(from_logits=True) + b * kr.NCE(from_logits=True)
    parts = a * as_numpy(kr.GCE(from_logits=True).call(y, z)) + b * as_numpy(kr.NCE(from_logits=True).call(y, z))
    np.testing.assert_allclose(as_numpy(both.call(y, z)), parts, rtol=1e-5, atol=1e-6)
