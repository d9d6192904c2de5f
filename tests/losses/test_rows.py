"""The passes over classes that a backend has of its own, against the plain formulas and their plain derivatives."""

import numpy as np
import pytest
from harness import BACKEND, as_numpy, value_and_gradient, wide_floats
from keras import ops

import keras_robust as kr
from keras_robust.labels import Ids
from keras_robust.losses import rows
from keras_robust.losses.evidence import Evidence

FEW, MANY = 5, 100  # JAX picks in another way above 64
LOW = -3.0
READ = {
    "at_ids": lambda rows: rows.at_ids,
    "total": lambda rows: rows.total,
    "largest": lambda rows: rows.largest,
    "above": lambda rows: rows.above(LOW),
    "margin": lambda rows: rows.margin,
    "all": lambda rows: rows.at_ids * rows.above(LOW) + rows.total * rows.largest,
}


def draw(K):
    rng = np.random.default_rng(K)
    return 3.0 * rng.normal(size=(6, K)), rng.integers(0, K, 6).astype("int32")


def plain(name, z, ids):
    """Value, gradient and Hessian-vector product (in the direction of ones times k) in numpy, by its formulas."""
    K = z.shape[-1]
    log_p = z - z.max(-1, keepdims=True)
    log_p = log_p - np.log(np.exp(log_p).sum(-1, keepdims=True))
    p, rows, counts = np.exp(log_p), np.arange(len(z)), log_p > LOW
    at, top = np.eye(K)[ids], np.eye(K)[z.argmax(-1)]
    number = counts.sum(-1, keepdims=True)
    parts = {
        "at_ids": (log_p[rows, ids], at - p, 1.0),
        "total": (log_p.sum(-1), 1.0 - K * p, K),
        "largest": (log_p.max(-1), top - p, 1.0),
        "above": (np.maximum(log_p - LOW, 0.0).sum(-1), counts - number * p, number),
    }
    direction = np.arange(K) / K
    bend = -p * (direction - (p * direction).sum(-1, keepdims=True))
    parts = {key: (value, slope, factor * bend) for key, (value, slope, factor) in parts.items()}
    others = np.where(at, 0.0, p) / np.where(at, 0.0, p).sum(-1, keepdims=True)
    margin = log_p[rows, ids] - np.log(np.where(at, 0.0, p).sum(-1))
    parts["margin"] = margin, at - others, -others * (direction - (others * direction).sum(-1, keepdims=True))
    if name != "all":
        return parts[name]
    total = [0.0, 0.0, 0.0]
    for a, b in (("at_ids", "above"), ("total", "largest")):
        (u, du, hu), (v, dv, hv) = parts[a], parts[b]
        u, v = u[:, None], v[:, None]
        across = du * (dv @ direction)[:, None] + dv * (du @ direction)[:, None]
        total = [t + x for t, x in zip(total, ((u * v)[:, 0], u * dv + v * du, u * hv + v * hu + across), strict=True)]
    return total


def derivatives(function, z):
    """Values, gradient and Hessian-vector product of their sum."""
    z = ops.convert_to_tensor(z, dtype="float64")
    direction = ops.convert_to_tensor(np.arange(z.shape[-1]) / z.shape[-1] * np.ones(z.shape), dtype="float64")
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
        np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-9)
        return function(z), gradient_of(z), reverse
    import torch

    z = z.detach().requires_grad_(True)
    values = function(z)
    (gradient,) = torch.autograd.grad(values.sum(), z, create_graph=True)
    return values, gradient, torch.autograd.grad((gradient * direction).sum(), z)[0]


@pytest.mark.parametrize("K", [FEW, MANY])
@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("expected", [(), ("at_ids", "total", "largest", LOW)], ids=["apart", "together"])
def test_first_and_second_derivatives(name, K, expected):
    z, ids = draw(K)
    with wide_floats():
        ids_there = ops.convert_to_tensor(ids)
        got = derivatives(lambda z: READ[name](rows.read(z, ids_there, frozenset(expected))), z)
        for one, other in zip(got, plain(name, z, ids), strict=True):
            np.testing.assert_allclose(as_numpy(one), other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("K", [FEW, MANY])
def test_the_slope_of_a_shared_maximum_is_one_in_all(K):
    with wide_floats():
        _, gradient, _ = derivatives(lambda z: rows.read(z, None, frozenset()).largest, np.zeros((2, K)))
    gradient = as_numpy(gradient) + 1.0 / K
    np.testing.assert_allclose(gradient.sum(axis=-1), 1.0, rtol=1e-12)
    assert gradient.min() > -1e-12


@pytest.mark.parametrize("K", [FEW, MANY])
def test_dense_shapes(K):
    z, ids = (x.reshape(2, 3, *x.shape[1:]) for x in draw(K))
    for one in READ.values():
        dense = one(rows.read(ops.convert_to_tensor(z), ops.convert_to_tensor(ids), frozenset()))
        flat = one(rows.read(ops.convert_to_tensor(z.reshape(6, K)), ops.convert_to_tensor(ids.ravel()), frozenset()))
        np.testing.assert_allclose(as_numpy(dense).ravel(), as_numpy(flat), rtol=1e-6)


def test_a_step_knows_what_the_last_one_asked():
    z, ids = draw(FEW)
    z, loss = z.astype("float32"), kr.ANLCE(from_logits=True)
    first = value_and_gradient(loss, ids, z)
    if BACKEND == "torch":
        assert loss._asked == {"at_ids", "total", float(np.log(1e-7))}
    soft = value_and_gradient(loss, np.eye(FEW, dtype="float32")[ids], z)
    for again in (value_and_gradient(loss, ids, z), soft, value_and_gradient(loss, ids, z)):
        for one, other in zip(first, again, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)


def test_a_label_alone_costs_no_other_pass(monkeypatch):
    asked = []
    z, ids = draw(FEW)
    ids = ops.convert_to_tensor(ids)
    kind = type(rows.read(ops.convert_to_tensor(z.astype("float32")), ids))
    monkeypatch.setattr(kind, "total", property(lambda self: asked.append("total")))
    evidence = Evidence(ops.convert_to_tensor(z.astype("float32")), Ids(ids, None, None))
    np.testing.assert_allclose(
        as_numpy(kr.GCE(0.0).per_sample(evidence)), -plain("at_ids", z, as_numpy(ids).astype(int))[0], rtol=1e-5
    )
    assert not asked
