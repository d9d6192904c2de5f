"""What PyTorch does with a loss besides running it: compile it whole, take it through `torch.func`."""

import numpy as np
import pytest
from cases import BATCH_CASES, CASES
from harness import BACKEND

import keras_robust as kr

if BACKEND != "torch":
    pytest.skip("PyTorch only", allow_module_level=True)

import torch
import torch._dynamo

FLIPS = np.eye(5) * 0.6 + 0.08
CORRECTED = {
    kind.__name__: lambda kind=kind, **k: kind(kr.CE(), FLIPS, **k)
    for kind in (kr.ForwardCorrected, kr.BackwardCorrected)
}
CLASSES = {case.name: case.make for case in CASES} | CORRECTED
MADE = CLASSES | {kind.__name__: make for kind, make, _ in BATCH_CASES}
EVERY = pytest.mark.parametrize("name", MADE)

Z = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 4, 2, 2])


@EVERY
def test_compiled_whole(name):
    torch._dynamo.reset()
    loss = MADE[name](from_logits=True)
    # What "aot_eager" compiles "eager" does: it goes on from the same graph.
    step = torch.compile(lambda y, z: loss(y, z), fullgraph=True, backend="aot_eager")
    z, again = Z.clone().requires_grad_(True), Z.clone().requires_grad_(True)
    got, expected = step(Y, z), loss(Y, again)
    torch.testing.assert_close(got, expected)
    got.backward()
    expected.backward()
    torch.testing.assert_close(z.grad, again.grad, rtol=1e-4, atol=1e-6)


def test_binary_compiled_whole():
    torch._dynamo.reset()
    loss, y = kr.Binary(kr.ANLCE(), from_logits=True), (Z > 0.3).int()
    for labels in (y, y.float()):
        step = torch.compile(lambda y, z: loss(y, z), fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(step(labels, Z), loss(labels, Z))


@EVERY
def test_func(name):
    loss = MADE[name](from_logits=True, reduction="sum")

    def total(z):
        return loss(Y, z)

    z = Z.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(total(z), z, create_graph=True)
    torch.testing.assert_close(torch.func.grad(total)(Z), slope.detach(), rtol=1e-4, atol=1e-6)
    direction = torch.ones_like(Z) * torch.arange(5.0)
    (twice,) = torch.autograd.grad((slope * direction).sum(), z)
    by_func = torch.func.grad(lambda z: (torch.func.grad(total)(z) * direction).sum())(Z)
    torch.testing.assert_close(by_func, twice, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", CLASSES)
def test_vmap(name):
    loss = MADE[name](from_logits=True, reduction="sum")
    expected = loss.call(Y, Z)
    torch.testing.assert_close(torch.func.vmap(loss.call)(Y, Z), expected, rtol=1e-4, atol=1e-6)
    batches = torch.func.vmap(loss)(Y.reshape(2, 2), Z.reshape(2, 2, 5))
    torch.testing.assert_close(batches, expected.reshape(2, 2).sum(dim=-1), rtol=1e-4, atol=1e-6)
    slopes = torch.func.vmap(torch.func.grad(lambda z, y: loss(y, z)))(Z, Y)
    torch.testing.assert_close(slopes, torch.func.grad(lambda z: loss(Y, z))(Z), rtol=1e-4, atol=1e-6)
    curves = torch.func.jacrev(torch.func.grad(lambda z: loss(Y[0], z)))(Z[0])
    assert curves.shape == (5, 5)
    assert torch.isfinite(curves).all()
