"""What does a robust loss cost, forward and backward, in units of the backend's own fastest cross entropy?

    KERAS_BACKEND=jax python benchmarks/loss_step.py [--losses all] [--classes 10 1000] [--cores 1]

The step is compiled as Keras compiles a training step: on TensorFlow `tf.function` without XLA on a CPU (what
`jit_compile="auto"` comes to there) and with it on a GPU, on JAX `jit`, on PyTorch nothing. The unit is
`sparse_softmax_cross_entropy_with_logits`, a shifted log-sum-exp with a gather, and `cross_entropy(reduction="none")`.
Beside the losses: Keras' own sparse cross entropy, and the textbook form (softmax, clip, one-hot) of published code.

Each ratio has the memory beside it, in (batch, classes) buffers of float32 more than the unit has: on PyTorch what
autograd saves for the backward pass, without the logits; on TensorFlow the tensors of forward operations that
backward operations of the traced step read, without the logits; on JAX the temporary memory of the compiled step.
And the largest error of value and gradient against float64, at the fewest and the most classes, in units of what the
tests allow (1e-5 and 1e-4). Takes about two minutes on two cores that nobody else uses.
"""

import argparse
import functools
import json
import math
import sys
import time

import measuring

CLASSES = (10, 100, 1_000, 10_000, 100_000)
ENTRIES = 2**22


def losses_of(kr, chosen):
    """Losses of logits by the name that the table shows."""
    examples = {
        "APL": lambda **k: kr.APL(kr.NCE(), kr.MAE(), **k),
        "AUL": lambda **k: kr.AUL(6.3, 1.5, **k),
        "AGCE": lambda **k: kr.AGCE(0.6, 0.6, **k),
        "AEL": lambda **k: kr.AEL(2.5, **k),
        "ANLCEER": lambda **k: kr.ANLCEER(1.0, 1.0, 0.01, **k),
        "NCEandAGCE": lambda **k: kr.NCEandAGCE(1.0, 4.0, a=6.0, q=1.5, **k),
        "NCEandAUL": lambda **k: kr.NCEandAUL(1.0, 4.0, a=6.3, q=1.5, **k),
        "NCEandAEL": lambda **k: kr.NCEandAEL(1.0, 4.0, a=5.0, **k),
        "DAL": lambda **k: kr.DAL(1.2, 0.5, **k),
        "GLS": lambda **k: kr.GLS(0.1, **k),
        "CR": lambda **k: kr.CR(0.5, **k),
        "PeerLoss": lambda **k: kr.PeerLoss(kr.CE(), 0.5, **k),
        "SparseRegularized": lambda **k: kr.SparseRegularized(kr.CE(), **k),
        "LogitBias": lambda **k: kr.LogitBias(kr.NCE(), 1.0, **k),
        "MarginShift": lambda **k: kr.MarginShift(kr.MAE(), 2.0, **k),
        "MarginScale": lambda **k: kr.MarginScale(kr.MAE(), 2.0, **k),
        "Normalized": lambda **k: kr.Normalized(kr.AGCE(0.6, 0.6), **k),
        "NegativeNormalized": lambda **k: kr.NegativeNormalized(kr.GCE(), **k),
        "UnitWeight": lambda **k: kr.UnitWeight(kr.MAE(), **k),
        "GCEStar": lambda **k: kr.GCEStar(0.7, **k),
        "NFLandMAEStar": lambda **k: kr.NFLandMAEStar(1.0, 0.4, **k),
        "CE + NCE + GCE": lambda **k: kr.CE(**k) + kr.NCE() + kr.GCE(),
    }
    names = [name for name in kr.losses.__all__ if name not in ("RobustLoss", "WeightedSum")] + ["CE + NCE + GCE"]
    chosen = names if chosen == ["all"] else chosen
    if unknown := set(chosen) - set(names):
        raise SystemExit(f"Unknown losses: {', '.join(sorted(unknown))}. Known: {', '.join(names)}.")
    return {name: (examples.get(name) or getattr(kr, name))(from_logits=True) for name in chosen}


def unit(backend):
    """The backend's fastest sparse cross entropy of each sample."""
    match backend:
        case "tensorflow":
            import tensorflow as tf

            return tf.nn.sparse_softmax_cross_entropy_with_logits
        case "jax":
            import jax
            import jax.numpy as jnp

            def shifted_log_sum_exp(y, z):
                s = z - jax.lax.stop_gradient(jnp.max(z, axis=-1, keepdims=True))
                return jnp.log(jnp.sum(jnp.exp(s), axis=-1)) - jnp.take_along_axis(s, y[:, None], axis=-1)[:, 0]

            return shifted_log_sum_exp
        case "torch":
            import torch

            return lambda y, z: torch.nn.functional.cross_entropy(z, y.long(), reduction="none")


def textbook(ops):
    """As published code writes them: softmax, clip, one-hot."""

    def gce(y, z, q=0.7):
        p = ops.clip(ops.softmax(z), 1e-7, 1.0)
        return (1.0 - ops.sum(ops.one_hot(y, z.shape[-1]) * p, axis=-1) ** q) / q

    def nce(y, z):
        log_p = ops.log_softmax(z)
        return ops.sum(ops.one_hot(y, z.shape[-1]) * log_p, axis=-1) / ops.sum(log_p, axis=-1)

    def anl_ce(y, z):
        highest = -math.log(1e-7)
        log_p = ops.log(ops.clip(ops.softmax(z), 1e-7, 1.0))
        negative = ops.sum(ops.one_hot(y, z.shape[-1]) * (highest + log_p), axis=-1)
        return nce(y, z) + 1.0 - negative / ops.sum(highest + log_p, axis=-1)

    return {"textbook GCE": gce, "textbook NCE": nce, "textbook ANL-CE": anl_ce}


def buffers(backend, loss, run, y, z):
    """Memory of a step in units of the logits, see the first lines of this file."""
    size = math.prod(z.shape) * 4
    match backend:
        case "jax":
            return run.compiled.lower(y, z).compile().memory_analysis().temp_size_in_bytes / size
        case "torch":
            import torch

            leaf, saved = z.detach().requires_grad_(True), {}

            def pack(x):
                saved[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
                return x

            with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
                value = loss(y, leaf)
            saved.pop(leaf.untyped_storage().data_ptr(), None)
            del value
            return sum(bytes for bytes in saved.values() if bytes >= size / 4) / size
        case "tensorflow":
            import tensorflow as tf

            forward = []

            @tf.function
            def traced(y, z):
                with tf.GradientTape() as tape:
                    tape.watch(z)
                    value = loss(y, z)
                forward.extend(tf.compat.v1.get_default_graph().get_operations())
                return tape.gradient(value, z)

            operations = traced.get_concrete_function(y, z).graph.get_operations()
            before = {operation.name for operation in forward}
            read = {
                tensor.ref(): tensor
                for operation in operations
                if operation.name not in before and operation.type not in ("Shape", "ZerosLike", "Size")
                for tensor in operation.inputs
                if tensor.op.name in before and tensor.op.type not in ("Placeholder", "Identity", "IdentityN")
            }
            large = [tensor for tensor in read.values() if tensor.shape.rank and tensor.shape[-1] == z.shape[-1]]
            return sum(math.prod(tensor.shape) * tensor.dtype.size for tensor in large) / size


def errors(backend, loss, y, z):
    """Largest error of value and gradient of some rows against float64, in units of the bars of the tests."""
    import contextlib

    import numpy as np
    from keras import ops

    rows = max(2, min(len(y), 2**18 // z.shape[-1]))
    results = []
    for dtype in ("float32", "float64"):
        wide = contextlib.nullcontext()
        if backend == "jax" and dtype == "float64":
            import jax

            wide = jax.enable_x64(True)
        with wide:
            kind = type(loss).from_config(loss.get_config() | {"reduction": "sum", "dtype": dtype})
            run = measuring.step(kind)
            value, gradient = run(
                ops.convert_to_tensor(y[:rows]), ops.convert_to_tensor(z[:rows].astype(dtype), dtype=dtype)
            )
            results += [float(ops.convert_to_numpy(value)), ops.convert_to_numpy(gradient)]
    value, gradient, true_value, true_gradient = results
    largest = np.abs(true_gradient).max(axis=-1, keepdims=True)
    scale = np.abs(z[:rows]).max()
    return (
        float(abs(value - true_value) / (1e-5 * abs(true_value) + 1e-6 * scale)),
        float((np.abs(gradient - true_gradient) / (1e-4 * largest + 2e-7 * scale)).max()),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--losses", nargs="+", metavar="NAME", default="GCE AGCE JS MAEStar NCE NCEandRCE DAL ANLCE".split()
    )
    parser.add_argument("--classes", nargs="+", type=int, default=CLASSES)
    parser.add_argument("--entries", type=int, default=ENTRIES, help="batch x classes (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=12.0, help="for the times of each number of classes")
    parser.add_argument("--bare", action="store_true", help="without Keras' cross entropy and the textbook forms")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: for a machine that others use")
    options = parser.parse_args()
    measuring.keep_to_cores(options.cores)

    import keras
    import numpy as np
    from keras import ops

    import keras_robust as kr

    backend = keras.backend.backend()
    circumstances = measuring.circumstances()
    losses = losses_of(kr, options.losses)
    of_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    samples = {"unit": unit(backend), **textbook(ops)}
    steps = {name: lambda y, z, f=function: ops.mean(f(y, z)) for name, function in samples.items()}
    plain = {"unit": steps.pop("unit"), "Keras CE": of_logits, **steps}
    steps = ({"unit": plain["unit"]} if options.bare else plain) | losses
    ratios, memory, worst, milliseconds = ({name: {} for name in steps} for _ in range(4))
    clock = {"wall": time.perf_counter, "cpu": time.process_time}[options.clock]
    for K in options.classes:
        batch = max(4, options.entries // K)
        rng = np.random.default_rng(0)
        z, y = 3.0 * rng.normal(size=(batch, K)).astype("float32"), rng.integers(0, K, batch).astype("int32")
        device_y, device_z = ops.convert_to_tensor(y), ops.convert_to_tensor(z)
        runs = {name: measuring.step(loss) for name, loss in steps.items()}
        seconds = measuring.interleaved(
            {name: functools.partial(run, device_y, device_z) for name, run in runs.items()}, options.seconds, clock
        )
        kept = buffers(backend, steps["unit"], runs["unit"], device_y, device_z)
        for name, loss in steps.items():
            ratios[name][K] = round(seconds[name] / seconds["unit"], 3)
            milliseconds[name][K] = round(1e3 * seconds[name], 2)
            memory[name][K] = round(buffers(backend, loss, runs[name], device_y, device_z) - kept, 2)
            if name in losses and K in (min(options.classes), max(options.classes)):
                worst[name][K] = [round(error, 3) for error in errors(backend, loss, y, z)]
        print(f"K = {K}: batch {batch}, unit {1e3 * seconds['unit']:.2f} ms", file=sys.stderr)

    print(f"{backend}, {circumstances['device']}: time in units of cross entropy (memory: buffers more than it)")
    print(f"{'':18}" + "".join(f"{f'K = {K:,}':>17}" for K in options.classes) + f"{'error / bar':>13}")
    for name in steps:
        cells = "".join(f"{f'{ratios[name][K]:.2f} ({memory[name][K]:+.1f})':>17}" for K in options.classes)
        error = max((max(pair) for pair in worst[name].values()), default=None)
        print(f"{name:18}{cells}" + ("" if error is None else f"{error:13.3f}"))
    print(
        json.dumps(
            {
                "benchmark": "loss_step",
                "ratio": ratios,
                "milliseconds": milliseconds,
                "buffers_beyond_unit": memory,
                "error_over_bar": {name: errors for name, errors in worst.items() if errors},
                "entries": options.entries,
                "clock": options.clock,
                **circumstances,
            }
        )
    )
    wrong = [name for name, errors in worst.items() if any(max(pair) > 1.0 for pair in errors.values())]
    if wrong:
        raise SystemExit(f"Not as exact as promised: {', '.join(wrong)}.")


if __name__ == "__main__":
    main()
