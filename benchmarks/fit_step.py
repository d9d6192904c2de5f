"""What does a training step cost with a robust loss, a schedule and the log of every sample, against cross entropy?

    KERAS_BACKEND=jax python benchmarks/fit_step.py

Whole `fit` steps of cnn8 on 32x32 images, with 50,000 samples logged. Steps are timed apart from what happens once
an epoch (clearing the record, writing the file), which is spread over the 391 steps of a CIFAR-10 epoch.
"""

import argparse
import json
import statistics
import tempfile
import time

import measuring

measuring.keep_to_cores(2)

import keras
import numpy as np

import keras_robust as kr
from keras_robust import callbacks, models, schedules

EPOCH_STEPS = 391


class Clock(keras.callbacks.Callback):
    """Seconds between two callbacks of this list: one that is called last at the beginning, one first at the end."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def end(self):
        return keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: setattr(self, "stop", time.perf_counter())
        )


def contender(name, x, y, folder, samples, batch):
    """A function of no arguments that trains an epoch and returns its seconds in steps and in all."""
    keras.utils.set_random_seed(0)
    model, targets, extra = models.cnn8(x.shape[1:], 10, classifier_activation=None), y, []
    if name == "CE":
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    else:
        loss = kr.ANLCE(alpha=5, beta=5, from_logits=True)
    if name == "ANLCE, schedule, log":
        model = kr.ProvenanceModel(model)
        targets = {"label": y, "index": np.arange(len(y)), "clean": y}
        logger = callbacks.SampleWeightLogger(folder, num_samples=samples, overwrite=True)
        extra = [callbacks.HyperparameterSchedule({"alpha": schedules.Linear(5.0, 4.0)}), logger]
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss=loss)

    def epoch():
        clock = Clock()
        start = time.perf_counter()
        model.fit(x, targets, batch_size=batch, verbose=0, callbacks=[clock.end(), *extra, clock])
        return clock.stop - clock.start, time.perf_counter() - start

    epoch()  # compiles
    return epoch


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=2, help="steps of a timed epoch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=50_000, help="samples that are logged")
    options = parser.parse_args()
    circumstances = measuring.circumstances()
    rng = np.random.default_rng(0)
    x = rng.random((options.batch * options.steps, 32, 32, 3), dtype="float32")
    y = rng.integers(0, 10, len(x)).astype("int32")
    names = ("CE", "ANLCE", "ANLCE, schedule, log")
    with tempfile.TemporaryDirectory() as folder:
        epochs = {name: contender(name, x, y, folder, options.samples, options.batch) for name in names}
        seconds = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                seconds[name].append(epochs[name]())
        records = kr.diagnostics.WeightLog(folder).epoch(0)
    assert np.count_nonzero(records["label"] >= 0) == len(x)
    assert np.isfinite(records["weight"][: len(x)]).all()

    step = {name: statistics.median(inside for inside, _ in times) / options.steps for name, times in seconds.items()}
    around = {name: statistics.median(all_ - inside for inside, all_ in times) for name, times in seconds.items()}
    result = {
        "benchmark": "fit_step",
        "step_seconds": step,
        "step_ratio": {name: step[name] / step["CE"] for name in names},
        "ratio_with_epoch_costs": {
            name: (step[name] + (around[name] - around["CE"]) / EPOCH_STEPS) / step["CE"] for name in names
        },
        "ratio_to_same_loss": step[names[2]] / step[names[1]],
        "batch": options.batch,
        "steps": options.steps,
        "rounds": options.rounds,
        "samples": options.samples,
        **circumstances,
    }
    print(f"{'':22} {'ms a step':>10} {'ratio':>7} {'ratio with epoch costs':>23}")
    for name in names:
        print(
            f"{name:22} {1e3 * step[name]:10.1f} {result['step_ratio'][name]:7.3f} "
            f"{result['ratio_with_epoch_costs'][name]:23.3f}"
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
