"""Training in several processes with TensorFlow, on one machine or many: a loop over Keras' own training step.

`fit` of Keras 3 does not run under MultiWorkerMirroredStrategy; its training step does. Keras' CallbackList lets the
same callbacks take part as in `fit`. A cluster sets TF_CONFIG; started by hand, this starts two workers here.
Takes about a minute on two CPU cores. EXAMPLE_EPOCHS shortens it.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile

if "TF_CONFIG" not in os.environ:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(2)]
    addresses = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    tasks = [{"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}} for i in range(2)]
    environments = [os.environ | {"TF_CONFIG": json.dumps(task), "KERAS_BACKEND": "tensorflow"} for task in tasks]
    workers = [subprocess.Popen([sys.executable, __file__], env=environment) for environment in environments]
    codes = [worker.wait() for worker in workers]
    sys.exit(max(codes, key=abs))

import tensorflow as tf

strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else of TensorFlow

import keras
import numpy as np

import keras_robust
from keras_robust import callbacks, data, models, noise

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 20))
rank = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
keras.utils.set_random_seed(0)
digits = data.load_arrays("digits")
labels = noise.corrupt(digits.y_train, noise.symmetric(10, 0.4), seed=0)
N = len(labels.noisy)
targets = {"label": labels.noisy, "index": np.arange(N), "clean": labels.clean}

with strategy.scope():
    inside = keras_robust.regularize(models.cnn2(digits.input_shape, 10, classifier_activation=None), l1=1e-5)
    model = keras_robust.ProvenanceModel(inside)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), keras_robust.DAL(from_logits=True), metrics=["accuracy"])
# Every worker has the whole log; they write it to different places.
logger = callbacks.SampleWeightLogger(tempfile.mkdtemp(), num_samples=N)
called = keras.callbacks.CallbackList([callbacks.DALSchedule(), logger], model=model, epochs=EPOCHS)
batches = tf.data.Dataset.from_tensor_slices((digits.x_train, targets)).shuffle(N, seed=0).batch(64)
batches = strategy.experimental_distribute_dataset(batches)


@tf.function
def step(batch):
    strategy.run(model.train_step, (batch,))


called.on_train_begin()
for epoch in range(EPOCHS):
    model.reset_metrics()
    called.on_epoch_begin(epoch)
    for number, batch in enumerate(batches):
        called.on_train_batch_begin(number)
        step(batch)
        called.on_train_batch_end(number)
    logs = {name: float(value) for name, value in model.get_metrics_result().items()}
    called.on_epoch_end(epoch, logs)
called.on_train_end()
print(f"worker {rank} of {strategy.num_replicas_in_sync}: {logs}", flush=True)
print(f"worker {rank}: {logger.log().detection().precision:.1%} of the most suspect labels are wrong", flush=True)
