"""Solvers of the initial distribution against Monte Carlo and printed values."""

import numpy as np
import pytest
from harness import once

import keras_robust as kr

pytestmark = once

theory = kr.theory


@pytest.mark.parametrize(("K", "expected"), [(10, 0.5246), (100, 3.0341), (1000, 5.3576)])
def test_logit_bias_of_the_paper(K, expected):
    assert theory.logit_bias(K) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("K", "activation", "sigma"), [(2, 0.5, 1.0), (3, 0.15, 1.0), (10, 0.6, 0.3), (50, 0.1, 2.0)])
def test_logit_bias_against_monte_carlo(K, activation, sigma):
    epsilon = theory.logit_bias(K, activation, sigma)
    rng = np.random.default_rng(0)
    z = sigma * rng.normal(size=(400_000, K))
    z[:, 0] += epsilon
    p = 1.0 / (1.0 + np.exp(z[:, 1:] - z[:, :1]).sum(axis=1))
    assert p.mean() == pytest.approx(activation, abs=4 * p.std() / np.sqrt(len(p)))


@pytest.mark.parametrize(("K", "count"), [(10, 200_000), (100, 20_000), (1000, 2_000)])
def test_three_digits_of_the_logit_bias_against_monte_carlo(K, count):
    others = np.exp(np.random.default_rng(K).normal(size=(count, K - 1))).sum(axis=1)
    # Over the label's own logit the mean is an integral, which leaves little to chance.
    z, weight = np.polynomial.hermite_e.hermegauss(20)

    def mean_output(epsilon):
        return weight @ (1.0 / (1.0 + others * np.exp(-epsilon - z[:, None]))).mean(axis=1) / weight.sum()

    epsilon = theory.logit_bias(K)
    assert mean_output(epsilon - 0.003) < 0.15 < mean_output(epsilon + 0.003)


def test_logit_bias_is_negative_below_seven_classes():
    signs = [theory.logit_bias(K) > 0 for K in range(2, 12)]
    assert signs == [False] * 5 + [True] * 5


def test_logit_bias_of_a_million_classes():
    # Many classes: S is its mean, (K - 1) exp(1/2), so the bias grows as log K.
    step = theory.logit_bias(1_000_000) - theory.logit_bias(500_000)
    assert step == pytest.approx(np.log(2), abs=1e-4)
    assert theory.logit_bias(1_000_000) == pytest.approx(12.2677, abs=1e-3)


def test_expected_margin_of_the_paper():
    assert theory.expected_margin(10) == pytest.approx(-2.602, abs=5e-4)
    assert theory.expected_margin(100) == pytest.approx(-5.086, abs=5e-4)
    assert theory.expected_margin(10, exact=True) == pytest.approx(-2.616, abs=5e-4)
    assert theory.expected_margin(100, exact=True) == pytest.approx(-5.087, abs=5e-4)


@pytest.mark.parametrize(("K", "sigma"), [(2, 1.0), (5, 0.5), (20, 2.0)])
def test_exact_expected_margin_against_monte_carlo(K, sigma):
    z = sigma * np.random.default_rng(1).normal(size=(400_000, K))
    margin = z[:, 0] - np.log(np.exp(z[:, 1:]).sum(axis=1))
    expected = theory.expected_margin(K, sigma, exact=True)
    assert expected == pytest.approx(margin.mean(), abs=4 * margin.std() / np.sqrt(len(margin)))


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (theory.logit_bias, (1,), "K"),
        (theory.logit_bias, (2.5,), "K"),
        (theory.logit_bias, (10, 0.0), "activation"),
        (theory.logit_bias, (10, 1.0), "activation"),
        (theory.logit_bias, (10, 0.15, 0.0), "sigma"),
        (theory.expected_margin, (1,), "K"),
        (theory.expected_margin, (10, -1.0), "sigma"),
    ],
)
def test_wrong_arguments(function, arguments, name):
    with pytest.raises(ValueError, match=f"`{name}` of {function.__name__} must be"):
        function(*arguments)
