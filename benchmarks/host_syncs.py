"""How often does a step of `fit` make PyTorch wait for the GPU, and who makes it: Keras or this package?

    KERAS_BACKEND=torch python benchmarks/host_syncs.py

PyTorch runs ahead of the GPU until somebody reads a value back or sends one, and then waits for all that was launched.
Counted is what PyTorch itself warns of, in `fit` over a batch that lies on the device: the waits of a step are the
difference of a long epoch and a short one over the steps between them, those of an epoch the rest. Kernels and memory
copies are those of one forward and backward pass of the loss alone. Needs a GPU; the last line is JSON.
"""

import argparse
import collections
import json
import tempfile
import traceback
import warnings

import keras
import measuring
import numpy as np
from keras import ops

import keras_robust as kr
from keras_robust import callbacks, schedules

SYNC = "called a synchronizing CUDA operation"
LOSSES = {
    "Keras CE": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "CE": lambda: kr.CE(from_logits=True),
    "GCE": lambda: kr.GCE(from_logits=True),
    "NCE": lambda: kr.NCE(from_logits=True),
    "ANLCE": lambda: kr.ANLCE(5.0, 5.0, from_logits=True),
    "DAL": lambda: kr.DAL(1.2, 0.5, from_logits=True),
}


class Waits:
    """Context in which waits for the GPU are counted by the line that asked for them."""

    def __init__(self):
        self.places = collections.Counter()

    def __enter__(self):
        import torch

        torch.cuda.synchronize()
        self._caught = warnings.catch_warnings()
        self._caught.__enter__()
        warnings.simplefilter("always")
        warnings.showwarning = self._count
        torch.cuda.set_sync_debug_mode("warn")
        return self

    def __exit__(self, *error):
        import torch

        torch.cuda.set_sync_debug_mode("default")
        self._caught.__exit__(*error)

    def _count(self, message, *_, **__):
        if SYNC in str(message):
            self.places[_place(traceback.extract_stack()[:-1])] += 1


def _place(stack):
    """The innermost line of this package, or else of Keras, or else of anyone."""
    for name in ("keras_robust", "keras", ""):
        for frame in reversed(stack):
            parts = frame.filename.split("/")
            if frame.name == "fit" and name == "keras_robust":
                continue  # it hands everything on to Keras
            if name in parts[:-1] or not name:
                inside = "/".join(parts[len(parts) - 1 - parts[::-1].index(name) :]) if name else frame.filename
                return f"{inside}:{frame.lineno} {frame.line}"


class Steps(keras.utils.PyDataset):
    """One batch, which is on the device already, for so many steps."""

    def __init__(self, batch, steps):
        super().__init__()
        self.batch, self.steps = batch, steps

    def __len__(self):
        return self.steps

    def __getitem__(self, number):
        return self.batch


def waits_of_fit(loss, batch, classes, steps, provenance=False, optimizer=None):
    """(waits of one step, waits of an epoch besides), each by place."""
    import torch

    x, y = batch
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Dense(classes)])
    extra = []
    with tempfile.TemporaryDirectory() as folder:
        if provenance:
            model, y = kr.ProvenanceModel(model), {"label": y, "index": ops.arange(len(x)), "clean": y}
            extra = [
                callbacks.HyperparameterSchedule({"alpha": schedules.Linear(5.0, 4.0)}),
                callbacks.SampleWeightLogger(folder, num_samples=len(x), overwrite=True),
            ]
        metrics = [kr.metrics.MemorizedShare()] if provenance else []
        model.compile(optimizer or keras.optimizers.SGD(1e-3), loss=loss, metrics=metrics)
        counted = []
        model.fit(Steps((x, y), 2), shuffle=False, verbose=0, callbacks=extra)
        for length in (steps, 2 * steps):
            with Waits() as waits:
                model.fit(Steps((x, y), length), shuffle=False, verbose=0, callbacks=extra)
                torch.cuda.synchronize()
            counted.append(waits.places)
    short, long = counted
    each = {place: (long[place] - short[place]) / steps for place in long}
    besides = {place: short[place] - each.get(place, 0.0) * steps for place in short}
    return [{place: round(n, 2) for place, n in counts.items() if n} for counts in (each, besides)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    circumstances = measuring.circumstances()
    if keras.backend.backend() != "torch" or measuring.accelerator() is None:
        raise SystemExit("This asks about PyTorch on a GPU: KERAS_BACKEND=torch, and a GPU.")
    rng = np.random.default_rng(0)
    x = ops.convert_to_tensor(rng.normal(size=(options.batch, 64)).astype("float32"))
    y = ops.convert_to_tensor(rng.integers(0, options.classes, options.batch).astype("int32"))
    z = ops.convert_to_tensor(rng.normal(size=(options.batch, options.classes)).astype("float32"))
    alone, fits = {}, {}
    for name, make in LOSSES.items():
        step = measuring.step(make())
        step(y, z)
        with Waits() as waits:
            step(y, z)
        alone[name] = {"kernels": measuring.kernels(lambda step=step: step(y, z)), "waits": dict(waits.places)}
        fits[name] = waits_of_fit(make(), (x, y), options.classes, options.steps)
    fits["ANLCE, schedule, log"] = waits_of_fit(LOSSES["ANLCE"](), (x, y), options.classes, options.steps, True)
    coupled = kr.optimizers.CoupledSGD(0.01, momentum=0.9, weight_decay=1e-4, global_clipnorm=5.0)
    fits["ANLCE, CoupledSGD"] = waits_of_fit(LOSSES["ANLCE"](), (x, y), options.classes, options.steps, False, coupled)

    print(f"{'loss alone':24}{'kernels':>8}{'waits':>7}")
    for name, counts in alone.items():
        print(f"{name:24}{counts['kernels']:>8}{sum(counts['waits'].values()):>7}")
    print(f"{'waits of a step of fit':24}{'own':>8}{'Keras':>7}")
    ours = {}
    for name, (each, _) in fits.items():
        own = sum(n for place, n in each.items() if place.startswith("keras_robust/"))
        ours[name] = own
        print(f"{name:24}{own:>8g}{sum(each.values()) - own:>7g}")
    fits = {name: {"step": each, "epoch": besides} for name, (each, besides) in fits.items()}
    print(json.dumps({"benchmark": "host_syncs", "loss_alone": alone, "fit": fits, **circumstances}))
    if guilty := [name for name, own in ours.items() if own]:
        raise SystemExit(f"A step waits for the GPU because of this package: {', '.join(guilty)}.")


if __name__ == "__main__":
    main()
