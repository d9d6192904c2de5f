"""A training loop of your own in PyTorch in which callbacks take part: a schedule moves the loss, samples are logged.

It is the loop of one process; torchrun and a model wrapped as in distributed_torch.py make it one of several.
Takes about 10 seconds on two CPU cores. EXAMPLE_EPOCHS shortens it.
"""

import os
import tempfile

os.environ["KERAS_BACKEND"] = "torch"

import keras
import torch

import keras_robust
from keras_robust import callbacks, data, models, noise

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 20))

keras.utils.set_random_seed(0)
digits = data.load_arrays("digits")
labels = noise.corrupt(digits.y_train, noise.symmetric(10, 0.4), seed=0)
N = len(labels.noisy)
samples = torch.utils.data.TensorDataset(
    torch.tensor(digits.x_train), torch.tensor(labels.noisy), torch.tensor(labels.clean), torch.arange(N)
)
loader = torch.utils.data.DataLoader(samples, batch_size=64, shuffle=True)

inside = keras_robust.regularize(models.cnn2(digits.input_shape, 10, classifier_activation=None), l1=1e-5)
model = keras_robust.ProvenanceModel(inside)
# `compile` starts nothing: it says which loss the callbacks move, and which rate they log.
model.compile(keras.optimizers.SGD(0.01, momentum=0.9), keras_robust.DAL(from_logits=True))
logger = callbacks.SampleWeightLogger(tempfile.mkdtemp(), num_samples=N)
called = keras.callbacks.CallbackList([callbacks.DALSchedule(), logger], model=model, epochs=EPOCHS)

called.on_train_begin()
for epoch in range(EPOCHS):
    called.on_epoch_begin(epoch)
    total = 0.0
    for number, (x, label, clean, index) in enumerate(loader):
        called.on_train_batch_begin(number)
        model.zero_grad()
        # The loss with the penalty of `regularize`; it also records the samples.
        targets = {"label": label, "clean": clean, "index": index}
        loss = model.compute_loss(x, targets, model(x, training=True))
        loss.backward()
        weights = model.trainable_variables
        with torch.no_grad():
            model.optimizer.apply([weight.value.grad for weight in weights], weights)
        total += loss.item() * len(x)
        called.on_train_batch_end(number)
    logs = {"loss": total / N}
    called.on_epoch_end(epoch, logs)
called.on_train_end()
print(f"last epoch: {logs}")
print(f"{logger.log().detection().precision:.1%} of the most suspect labels are wrong")
