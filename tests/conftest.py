"""Settings of all tests: quiet backends, the seed, what JAX has compiled, and the choice of one loss."""

import contextlib
import functools
import gc
import hashlib
import importlib.metadata
import importlib.util
import os
import pathlib
import re

import pytest
from cache import KEPT
from room import roomy

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("MPLBACKEND", "agg")
# The workers share the cores. PyTorch's threads spin while they wait for one that has none: three times the work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# XLA compiles for seconds what runs for microseconds. Most of that is LLVM's optimization and a detour through MLIR. It
# dies of a flag that it does not know, and they come and go.
QUICK = "xla_backend_optimization_level=0 xla_llvm_disable_expensive_passes=true xla_cpu_use_fusion_emitters=false"
QUICK += " xla_cpu_parallel_codegen_split_count=1"
with contextlib.suppress(importlib.metadata.PackageNotFoundError):
    if importlib.metadata.version("jaxlib").startswith("0.10."):
        os.environ.setdefault("XLA_FLAGS", " ".join(f"--{option}" for option in QUICK.split()))

# JAX finds by its digest what it has compiled before: in the other worker, in a process of a test, in an earlier run,
# in another clone.
# What is compiled for a processor is kept for it alone.
CPU = pathlib.Path("/proc/cpuinfo")
PROCESSOR = sorted(set(re.findall("^(?:flags|Features|model name).*$", CPU.read_text(), re.M))) if CPU.exists() else []
DIGEST = hashlib.sha256("".join(PROCESSOR).encode()).hexdigest()[:16]
COMPILED = KEPT / "compiled" / DIGEST
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(COMPILED))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


@pytest.fixture(autouse=True)
def _seed():
    import keras  # not in the process that only hands out tests

    keras.utils.set_random_seed(0)


def pytest_sessionstart():
    """JAX lowers each program in a context of its own, with the instructions of all GPUs: one serves for all."""
    if os.environ.get("KERAS_BACKEND") == "jax" and not os.environ["CUDA_VISIBLE_DEVICES"]:
        from jax._src.interpreters import mlir

        mlir.make_ir_context = functools.cache(mlir.make_ir_context)


def pytest_collection_finish(session):
    """Switches off what costs the tests time, again and again, and has no use for them."""
    if session.items:
        import keras

        if importlib.util.find_spec("tensorflow"):  # Keras seeds it on every backend
            from tensorflow.python.eager import context

            # To be seeded it drops all kernels it has made, since there are some that hold a seed: not here.
            context.pywrap_tfe.TFE_ContextClearCaches = lambda handle: None
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # Its graphs run for less time than it takes to optimize them; `harness.as_users_trace` has them optimized.
            tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        if keras.backend.backend() == "torch" and not os.environ["CUDA_VISIBLE_DEVICES"]:
            import torch

            # PyTorch keeps every seed, with a traceback, for the GPUs of four makers that might be found later.
            torch.manual_seed = torch.default_generator.manual_seed
    # What was imported stays: the garbage collector need not walk it again, nor after every 700 new objects.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    _call(pyfuncitem.obj, {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames})
    return True


@roomy
def _call(function, arguments):
    function(**arguments)


def pytest_addoption(parser):
    parser.addoption("--loss", metavar="NAME", help="run the tests of this loss alone")


def pytest_collection_modifyitems(config, items):
    import keras

    backend, name = keras.backend.backend(), config.getoption("--loss")
    chosen = [item for item in items if all(backend in mark.args for mark in item.iter_markers("only"))]
    if name is not None:
        from choice import of_loss

        chosen = of_loss(name, chosen)
    kept = set(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = chosen
