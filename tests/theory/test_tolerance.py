"""What noise a loss bears, against minimizers that are searched for over the simplex and among random models."""

import numpy as np
import pytest
from harness import once

import keras_robust as kr
from keras_robust import noise, theory
from keras_robust.theory.evaluation import losses_of

pytestmark = once


def simplex(K, steps):
    """All probabilities (n, K) that are multiples of 1 / steps; the certain ones are rows of `np.eye(K)`."""
    if K == 1:
        return np.array([[1.0]])
    rows = [
        np.column_stack([np.full(len(rest), i / steps), (1 - i / steps) * rest])
        for i in range(steps)
        for rest in [simplex(K - 1, steps - i)]
    ]
    return np.concatenate([*rows, np.eye(K)[:1]])


def losses_at(loss, probs, floor=0.0):
    """The loss (n, K) of each prediction for each label."""
    K = probs.shape[1]
    with np.errstate(divide="ignore"):
        logits = np.maximum(np.log(np.maximum(probs, floor)), -1e6)
    return np.stack([losses_of(loss, logits, np.full(len(logits), k)) for k in range(K)], axis=1)


def at_clean_labels(losses, probs, T):
    """For each class, whether its certain prediction has the least expected loss, and no other prediction has."""
    expected = losses @ T.T
    best = expected.min(axis=0)
    return [
        bool(np.allclose(probs[np.flatnonzero(column <= least + 1e-9)], np.eye(len(T))[y]))
        for y, (column, least) in enumerate(zip(expected.T, best, strict=True))
    ]


def scaled(T, s):
    return np.eye(len(T)) + s * (T - np.eye(len(T)))


# Sums over labels


@pytest.mark.parametrize("K", [2, 3, 10, 100])
@pytest.mark.parametrize("q", [0.3, 0.7, 1.0, 1.5])
def test_sums_of_gce(K, q):
    borders = sorted([(K - K ** (1 - q)) / q, (K - 1) / q])
    assert theory.label_sums(kr.GCE(q=q), K) == pytest.approx(borders, rel=1e-9)


@pytest.mark.parametrize(
    ("loss", "total"),
    [
        (kr.NCE(), lambda K: 1),
        (kr.NFL(), lambda K: 1),
        (kr.NNCE(), lambda K: K - 1),
        (kr.NNFL(), lambda K: K - 1),
        (kr.MAE(), lambda K: K - 1),
        (kr.RCE(), lambda K: 4 * (K - 1)),
        (kr.ANLCE(alpha=2.0, beta=3.0), lambda K: 2 + 3 * (K - 1)),
    ],
    ids=["NCE", "NFL", "NNCE", "NNFL", "MAE", "RCE", "ANLCE"],
)
def test_symmetric_losses_have_one_sum(loss, total):
    for K in (3, 10):
        assert theory.label_sums(loss, K) == pytest.approx((total(K), total(K)))
        assert theory.risk_gap(loss, noise.symmetric(K, 0.5)) == 0.0
    probs = np.random.default_rng(0).dirichlet(np.full(10, 0.3), 200)
    np.testing.assert_allclose(losses_at(loss, probs).sum(axis=1), total(10), rtol=1e-9)


@pytest.mark.parametrize(
    "loss", [kr.AGCE(a=0.6, q=0.6), kr.JS(), kr.DAL(q=1.2, lam=0.5), kr.MSE(), kr.GCE(q=0.4) + kr.NCE()]
)
def test_no_prediction_has_a_sum_out_of_range(loss):
    low, high = theory.label_sums(loss, 4)
    sums = losses_at(loss, np.concatenate([simplex(4, 24), np.random.default_rng(1).dirichlet(np.full(4, 0.2), 500)]))
    sums = sums.sum(axis=1)
    assert low - 1e-6 <= sums.min() <= low + 0.02 * (high - low)
    assert high - 0.02 * (high - low) <= sums.max() <= high + 1e-6


def test_unbounded_losses():
    low, high = theory.label_sums(kr.CE(), 10)
    assert (low, high) == (pytest.approx(10 * np.log(10)), np.inf)
    assert theory.risk_gap(kr.CE(), noise.symmetric(10, 0.1)) == np.inf
    assert theory.risk_gap(kr.CE(), np.eye(10)) == 0.0
    with pytest.raises(ValueError, match="PeerLoss has no sum over the labels of one sample"):
        theory.label_sums(kr.PeerLoss(kr.CE(), alpha=1.0), 10)


# The risk that noise costs


def test_the_gap_is_the_closed_form_of_symmetric_noise():
    q, K, rate = 0.7, 10, 0.4
    expected = rate * (K ** (1 - q) - 1) / q / (K - 1 - rate * K)
    assert theory.risk_gap(kr.GCE(q=q), noise.symmetric(K, rate)) == pytest.approx(expected)
    assert theory.risk_gap(kr.GCE(q=q), noise.symmetric(K, 0.9)) == np.inf


def test_more_robust_is_slower_to_start():
    """The trade that q makes, at 100 classes; beyond q = 1 the gap opens on the other side."""
    T, qs = noise.symmetric(100, 0.4), (0.2, 0.4, 0.6, 0.8, 1.0)
    gaps = [theory.risk_gap(kr.GCE(q=q), T) for q in qs]
    pushes = [-theory.mean_error(kr.GCE(q=q), 100) for q in qs]
    assert gaps == sorted(gaps, reverse=True)
    assert pushes == sorted(pushes, reverse=True)
    assert gaps[-1] == 0.0 < theory.risk_gap(kr.GCE(q=1.5), T)


@pytest.mark.parametrize(
    "loss", [kr.GCE(q=0.3), kr.GCE(q=0.7), kr.GCE(q=1.5), kr.DAL(q=1.2, lam=0.5), kr.MAE(), kr.NCE()]
)
@pytest.mark.parametrize("rate", [0.2, 0.5, 0.65])
def test_no_set_of_models_loses_more_under_symmetric_noise(loss, rate):
    """Data that nobody can fit: 60 models of 20 samples each. For a symmetric loss the best one stays the best."""
    rng, T = np.random.default_rng(0), noise.symmetric(4, rate)
    lost, total = [], theory.risk_gap(loss, T)
    for _ in range(40):
        probs = rng.dirichlet(np.full(4, 0.4), (60, 20))
        labels = rng.integers(0, 4, 20)
        losses = losses_at(loss, probs.reshape(-1, 4)).reshape(60, 20, 4)
        clean = np.take_along_axis(losses, np.broadcast_to(labels[None, :, None], (60, 20, 1)), axis=2).mean(
            axis=(1, 2)
        )
        noisy = np.einsum("msk,sk->m", losses, T[labels]) / 20
        lost.append(clean[noisy.argmin()] - clean.min())
    assert max(lost) <= total + 1e-9
    if theory.is_symmetric(loss, 4):
        assert max(lost) == 0.0
    elif rate == 0.65:
        assert max(lost) > 0.01 * total


@pytest.mark.parametrize("q", [0.3, 0.7, 1.5])
def test_the_gap_is_sharp(q):
    """One model knows nothing, the other is certain, and right on a share of the samples. Some share costs it all."""
    loss, T = kr.GCE(q=q), noise.symmetric(4, 0.3)
    losses = losses_at(loss, np.array([[0.25] * 4, [1.0, 0, 0, 0]]))
    shares = np.linspace(0.0, 1.0, 2001)

    def risks(by_label):  # (models, shares), labels of class 0 or, where the certain model is wrong, of class 1
        return np.outer(by_label[:, 0], shares) + np.outer(by_label[:, 1], 1.0 - shares)

    clean, noisy = risks(losses), risks(losses @ T.T)
    lost = clean[noisy.argmin(axis=0), np.arange(2001)] - clean.min(axis=0)
    assert lost.max() <= theory.risk_gap(loss, T) + 1e-9
    assert lost.max() == pytest.approx(theory.risk_gap(loss, T), rel=0.02)


def test_above_its_bound_a_symmetric_loss_takes_the_worst_model():
    rng = np.random.default_rng(0)
    losses = losses_at(kr.MAE(), rng.dirichlet(np.ones(4), 50))
    clean = losses[:, 2]
    below, above = ((losses @ noise.symmetric(4, rate)[2]).argmin() for rate in (0.74, 0.76))
    assert (below, above) == (clean.argmin(), clean.argmax())
    assert theory.tolerated_rate(kr.MAE(), noise.symmetric(4, 0.4)) == pytest.approx(0.75)


@pytest.mark.parametrize("loss", [kr.GCE(q=0.3), kr.GCE(q=0.7), kr.GCE(q=1.5), kr.AGCE(a=0.6, q=0.6), kr.MAE()])
def test_no_class_loses_more_under_uneven_noise(loss):
    probs, rng = simplex(3, 60), np.random.default_rng(0)
    losses = losses_at(loss, probs)
    seen = []
    for _ in range(60):
        T = scaled(rng.dirichlet(np.ones(3), 3) * (1 - np.eye(3)) + np.diag(rng.uniform(0.4, 0.9, 3)), 1.0)
        T /= T.sum(axis=1, keepdims=True)
        gap = theory.risk_gap(loss, T)
        lost = np.diag(losses[(losses @ T.T).argmin(axis=0)]) - losses.min(axis=0)
        assert lost.max() <= gap + 1e-9
        seen.append(np.isfinite(gap))
    assert sum(seen) > 20


def test_where_nothing_is_known_the_gap_is_infinite():
    T = noise.pair_flip(3, 0.3)
    assert theory.risk_gap(kr.NNCE(), T) == 0.0
    assert theory.risk_gap(kr.NCE(), T) == np.inf
    assert theory.risk_gap(kr.MAE(), noise.pair_flip(3, 0.5)) == np.inf


# Tolerated rates


SHAPES = {
    "symmetric": noise.symmetric(3, 0.4),
    "pair": noise.pair_flip(3, 0.4),
    "one class": np.array([[0.8, 0.2, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    "uneven": np.array([[0.7, 0.2, 0.1], [0.05, 0.8, 0.15], [0.0, 0.3, 0.7]]),
}
TOLERANT = {
    "MAE": kr.MAE(),
    "RCE": kr.RCE(),
    "NNCE": kr.NNCE(),
    "NNFL": kr.NNFL(),
    "AGCE": kr.AGCE(a=0.6, q=0.6),
    "AUL": kr.AUL(a=3.0, q=2.0),
    "AEL": kr.AEL(a=2.5),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", TOLERANT)
def test_the_minimizer_leaves_the_clean_label_at_the_tolerated_rate(name, shape):
    loss, T = TOLERANT[name], SHAPES[shape]
    rate = theory.tolerated_rate(loss, T)
    probs = simplex(3, 200)
    losses, unit = losses_at(loss, probs), rate / (1.0 - T.diagonal()).mean()
    assert all(at_clean_labels(losses, probs, scaled(T, 0.97 * unit)))
    assert not all(at_clean_labels(losses, probs, scaled(T, 1.03 * unit)))


def test_rates_in_closed_form():
    assert theory.tolerated_rate(kr.NCE(), noise.symmetric(10, 0.2)) == pytest.approx(0.9)
    assert theory.tolerated_rate(kr.NNCE(), noise.pair_flip(10, 0.2)) == pytest.approx(0.5)
    # Half of the classes of CIFAR-10 are flipped, each up to 1/2.
    for loss in (kr.NCEandMAE(), kr.NFLandRCE(), kr.ANLFL()):
        assert theory.tolerated_rate(loss, noise.asymmetric("cifar10", 0.3)) == pytest.approx(0.25)
    assert theory.tolerated_rate(kr.CE(), noise.symmetric(10, 0.2)) == 0.0
    loss = kr.AGCE(a=0.6, q=0.6)
    bound = theory.asymmetric_up_to(loss, 10)
    assert theory.tolerated_rate(loss, noise.symmetric(10, 0.2)) == pytest.approx(bound)
    assert theory.tolerated_rate(kr.NCE() + loss, noise.symmetric(10, 0.2)) == pytest.approx(bound)


@pytest.mark.parametrize("loss", [kr.NCEandMAE(), kr.NFLandRCE(alpha=10.0, beta=0.1), kr.ANLCE(), kr.ANLFL(5.0, 0.2)])
@pytest.mark.parametrize("rate", [0.3, 0.45])
def test_active_passive_sums_are_least_in_the_limit_at_the_clean_label(loss, rate):
    """inf = alpha min_k T[y, k] + the passive part's expected loss at y, approached and nowhere undercut."""
    w = np.array([1.0 - rate, rate - 0.05, 0.05])
    active, passive = [part for _, part, *_ in loss.terms(3)]
    alpha, beta = [weight for weight, *_ in loss.terms(3)]
    certain = losses_of(passive, np.tile([0.0, -1e6, -1e6], (3, 1)), np.arange(3))
    floor = alpha * w.min() * theory.label_sums(active, 3).high + beta * (certain @ w)
    near = losses_of(loss, np.tile([0.0, -1e2, -1e8], (3, 1)), np.arange(3)) @ w
    assert near == pytest.approx(floor, rel=1e-4)
    probs = simplex(3, 60)
    assert (losses_at(loss, probs) @ w).min() >= floor - 1e-9
    logits = np.random.default_rng(0).normal(size=(2000, 3)) * 10.0 ** np.random.default_rng(1).uniform(
        -1, 5, (2000, 3)
    )
    deep = np.stack([losses_of(loss, logits, np.full(2000, k)) for k in range(3)], axis=1) @ w
    assert deep.min() >= floor - 1e-9


def test_where_probabilities_have_a_floor_an_active_loss_leaves_the_clean_label_early():
    """Why nothing is said of NCE alone under uneven noise, and the rate of sums is a limit."""
    T, probs = noise.pair_flip(3, 0.4), simplex(3, 200)
    assert not any(at_clean_labels(losses_at(kr.NCE(), probs, floor=1e-7), probs, T))
    assert not any(at_clean_labels(losses_at(kr.ANLCE(alpha=5.0, beta=0.5), probs, floor=1e-7), probs, T))
    assert all(at_clean_labels(losses_at(kr.ANLCE(alpha=0.5, beta=5.0), probs, floor=1e-7), probs, T))
    assert theory.tolerated_rate(kr.ANLCE(alpha=5.0, beta=0.5), T) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("loss", "T", "words"),
    [
        (kr.NCE(), noise.pair_flip(3, 0.4), "cost most at every wrong label once a prediction is certain"),
        (kr.NGCEandMAE(), noise.pair_flip(3, 0.4), r"added to one of them\. Received: Normalized"),
        (kr.MSE(), noise.symmetric(3, 0.4), "It is known how much noise is borne by"),
        (kr.MAE(), np.eye(3), "`transition` of tolerated_rate must be a matrix with some wrong labels"),
        (kr.MAE(), np.ones((3, 3)), "`transition` of tolerated_rate must be"),
        ("MAE", np.eye(3), "`loss` of tolerated_rate must be"),
    ],
)
def test_what_is_not_known_is_refused(loss, T, words):
    with pytest.raises(ValueError, match=words):
        theory.tolerated_rate(loss, T)
