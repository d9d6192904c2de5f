"""What does a training step cost with images that come raw and are prepared in the step, against a batch that is there?

    KERAS_BACKEND=jax python benchmarks/feeding.py [--network cnn8] [--seconds 20]

Whole `fit` steps on random images of CIFAR-10's size, run in turns: "there", one batch of prepared floats that lies on
the device; "arrays", prepared floats in the host's memory; "feed", raw bytes from the host, normalized in the step;
"augmented", cropped and flipped there as well; "resident", the same with all bytes on the device; and tf.data where
TensorFlow is installed. The last line is JSON.
"""

import argparse
import importlib.util
import json
import statistics
import sys
import time

import keras
import measuring
import numpy as np

import keras_robust as kr
from keras_robust.backend import on_device
from keras_robust.data import Arrays, Feed

BATCH = 128


class There(keras.utils.PyDataset):
    """One batch on the device, several times."""

    def __init__(self, x, y, steps):
        super().__init__()
        self.batch, self.steps = tuple(map(on_device, (x[:BATCH], y[:BATCH]))), steps

    def __len__(self):
        return self.steps

    def __getitem__(self, place):
        return self.batch


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="cnn8")
    parser.add_argument("--steps", type=int, default=100, help="of an epoch")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--cores", type=int, help="default: all")
    options = parser.parse_args()
    if options.cores:
        measuring.keep_to_cores(options.cores)
    size = options.steps * BATCH
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (size, 32, 32, 3), np.uint8), (np.arange(size) % 10).astype("int32")
    arrays = Arrays("cifar10", x, y, x[:BATCH], y[:BATCH], tuple("0123456789"))
    floats = (x / 255.0).astype("float32")

    def loaded(augment, **keywords):
        return kr.data.load("cifar10", arrays=arrays, batch_size=BATCH, augment=augment, **keywords)

    plain, augmented, resident = (loaded(one, pipeline="device") for one in (False, True, True))
    resident.train.keep_on_device()
    ways = {
        "there": (There(floats, y, options.steps), None),
        "arrays": (Feed(floats, y, BATCH, seed=0), None),
        "feed": (plain.train, plain.info.preprocessing),
        "augmented": (augmented.train, augmented.info.preprocessing),
        "resident": (resident.train, resident.info.preprocessing),
    }
    if importlib.util.find_spec("tensorflow"):
        ways["tf.data"] = (loaded(True, pipeline="tf.data").train, None)
    runs = {name: trainer(options.network, *way) for name, way in ways.items()}
    seconds = {name: [] for name in runs}
    end = time.perf_counter() + options.seconds
    while time.perf_counter() < end or len(seconds["there"]) < 3:
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append((time.perf_counter() - start) / options.steps)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    circumstances = measuring.circumstances()
    print(f"{circumstances['backend']}, {circumstances['device']}, {options.network}", file=sys.stderr)
    for name, one in medians.items():
        print(f"{name:10s} {1e3 * one:8.3f} ms a step {BATCH / one:10,.0f} images/s {one / medians['there']:6.2f}")
    told = {"benchmark": "feeding", "network": options.network, "seconds": medians, "epochs": len(seconds["there"])}
    print(json.dumps(told | circumstances))


def trainer(network, data, preprocessing):
    """A function of no arguments that trains an epoch."""
    keras.utils.set_random_seed(0)
    inside = getattr(kr.models, network)((32, 32, 3), 10, classifier_activation=None)
    model = inside
    if preprocessing is not None:
        raw = keras.Input((32, 32, 3), dtype=preprocessing.raw_dtype)
        model = keras.Sequential([raw, preprocessing, inside])
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss=kr.CE(from_logits=True))
    callbacks = [data.epochs] if isinstance(data, Feed) else []

    def run():
        model.fit(data, epochs=1, verbose=0, callbacks=callbacks, shuffle=False)

    run()
    return run


if __name__ == "__main__":
    main()
