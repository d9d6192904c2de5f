"""Symmetry, asymmetry, weight curves and NCE's parts: what the papers say of each loss."""

import numpy as np
import pytest
from harness import once, value_and_gradient

import keras_robust as kr
from keras_robust import theory

pytestmark = once  # theory asks losses for numbers; that these are right on each backend is tests/losses'

SYMMETRIC = {
    "MAE": kr.MAE(),
    "RCE": kr.RCE(),
    "GCE(q=1)": kr.GCE(q=1.0),
    "NCE": kr.NCE(),
    "NFL": kr.NFL(),
    "NGCE": kr.NGCE(),
    "NNCE": kr.NNCE(),
    "NNFL": kr.NNFL(),
    "NCE+RCE": kr.NCEandRCE(alpha=2.0, beta=3.0),
    "ANL-CE": kr.ANLCE(5.0, 5.0),
}
NOT_SYMMETRIC = {
    "CE": kr.CE(),
    "FL": kr.FL(),
    "GCE": kr.GCE(q=0.7),
    "GCE(q=1.5)": kr.GCE(q=1.5),
    "SCE": kr.SCE(),
    "AGCE": kr.AGCE(a=1.0, q=2.0),
    "AUL": kr.AUL(a=2.0, q=2.0),
    "AEL": kr.AEL(a=2.0),
    "TCE": kr.TCE(t=2),
    "JS": kr.JS(),
    "MAE*": kr.MAEStar(epsilon=1.0),
}


@pytest.mark.parametrize("K", [2, 10, 100])
def test_symmetric_losses(K):
    assert {name: theory.is_symmetric(loss, K) for name, loss in SYMMETRIC.items()} == dict.fromkeys(SYMMETRIC, True)


@pytest.mark.parametrize("K", [3, 10, 100])
def test_losses_that_are_not_symmetric(K):
    found = {name: theory.is_symmetric(loss, K) for name, loss in NOT_SYMMETRIC.items()}
    assert found == dict.fromkeys(NOT_SYMMETRIC, False)


# Closed forms of Zhou et al. 2021: AGCE is asymmetric for q >= 1, or for q < 1 where w_m / w_n >= ((a+1)/a)^(1-q).
RATIOS = [
    (kr.CE(), 0.0),
    (kr.GCE(q=0.7), 0.0),
    (kr.MAE(), 1.0),
    (kr.AGCE(a=0.6, q=0.6), (0.6 / 1.6) ** 0.4),
    (kr.AGCE(a=4.0, q=0.2), (4.0 / 5.0) ** 0.8),
    (kr.AGCE(a=1.8, q=3.0), 1.0),
    (kr.AUL(a=3.0, q=0.1), 1.0),
    (kr.AUL(a=6.3, q=1.5), (5.3 / 6.3) ** 0.5),
    (kr.AEL(a=2.5), np.exp(-1 / 2.5)),
    (kr.TCE(t=4), 0.25),
    (kr.PHuberCE(tau=10.0), 0.1),
]


@pytest.mark.parametrize(("loss", "ratio"), RATIOS, ids=[repr(loss)[:40] for loss, _ in RATIOS])
def test_asymmetry_ratios(loss, ratio):
    assert theory.asymmetry_ratio(loss) == pytest.approx(ratio, abs=1e-4)
    odds = ratio * 9
    assert theory.asymmetric_up_to(loss, 10) == pytest.approx(odds / (1 + odds), abs=1e-4)


def test_asymmetry_of_sums():
    assert theory.asymmetric_up_to(kr.NCE(), 10) == pytest.approx(0.9)
    pair = theory.asymmetric_up_to(kr.NCEandAGCE(alpha=1.0, beta=4.0, a=0.6, q=0.6), 10)
    assert pair == pytest.approx(theory.asymmetric_up_to(kr.AGCE(a=0.6, q=0.6), 10))
    with pytest.raises(ValueError, match="defined for a function of the label's probability alone"):
        theory.asymmetry_ratio(kr.NCE())


# Ou & Zhang 2023, Table 6, with the formulas of AUL and AGCE set right: w as a function of p.
TABLE_6 = {
    "CE": (kr.CE(), lambda p: 1 - p),
    "FL": (kr.FL(gamma=2.0), lambda p: (1 - p) ** 2 * (1 - p - 2 * p * np.log(p))),
    "MAE": (kr.MAE(), lambda p: p * (1 - p)),
    "GCE": (kr.GCE(q=0.7), lambda p: p**0.7 * (1 - p)),
    "SCE": (0.3 * kr.CE() + 0.7 * kr.MAE(), lambda p: (0.3 + 0.7 * p) * (1 - p)),
    "AUL": (kr.AUL(a=1.1, q=5.0), lambda p: p * (1 - p) * (1.1 - p) ** 4),
    "AGCE": (kr.AGCE(a=0.1, q=0.1), lambda p: p * (1 - p) * (0.1 + p) ** -0.9),
    "AEL": (kr.AEL(a=1.5), lambda p: p * (1 - p) * np.exp(-p / 1.5) / 1.5),
    "TCE": (kr.TCE(t=6), lambda p: p * sum((1 - p) ** i for i in range(1, 7))),
}


@pytest.mark.parametrize("name", TABLE_6)
def test_weight_curves_of_table_6(name):
    loss, weight = TABLE_6[name]
    margins = np.linspace(-12.0, 12.0, 49).reshape(7, 7)
    p = 1 / (1 + np.exp(-margins))
    np.testing.assert_allclose(theory.weight_curve(loss, margins), weight(p), rtol=1e-9, atol=1e-15)


def test_the_weight_of_a_loss_that_looks_at_all_classes_is_the_mean_over_the_others():
    rng, K, margin = np.random.default_rng(0), 5, 1.0
    others = rng.normal(size=(40_000, K - 1))
    logits = np.concatenate([(margin + np.log(np.exp(others).sum(axis=1)))[:, None], others], axis=1).astype("float32")
    loss = kr.NCE(from_logits=True)
    _, gradient = value_and_gradient(loss, np.zeros(len(logits), "int32"), logits)
    weights = 0.5 * np.abs(gradient).sum(axis=1)
    assert theory.weight_curve(loss, [margin], K)[0] == pytest.approx(
        weights.mean(), abs=4 * weights.std() / np.sqrt(len(weights))
    )
    with pytest.raises(ValueError, match="`K` of weight_curve must be given for"):
        theory.weight_curve(loss, [margin])


def test_nce_is_cross_entropy_less_a_push_from_even_predictions():
    rng = np.random.default_rng(1)
    logits, ids = (3.0 * rng.normal(size=(500, 7))).astype("float32"), rng.integers(0, 7, 500)
    _, gradient = value_and_gradient(kr.NCE(from_logits=True), ids, logits)
    gamma, epsilon, bound = theory.nce_decomposition(ids, logits, from_logits=True)
    p = np.exp(logits.astype("float64"))
    p /= p.sum(axis=1, keepdims=True)
    of_ce, of_even = p - np.eye(7)[ids], p - 1 / 7
    np.testing.assert_allclose(gradient, gamma[:, None] * (of_ce - epsilon[:, None] * of_even), atol=1e-5)
    norms = np.abs(gradient).sum(axis=1)
    assert np.all(norms <= bound * (1 + 1e-5))
    assert np.max(norms / bound) > 0.95


@pytest.mark.parametrize(
    ("loss", "gradient"),
    [
        (kr.CE(), lambda p: 1 / p),
        (kr.MAE(), np.ones_like),
        (kr.GCE(q=0.3), lambda p: p**-0.7),
        (kr.GCE(q=2.0), lambda p: p),
        (kr.AGCE(a=1.6, q=2.0), lambda p: 1.6 + p),
    ],
    ids=["CE", "MAE", "GCE(0.3)", "GCE(2)", "AGCE"],
)
def test_gradients_in_the_posterior(loss, gradient):
    p = np.linspace(0.01, 1.0, 100)
    found, expected = theory.posterior_gradient(loss, p), gradient(p)
    np.testing.assert_allclose(found / found[-1], expected / expected[-1], rtol=1e-6)
    inner = p[:-1]
    weights = theory.weight_curve(loss, np.log(inner / (1 - inner)))
    np.testing.assert_allclose(found[:-1] * inner * (1 - inner), weights, rtol=1e-6)
    for refused, words in ((0.0, r"probabilities in \(0, 1\]"), ([1.5], r"probabilities in \(0, 1\]")):
        with pytest.raises(ValueError, match=words):
            theory.posterior_gradient(loss, refused)
    with pytest.raises(ValueError, match="`loss` of posterior_gradient must be a function of the label's"):
        theory.posterior_gradient(kr.NCE(), p)
