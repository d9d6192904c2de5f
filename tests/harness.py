"""What the tests share: values and gradients on any backend, the accuracy bars, chi-square, real data."""

import contextlib
import functools
import os
import pathlib
import subprocess
import sys

import forked
import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_robust import cli

BACKEND = keras.backend.backend()
BACKENDS = ("tensorflow", "jax", "torch")
#: For what does not depend on the backend: it is run on PyTorch, which traces and compiles nothing.
once = pytest.mark.only("torch")
once_on_jax = pytest.mark.only("jax")  # some, so that both end at the same time
REAL_DATA = pathlib.Path(os.environ.get("KERAS_ROBUST_DATA", pathlib.Path(__file__).parents[2] / "shared" / "data"))


#: XLA's options for what the tests of digits compile: not the quick ones of the tests (conftest.py) but XLA's defaults.
AS_USERS_DO = {
    "xla_backend_optimization_level": 3,
    "xla_llvm_disable_expensive_passes": False,
    "xla_cpu_use_fusion_emitters": True,
}


@contextlib.contextmanager
def as_users_trace():
    """TensorFlow optimizes the graphs of functions that are first called here, as it does for users."""
    if BACKEND != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def in_turn(values):
    """Every third of the values: what hardly depends on the backend is run on one of the three, in turn."""
    return list(values)[BACKENDS.index(BACKEND) :: 3]


def real_data(*parts):
    """A path in the folder of real data; where it is missing, the test is skipped."""
    path = REAL_DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs real data: KERAS_ROBUST_DATA, no {path}")
    return path


def printed_by(code, *arguments, backend=BACKEND):
    """What a Python process of its own prints."""
    if backend == BACKEND:
        process = forked.run(code, *arguments)
    else:
        process = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=os.environ | {"KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
        )
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


def run_here(code, *arguments):
    """The names of a program run in this process, which saves the start of another one."""
    names, before = {"__name__": "__main__"}, sys.argv
    sys.argv = ["-c", *map(str, arguments)]
    try:
        exec(compile(code, "<program>", "exec"), names)
    finally:
        sys.argv = before
    return names


def assert_refused_in_one_line(arguments, words, capsys):
    """The command says in one line on stderr what is wrong with its arguments."""
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert error.count("\n") == 1


@contextlib.contextmanager
def wide_floats(dtype="float64"):
    """JAX computes in float64 only where asked."""
    if BACKEND == "jax" and dtype == "float64":
        import jax

        with jax.enable_x64(True):
            yield
    else:
        yield


def value_and_gradient(loss, y_true, y_pred, sample_weight=None, compiled=False):
    """Per-sample losses and the gradient of their sum in y_pred, as float64 numpy arrays.

    The loss is called as Keras calls it, so its reduction must be None or "sum", or its default: then the mean is
    undone.
    """
    return values_and_gradients([loss], y_true, y_pred, sample_weight, compiled)[0]


def values_and_gradients(losses, y_true, y_pred, sample_weight=None, compiled=False):
    """`value_and_gradient` of every loss; compiled, they are one program, which takes a third of the time of many."""
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)

    def total(loss, z):
        each = loss.call(y_true, z) if sample_weight is None else loss(y_true, z, sample_weight)
        return ops.sum(each), each

    if BACKEND == "tensorflow":
        import tensorflow as tf

        def one(loss, z):
            with tf.GradientTape() as tape:
                tape.watch(z)
                value, each = total(loss, z)
            return each, tape.gradient(value, z)

        def step(z):
            return [one(loss, z) for loss in losses]

        results = (tf.function(step, jit_compile=True, autograph=False) if compiled else step)(y_pred)
    elif BACKEND == "jax":
        import jax

        def one(loss, z):
            (_, each), gradient = jax.value_and_grad(functools.partial(total, loss), has_aux=True)(z)
            return each, gradient

        def step(z):
            return [one(loss, z) for loss in losses]

        results = (jax.jit(step, compiler_options=AS_USERS_DO) if compiled else step)(y_pred)
    else:
        import torch

        def one(loss):
            leaf = y_pred.detach().clone().requires_grad_(True)
            value, each = total(loss, leaf)
            (gradient,) = torch.autograd.grad(value, leaf)
            return each, gradient

        results = [one(loss) for loss in losses]
    return [(as_numpy(each), as_numpy(gradient)) for each, gradient in results]


def as_numpy(x):
    return np.asarray(ops.convert_to_numpy(ops.cast(x, "float64" if _is_double(x) else "float32")), "float64")


def _is_double(x):
    return keras.backend.standardize_dtype(x.dtype) == "float64"


def assert_close(values, gradient, expected_values, expected_gradient, logits, dtype="float32", ties=()):
    """The accuracy bars of the project: 1e-5 / 1e-4 relative in float32, 1e-9 in float64."""
    relative, slope_relative, absolute, slope_absolute = {
        "float32": (1e-5, 1e-4, 1e-6, 2e-7),
        "float64": (1e-9, 1e-9, 1e-14, 1e-14),
    }[dtype]
    scale = max(1.0, np.abs(logits).max()) * max(1.0, np.abs(expected_values).max())
    _assert_within("value", values, expected_values, relative * np.abs(expected_values) + absolute * scale)
    keep = np.ones(len(expected_gradient), bool)
    keep[list(ties)] = False
    largest = np.abs(expected_gradient).max(axis=-1, keepdims=True)
    bound = (slope_relative * largest + slope_absolute * scale) * np.ones_like(expected_gradient)
    _assert_within("gradient", gradient[keep], expected_gradient[keep], bound[keep])


def _assert_within(what, got, expected, bound):
    assert np.all(np.isfinite(got)), f"{what} is not finite: {got[~np.isfinite(got)][:4]}"
    excess = np.abs(got - expected) / bound
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    assert excess[worst] <= 1.0, (
        f"{what} at {tuple(map(int, worst))} is {got[worst]:.9g}, expected {expected[worst]:.9g}, "
        f"{excess[worst]:.3g} times the allowed error off"
    )


def assert_fits(counts, matrix):
    """Chi-square of counts against the rows of a matrix, and nothing where the matrix says 0."""
    expected = matrix * counts.sum(axis=1, keepdims=True)
    assert np.all(counts[expected == 0] == 0)
    chi2, freedom = 0.0, 0
    for observed, theory in zip(counts, expected, strict=True):
        # Chi-square needs five in each cell: rarer ones are counted with the row's most frequent.
        rare = theory < 5
        rare[theory.argmax()] = True
        observed, theory = (np.append(row[~rare], row[rare].sum()) for row in (observed, theory))
        if len(theory) > 1:
            chi2 += ((observed - theory) ** 2 / theory).sum()
            freedom += len(theory) - 1
    assert freedom == 0 or stats.chi2.sf(chi2, freedom) > 1e-4, f"chi-square {chi2:.1f} at {freedom} degrees of freedom"
