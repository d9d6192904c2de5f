"""What does a training step cost that remembers something of every sample, against one that does not?

    KERAS_BACKEND=jax python benchmarks/memory.py [--clock cpu]

Steps of cnn2 on 128 small images, so cheap that a copy of the memory would show: cross entropy alone, ELR with
as many rows as there are samples in the batch, and ELR with a row of 100 classes for each of 50,000 samples. The bar is
1.1 of the step without a memory. On a busy machine take the processor's time, `--clock cpu`.
"""

import argparse
import json
import time

import measuring

measuring.keep_to_cores(2)

import keras
import numpy as np

import keras_robust as kr
from keras_robust import algorithms, models


class Alone(algorithms.Algorithm):
    """The loss, in the same kind of step as the others."""

    def objective(self, x, provenance, outputs, sample_weight):
        return self.loss(provenance.label, outputs, sample_weight)


def trained(samples, size, classes):
    """A model that remembers so many samples, or none."""
    keras.utils.set_random_seed(0)
    network = models.cnn2((size, size, 3), classes, classifier_activation=None)
    model = algorithms.ELR(network, samples, classes) if samples else Alone(network)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), kr.CE(from_logits=True))
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--size", type=int, default=16, help="height and width of the images")
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    options = parser.parse_args()
    circumstances = measuring.circumstances()
    rng = np.random.default_rng(0)
    x = rng.random((options.batch, options.size, options.size, 3), dtype="float32")
    labels = rng.integers(0, options.classes, options.batch).astype("int32")
    rows = {
        "CE": 0,
        f"ELR, {options.batch} rows": options.batch,
        f"ELR, {options.samples} rows": options.samples,
    }
    made = {name: trained(count, options.size, options.classes) for name, count in rows.items()}

    def step(name):
        index = rng.permutation(max(rows[name], options.batch))[: options.batch].astype("int32")
        return lambda: made[name].train_on_batch(x, {"label": labels, "index": index})

    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    seconds = measuring.interleaved({name: step(name) for name in rows}, options.seconds, clock)
    ratio = {name: value / seconds["CE"] for name, value in seconds.items()}
    remembered = {name: 4 * int(np.prod(made[name].targets.shape)) if rows[name] else 0 for name in rows}
    print(f"{'':18} {'ms a step':>10} {'ratio':>7} {'bytes remembered':>17}")
    for name in rows:
        print(f"{name:18} {1e3 * seconds[name]:10.2f} {ratio[name]:7.3f} {remembered[name]:17,}")
    result = {"benchmark": "memory", "step_seconds": seconds, "ratio": ratio, "bytes": remembered, "bar": 1.1}
    print(json.dumps({**result, **vars(options), **circumstances}))


if __name__ == "__main__":
    main()
