"""Mean errors against the papers' numbers and Monte Carlo, and what is solved from them."""

import keras
import numpy as np
import pytest
from harness import once

import keras_robust as kr
from keras_robust import theory

pytestmark = once  # theory asks losses for numbers; that these are right on each backend is tests/losses'


def test_mean_errors_of_the_paper():
    assert theory.mean_error(kr.GCE(q=0.7), 100) == pytest.approx(-0.02823, abs=5e-6)
    loss = kr.NCEandAGCE(alpha=10, beta=0.1, a=1.8, q=3)
    assert theory.mean_error(loss, 100) == pytest.approx(-0.02145, abs=5e-6)


def in_probabilities(z, K, count=200_000):
    """Probabilities of the label, at logit z, and of all classes, drawn."""
    logits = np.random.default_rng(K).normal(size=(count, K))
    logits[:, 0] = z
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


# dL / dz_y of the label, from the textbook's formulas in probabilities.
SLOPES = {
    "CE": (kr.CE(), lambda p: p[:, 0] - 1),
    "MAE": (kr.MAE(), lambda p: -p[:, 0] * (1 - p[:, 0])),
    "GCE": (kr.GCE(q=0.4), lambda p: -(p[:, 0] ** 0.4) * (1 - p[:, 0])),
    "AGCE": (kr.AGCE(a=0.5, q=2.0), lambda p: -(0.5 + p[:, 0]) * p[:, 0] * (1 - p[:, 0])),
    "MSE": (kr.MSE(), lambda p: p[:, 0] * ((p[:, 0] - 1) + p[:, 0] - np.sum(p**2, axis=1))),
    "NCE": (
        kr.NCE(),
        lambda p: (
            (1 - p[:, 0]) / np.sum(np.log(p), axis=1)
            - np.log(p[:, 0]) * (1 - p.shape[1] * p[:, 0]) / np.sum(np.log(p), axis=1) ** 2
        ),
    ),
}


@pytest.mark.parametrize("name", SLOPES)
@pytest.mark.parametrize(("K", "z"), [(3, 0.0), (10, 0.0), (10, 2.5)])
def test_mean_error_against_monte_carlo(name, K, z):
    loss, slope = SLOPES[name]
    slopes = slope(in_probabilities(z, K))
    assert theory.mean_error(loss, K, z) == pytest.approx(slopes.mean(), abs=4 * slopes.std() / np.sqrt(len(slopes)))


def test_a_bias_moves_the_curve_of_mean_errors():
    z = np.array([[-1.0, 0.0], [1.0, 4.0]])
    moved = theory.mean_error(kr.MAEStar(epsilon=2.0), 10, z)
    np.testing.assert_allclose(moved, theory.mean_error(kr.MAE(), 10, z + 2.0))
    assert moved.shape == (2, 2)


def test_a_parameter_is_carried_to_other_classes():
    q = theory.transfer(kr.GCE(q=0.7), "q", 100, 1000)
    assert q == pytest.approx(0.4816, abs=5e-5)
    assert theory.mean_error(kr.GCE(q=q), 1000) == pytest.approx(theory.mean_error(kr.GCE(q=0.7), 100), rel=1e-6)
    assert theory.transfer(kr.GCE(q=q), "q", 1000, 100) == pytest.approx(0.7, abs=1e-6)
    with pytest.raises(ValueError, match="No value of `gamma` gives"):
        theory.transfer(kr.FL(gamma=0.5), "gamma", 100, 2)


def test_the_landscape_is_the_mean_error_at_each_setting():
    values = {"q": [0.5, 2.0], "a": [0.1, 1.0, 3.0]}
    heights = theory.landscape(kr.AGCE(a=1.0, q=1.0), values, K=20)
    for i, q in enumerate(values["q"]):
        for j, a in enumerate(values["a"]):
            assert heights[i, j] == pytest.approx(theory.mean_error(kr.AGCE(a=a, q=q), 20))
    # One that looks at all classes; JAX compiles `mean_error` as a whole, and the landscape operation by operation.
    negative = theory.landscape(kr.NNCE(), {"p_min": [1e-7, 1e-3]}, K=5)
    assert negative[1] == pytest.approx(theory.mean_error(kr.NNCE(p_min=1e-3), 5), rel=1e-12)
    assert theory.landscape(kr.GCE(), {"q": [0.0, 1.0]}, K=10)[1] == pytest.approx(theory.mean_error(kr.MAE(), 10))


def test_initial_margins():
    margins, density = theory.initial_margins(10)
    weights = density * (margins[1] - margins[0])
    assert weights.sum() == pytest.approx(1.0, abs=1e-6)
    mean = weights @ margins
    assert mean == pytest.approx(theory.expected_margin(10, exact=True), abs=1e-4)
    z = np.random.default_rng(0).normal(size=(400_000, 10))
    drawn = z[:, 0] - np.log(np.exp(z[:, 1:]).sum(axis=1))
    assert np.sqrt(weights @ (margins - mean) ** 2) == pytest.approx(drawn.std(), rel=5e-3)
    below = weights[margins <= -4.0].sum()
    assert below == pytest.approx((drawn <= -4.0).mean(), abs=5e-3)


def test_measured_margins_of_a_model_on_real_images():
    digits = kr.data.load_arrays("digits")
    model = keras.Sequential([keras.Input(digits.input_shape), keras.layers.Flatten(), keras.layers.Dense(10)])
    found = theory.measured_margins(model, digits.x_test, digits.y_test, from_logits=True)
    kernel, bias = (np.asarray(w, "float64") for w in model.get_weights())
    logits = digits.x_test.reshape(len(digits.x_test), -1) @ kernel + bias
    others = np.where(np.eye(10, dtype=bool)[digits.y_test], -np.inf, logits)
    expected = logits[np.arange(len(logits)), digits.y_test] - np.log(np.exp(others).sum(axis=1))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    shares = keras.Sequential([model, keras.layers.Softmax()])
    again = theory.measured_margins(shares, digits.x_test[:100], digits.y_test[:100])
    np.testing.assert_allclose(again, expected[:100], atol=1e-3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.mean_error("CE", 10), "`loss` of mean_error must be a loss of keras_robust"),
        (lambda: theory.mean_error(kr.CE(), 1), "`K` of mean_error must be"),
        (lambda: theory.mean_error(kr.CE(), 10, z=np.nan), "`z` of mean_error must be a finite number"),
        (lambda: theory.transfer(kr.GCE(), "q", 1, 10), "`from_classes` of transfer must be"),
        (lambda: theory.landscape(kr.GCE(), {}, 10), "`values` of landscape must be a dict of one or two"),
        (lambda: theory.initial_margins(10, sigma=0.0), "`sigma` of initial_margins must be"),
        (lambda: theory.measured_margins(None, np.ones((2, 2))), "`y` of measured_margins must be given with arrays"),
    ],
)
def test_wrong_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()
