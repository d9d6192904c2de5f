"""How much of a whole step of `fit` is the loss? The bar, on a GPU: 1.05 times the step with cross entropy.

    KERAS_BACKEND=jax python benchmarks/loss_in_fit.py [--classes 10 100000] [--losses GCE ANLCE]

The model is the head of a network alone, `Dense(K)` on a batch of features, so that the loss is as large a part of
the step as it can be. Steps are those of `fit` with SGD; the data lie on the device. Epochs of the losses are timed in
turns in one process, against Keras' own `SparseCategoricalCrossentropy`. On PyTorch the kernels of a step are counted
beside its time: what is launched on a GPU, operators on a CPU. Takes about a minute; the last line is JSON.
"""

import argparse
import json
import statistics
import sys
import time

import measuring

CLASSES = (10, 100, 1_000, 10_000, 100_000)
LOSSES = {
    "GCE": lambda kr: kr.GCE(from_logits=True),
    "NCE": lambda kr: kr.NCE(from_logits=True),
    "ANLCE": lambda kr: kr.ANLCE(alpha=5.0, beta=5.0, from_logits=True),
    "DAL": lambda kr: kr.DAL(1.2, 0.5, from_logits=True),
}


def contender(loss, classes, options):
    """(epoch, kernels): `epoch()` trains one and gives its seconds; `kernels()` counts those of a step."""
    import keras
    import numpy as np
    from keras import ops

    class Steps(keras.utils.PyDataset):
        """The same batch, which is on the device already."""

        def __len__(self):
            return options.steps

        def __getitem__(self, number):
            return batch

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(options.batch, options.features)).astype("float32")
    y = rng.integers(0, classes, options.batch).astype("int32")
    batch = tuple(map(ops.convert_to_tensor, (x, y)))
    model = keras.Sequential([keras.Input((options.features,)), keras.layers.Dense(classes)])
    model.compile(keras.optimizers.SGD(1e-3), loss=loss, jit_compile=options.jit_compile or "auto")

    def epoch():
        start = time.perf_counter()
        history = model.fit(Steps(), shuffle=False, verbose=0)  # its end reads the mean loss, so the device is done
        seconds = time.perf_counter() - start
        assert np.isfinite(history.history["loss"][0])
        return seconds

    def kernels():
        model.train_on_batch(*batch)
        return measuring.kernels(lambda: model.train_on_batch(*batch))

    return epoch, kernels


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--classes", nargs="+", type=int, default=CLASSES)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--steps", type=int, default=50, help="steps of a timed epoch")
    parser.add_argument("--seconds", type=float, default=10.0, help="for the times of each number of classes")
    parser.add_argument("--jit-compile", action="store_true", help="on PyTorch too, whose steps Keras does not compile")
    parser.add_argument("--cores", type=int, help="processor cores that may be used (default: all)")
    options = parser.parse_args()
    if options.cores:
        measuring.keep_to_cores(options.cores)

    import keras

    import keras_robust as kr

    circumstances = measuring.circumstances()
    result = {"milliseconds": {}, "ratio": {}, "kernels": {}}
    for classes in options.classes:
        losses = {"CE": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
        losses |= {name: LOSSES[name](kr) for name in options.losses}
        runs = {name: contender(loss, classes, options) for name, loss in losses.items()}
        seconds = {name: [] for name in runs}
        for epoch, _ in runs.values():
            epoch()  # compiles
        end = time.perf_counter() + options.seconds
        while time.perf_counter() < end or len(seconds["CE"]) < 3:
            for name, (epoch, _) in runs.items():
                seconds[name].append(epoch())
        step = {name: statistics.median(times) / options.steps for name, times in seconds.items()}
        result["milliseconds"][classes] = {name: round(1e3 * value, 3) for name, value in step.items()}
        result["ratio"][classes] = {name: round(value / step["CE"], 3) for name, value in step.items()}
        print(f"K = {classes}: {result['milliseconds'][classes]} ms", file=sys.stderr)
        result["kernels"][classes] = {name: count() for name, (_, count) in runs.items()}

    print(f"{circumstances['backend']}, {circumstances['device']}: a step of fit in units of that with cross entropy")
    print(f"{'K':>9} {'CE, ms':>8}" + "".join(f"{name:>8}" for name in options.losses) + "   kernels")
    for classes, ratios in result["ratio"].items():
        kernels = " ".join(f"{name} {count}" for name, count in result["kernels"][classes].items() if count is not None)
        line = f"{classes:>9,} {result['milliseconds'][classes]['CE']:>8.3f}"
        print(line + "".join(f"{ratios[name]:>8.3f}" for name in options.losses) + f"   {kernels}")
    chosen = {name: getattr(options, name) for name in ("batch", "features", "steps", "seconds", "jit_compile")}
    print(json.dumps({"benchmark": "loss_in_fit", **result, **chosen, **circumstances}))


if __name__ == "__main__":
    main()
