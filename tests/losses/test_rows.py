"""The passes over classes that a backend has of its own, against the plain formulas and their plain derivatives."""

import numpy as np
import pytest
from cache import cached
from harness import BACKEND, as_numpy, value_and_gradient, wide_floats
from keras import ops
from mpmath import mp, mpf

import keras_robust as kr
from keras_robust.backend import gradient
from keras_robust.labels import Ids
from keras_robust.losses import rows
from keras_robust.losses.evidence import evidence

FEW, MANY = 5, 100
LOW = -3.0
ALL = frozenset({"sum", LOW})


def others(z, ids, reads=frozenset()):
    return rows.others(z, ids, reads)


READ = {
    "margin": lambda z, ids, reads: others(z, ids, reads).margin,
    "sum": lambda z, ids, reads: others(z, ids, reads).sum_log_shares,
    "max": lambda z, ids, reads: others(z, ids, reads).max_log_share,
    "above": lambda z, ids, reads: others(z, ids, reads).above(LOW),
    "biased above": lambda z, ids, reads: others(z, ids, reads).above(LOW, 0.7),
    "shares": lambda z, ids, reads: ops.sum(ops.square(others(z, ids, reads).log_shares), axis=-1),
    "together": lambda z, ids, reads: together(others(z, ids, reads)),
    "peak": lambda z, ids, reads: peak(rows.peak(z, ids)),
    "whole sum": lambda z, ids, reads: rows.whole(z).sum_log_probs,
    "whole max": lambda z, ids, reads: rows.whole(z).max_log_prob,
    "whole": lambda z, ids, reads: ops.sum(ops.square(rows.whole(z).log_probs), axis=-1),
}


def peak(read):
    return ops.square(read.log_p) + read.log_p * read.max_log_prob


def together(read):
    return read.margin * read.above(LOW) + read.sum_log_shares * read.max_log_share


def draw(K):
    rng = np.random.default_rng(K)
    return 3.0 * rng.normal(size=(4, K)), rng.integers(0, K, 4).astype("int32")


def plain(name, z, y):
    """A number of one row, by its formula in 60 digits."""
    z = [mpf(v) for v in z]
    rest = [v for k, v in enumerate(z) if k != y]
    log_all, log_rest = (mp.log(mp.fsum(map(mp.exp, values))) for values in (z, rest))
    log_p = [v - log_all for v in z]
    margin, shares = z[y] - log_rest, [v - log_rest for v in rest]

    def above(bias=0):
        log_complement = -mp.log(1 + mp.exp(margin + bias))
        return mp.fsum(max(share + log_complement - LOW, 0) for share in shares)

    match name:
        case "margin":
            return margin
        case "sum":
            return mp.fsum(shares)
        case "max":
            return max(shares)
        case "above":
            return above()
        case "biased above":
            return above(mpf(0.7))
        case "shares":
            return mp.fsum(share**2 for share in shares)
        case "together":
            return margin * above() + mp.fsum(shares) * max(shares)
        case "peak":
            return log_p[y] ** 2 + log_p[y] * max(log_p)
        case "whole sum":
            return mp.fsum(log_p)
        case "whole max":
            return max(log_p)
        case "whole":
            return mp.fsum(v**2 for v in log_p)


def expected(name, K):
    """Values, gradients and Hessian-vector products (in the direction of k / K)."""
    found = in_many_digits(name, K)
    return found[:, 0], found[:, 1 : K + 1], found[:, K + 1 :]


@cached
def in_many_digits(name, K):
    """By differences in 60 digits; each row is a value, its gradient and its Hessian-vector product."""
    with mp.workdps(60):
        return np.array([_in_many_digits(name, z, y) for z, y in zip(*draw(K), strict=True)], "float64")


def _in_many_digits(name, z, y):
    z, step = [mpf(float(v)) for v in z], mpf("1e-15")
    along = [mpf(k) / len(z) for k in range(len(z))]

    def slope(k, up):
        moved = [v + step * up * a for v, a in zip(z, along, strict=True)]
        higher, lower = list(moved), list(moved)
        higher[k] += step
        lower[k] -= step
        return (plain(name, higher, y) - plain(name, lower, y)) / (2 * step)

    gradient = [slope(k, 0) for k in range(len(z))]
    return [plain(name, z, y), *gradient, *((slope(k, 1) - slope(k, -1)) / (2 * step) for k in range(len(z)))]


def derivatives(function, z, dtype="float64"):
    """Values, gradient and Hessian-vector product of their sum."""
    z = ops.convert_to_tensor(z, dtype=dtype)
    direction = ops.convert_to_tensor(np.arange(z.shape[-1]) / z.shape[-1] * np.ones(z.shape), dtype=dtype)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as outer:
            outer.watch(z)
            with tf.GradientTape() as inner:
                inner.watch(z)
                values = function(z)
            gradient = inner.gradient(values, z)
            along = tf.reduce_sum(gradient * direction)
        return values, gradient, outer.gradient(along, z)
    if BACKEND == "jax":
        import jax

        gradient_of = jax.grad(lambda z: ops.sum(function(z)))
        forward = jax.jvp(gradient_of, (z,), (direction,))[1]
        reverse = jax.grad(lambda z: ops.sum(gradient_of(z) * direction))(z)
        tolerance = 1e-9 if dtype == "float64" else 1e-5
        np.testing.assert_allclose(forward, reverse, rtol=tolerance, atol=tolerance)
        return function(z), gradient_of(z), reverse
    import torch

    z = z.detach().requires_grad_(True)
    values = function(z)
    (gradient,) = torch.autograd.grad(values.sum(), z, create_graph=True)
    return values, gradient, torch.autograd.grad((gradient * direction).sum(), z)[0]


@pytest.mark.parametrize("K", [2, FEW, 20])
@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("reads", [frozenset(), ALL], ids=["apart", "together"])
def test_first_and_second_derivatives(name, K, reads):
    z, ids = draw(K)
    with wide_floats():
        ids_there = ops.convert_to_tensor(ids)
        got = derivatives(lambda z: READ[name](z, ids_there, reads), z)
        for one, other in zip(got, expected(name, K), strict=True):
            np.testing.assert_allclose(as_numpy(one), other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("K", [FEW, MANY])
@pytest.mark.parametrize("name", ["max", "whole max"])
def test_the_slope_of_a_shared_maximum_is_one_in_all(name, K):
    ids = ops.convert_to_tensor(np.array([0, 3], "int32"))
    with wide_floats():
        _, gradient, _ = derivatives(lambda z: READ[name](z, ids, frozenset()), np.zeros((2, K)))
    np.testing.assert_allclose(as_numpy(gradient), 0.0, atol=1e-12)


@pytest.mark.parametrize("K", [FEW, MANY])
@pytest.mark.parametrize("reads", [frozenset(), ALL], ids=["apart", "together"])
def test_dense_shapes(K, reads):
    z, ids = draw(K)
    z = z.astype("float32")
    for one in READ.values():
        dense = one(ops.convert_to_tensor(z.reshape(2, 2, K)), ops.convert_to_tensor(ids.reshape(2, 2)), reads)
        flat = one(ops.convert_to_tensor(z), ops.convert_to_tensor(ids), reads)
        np.testing.assert_allclose(as_numpy(dense).ravel(), as_numpy(flat), rtol=1e-6)


@pytest.mark.parametrize("read", ["max", "peak"])
@pytest.mark.parametrize("margin", [-80.0, -20.0, 0.5, 20.0, 80.0])
def test_the_rest_keeps_its_digits(margin, read):
    """One class is all but the whole: the logarithm of its share, and the slope of that, have relative digits."""
    z = np.array([[0.0, margin, -500.0], [margin, 0.0, -500.0], [-500.0, margin, 0.0]], "float32")
    ids = ops.convert_to_tensor(np.array([2, 2, 0], "int32"))
    largest = {"max": lambda z: others(z, ids).max_log_share, "peak": lambda z: rows.peak(z, ids).max_log_prob}[read]
    values, gradient, _ = derivatives(largest, z, "float32")
    rest = np.exp(-abs(np.float64(margin)))
    np.testing.assert_allclose(as_numpy(values), -np.log1p(rest), rtol=3e-7)
    top = np.argmax(z, axis=-1)
    np.testing.assert_allclose(as_numpy(gradient)[np.arange(3), top], rest / (1.0 + rest), rtol=1e-5)


def test_a_label_at_the_peak_keeps_its_digits():
    z = np.array([[30.0, 0.0, 0.0], [60.0, 0.0, 0.0], [0.0, 0.0, -90.0]], "float32")
    ids = ops.convert_to_tensor(np.array([0, 0, 1], "int32"))
    values, gradient, _ = derivatives(lambda z: rows.peak(z, ids).log_p, z, "float32")
    np.testing.assert_allclose(as_numpy(values), [-2 * np.exp(-30.0), -2 * np.exp(-60.0), -np.log(2)], rtol=1e-5)
    expected = [[2 * np.exp(-30.0), *[-np.exp(-30.0)] * 2], [2 * np.exp(-60.0), *[-np.exp(-60.0)] * 2], [-0.5, 0.5, 0]]
    np.testing.assert_allclose(as_numpy(gradient), expected, rtol=1e-5, atol=1e-38)


def test_a_value_with_a_slope_of_its_own():
    """The slope that is given is the derivative, whatever the value's would be, and has a derivative itself."""
    x = np.array([[-2.0, -0.5, 3.0]])
    with wide_floats():
        values, gradient, bend = derivatives(
            lambda x: ops.sum(rows.with_slope(lambda x: (ops.sign(x) * 7.0, ops.sin(x)), x), axis=-1), x
        )
    np.testing.assert_allclose(as_numpy(values), [-7.0])
    np.testing.assert_allclose(as_numpy(gradient), -np.sin(x))
    np.testing.assert_allclose(as_numpy(bend), -np.cos(x) * np.arange(3) / 3)


def test_a_share_keeps_its_digits():
    """Where one of two numbers is all but the whole, the slope in it is that of the small rest."""
    exponents = np.linspace(-40, 40, 33)
    part, rest = (2.0 ** each.ravel() for each in np.meshgrid(exponents, exponents))
    numbers = ops.convert_to_tensor(np.stack([part, rest]).astype("float32"))
    slopes = as_numpy(gradient(lambda x: rows.share(x[0], x[1]), numbers))
    whole = part + rest
    np.testing.assert_allclose(as_numpy(rows.share(numbers[0], numbers[1])), part / whole, rtol=1e-6)
    np.testing.assert_allclose(slopes, [rest / whole / whole, -part / whole / whole], rtol=1e-5)


def test_a_label_alone_costs_no_other_pass(monkeypatch):
    z, ids = draw(FEW)
    z, ids = ops.convert_to_tensor(z.astype("float32")), ops.convert_to_tensor(ids)
    kind = type(rows.others(z, ids))
    for name in ("sum_log_shares", "max_log_share", "log_shares"):
        monkeypatch.setattr(kind, name, property(lambda self: pytest.fail("read more than the margin")))
    loss = kr.GCE(0.0)
    assert loss.reads == frozenset()
    losses = loss.per_sample(evidence(z, Ids(ids, None, None)))
    log_p = as_numpy(ops.log_softmax(z))[np.arange(4), as_numpy(ids).astype(int)]
    np.testing.assert_allclose(as_numpy(losses), -log_p, rtol=1e-5)


@pytest.mark.only("jax")  # it alone compiles what is not in jit
def test_outside_of_jit_a_loss_is_compiled_once(caplog):
    import jax

    loss = kr.ANLCE(from_logits=True) + kr.DAL(0.6, 1.0) + kr.GLS(0.1)
    z, y = draw(FEW)
    for expected in (True, False):
        with jax.log_compiles():
            value_and_gradient(loss, y, z.astype("float32"))
        assert ("Compiling" in caplog.text) == expected
        caplog.clear()
