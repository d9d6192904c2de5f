"""The run that one process and several take: a model, a loss that moves, a penalty, a weight log.

Started as a program, this is one of several processes: worker.py FOLDER. What it prints last is its history.
"""

import json
import os
import sys

import keras
import numpy as np

import keras_robust as kr

EPOCHS, SAMPLES, BATCH = 3, 32, 8
X = np.random.default_rng(0).normal(size=(SAMPLES, 5)).astype("float32")
Y = np.arange(SAMPLES) % 4
INDEX = np.arange(SAMPLES)[::-1].copy()


def targets(rows=slice(None)):
    return {"label": Y[rows], "index": INDEX[rows], "clean": Y[rows] % 2}


def model_of(wrapper=kr.ProvenanceModel):
    keras.utils.set_random_seed(0)
    inside = kr.regularize(keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)]), l1=0.01)
    loss = kr.DAL(from_logits=True) + kr.ANLCE(5.0, 5.0) + kr.CR(0.1)
    model = wrapper(inside)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.5), loss=loss, metrics=["accuracy"])
    return model


def callbacks(folder):
    return [kr.callbacks.DALSchedule(0.6, 1.5), kr.callbacks.SampleWeightLogger(folder, num_samples=SAMPLES)]


def fit(model, folder, rows=slice(None), batch=BATCH):
    keywords = {"epochs": EPOCHS, "shuffle": False, "verbose": 0, "callbacks": callbacks(folder)}
    return model.fit(X[rows], targets(rows), batch_size=batch, **keywords).history


def fit_prepared(folder, wrapper=kr.ProvenanceModel, rank=0, processes=1):
    """Losses and weights of a run on raw images, which are prepared in the step."""
    recipe = {"name": "own", "mean": (0.5,), "std": (0.25,), "source": "here", "shift": 2, "flip": True}
    prepared = kr.data.Preprocessing(recipe, seed=1)
    images = np.random.default_rng(0).integers(0, 256, (SAMPLES, 6, 6, 1)).astype("uint8")
    feed = kr.data.Feed(images, targets(), BATCH, seed=1, preprocessing=prepared)
    feed.share(rank, processes)
    keras.utils.set_random_seed(0)
    network = [prepared, keras.layers.Flatten(), keras.layers.Dense(4)]
    model = wrapper(keras.Sequential([keras.Input((6, 6, 1), dtype="uint8"), *network]))
    model.compile(keras.optimizers.SGD(0.01), loss=kr.ANLCE(from_logits=True), metrics=["accuracy"])
    history = model.fit(feed, epochs=EPOCHS, verbose=0, callbacks=callbacks(folder)[1:]).history
    return history | {"weights": model.get_weights()[0].ravel().tolist()}


def loop(model, folder, step, batches):
    """A loop over steps in which the callbacks take part, as in `fit`; `step` keeps the loss, or returns it."""
    called = keras.callbacks.CallbackList(callbacks(folder), add_history=True, model=model, epochs=EPOCHS)
    called.on_train_begin()
    for epoch in range(EPOCHS):
        model.reset_metrics()
        called.on_epoch_begin(epoch)
        losses = []
        for number, batch in enumerate(batches):
            called.on_train_batch_begin(number)
            losses.append(step(batch))
            called.on_train_batch_end(number)
        logs = {name: float(value) for name, value in model.get_metrics_result().items()}
        if losses[0] is not None:
            logs["loss"] = float(np.mean(losses))
        called.on_epoch_end(epoch, logs)
    called.on_train_end()
    return model.history.history


def tensorflow_worker(folder):
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        model = model_of()
    try:
        fit(model, f"{folder}/fit")
    except ValueError as error:
        print(f"fit: {type(error).__name__}", flush=True)
    with strategy.scope():
        model = model_of()
    batches = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((X, targets())).batch(BATCH))

    @tf.function
    def step(batch):
        strategy.run(model.train_step, (batch,))

    rank = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    return loop(model, f"{folder}/{rank}", step, batches)


def torch_worker(folder):
    import torch
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    class Parallel(kr.ProvenanceModel):
        def __init__(self, model):
            super().__init__(model)
            object.__setattr__(self, "parallel", DistributedDataParallel(model))

        def call(self, inputs, training=None):
            return self.parallel(inputs, training=training)

    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    rank, processes = distributed.get_rank(), distributed.get_world_size()
    rows, batch = np.arange(SAMPLES)[rank::processes], BATCH // processes
    fitted = fit(model_of(Parallel), f"{folder}/fit{rank}", rows, batch)

    model = model_of(Parallel)

    def step(batch):
        x, y = batch
        model.zero_grad()
        y_pred = model(x, training=True)
        loss = model.compute_loss(x, y, y_pred)
        loss.backward()
        weights = model.trainable_variables
        with torch.no_grad():
            model.optimizer.apply([weight.value.grad for weight in weights], weights)
        model.compute_metrics(x, y, y_pred)
        return loss.item()

    batches = [
        (torch.tensor(X[part]), {name: torch.tensor(value) for name, value in targets(part).items()})
        for part in np.split(rows, len(rows) // batch)
    ]
    looped = loop(model, f"{folder}/loop{rank}", step, batches)
    prepared = fit_prepared(f"{folder}/prepared{rank}", Parallel, rank, processes)
    distributed.destroy_process_group()
    return [fitted, looped, prepared]


if __name__ == "__main__":
    work = {"tensorflow": tensorflow_worker, "torch": torch_worker}[keras.backend.backend()]
    print(json.dumps(work(sys.argv[1])), flush=True)
    os._exit(0)  # threads of several libraries, taken down one by one, may abort a process that is done
