"""Training in several processes with PyTorch: `fit` inside DistributedDataParallel, and one weight log of all.

    torchrun --nproc_per_node=2 examples/distributed_torch.py

Started by hand, it starts two processes on this machine. Takes about 30 seconds on two CPU cores. EXAMPLE_EPOCHS
shortens it.
"""

import os
import subprocess
import sys
import tempfile

if "RANK" not in os.environ:
    os.environ |= {"KERAS_BACKEND": "torch", "LOGS": tempfile.mkdtemp(), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", __file__]
    sys.exit(subprocess.run(command).returncode)

import keras
import numpy as np
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

import keras_robust
from keras_robust import callbacks, data, diagnostics, models, noise

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 20))
LOGS = os.environ.get("LOGS", "weights")
distributed.init_process_group("gloo")  # "nccl" on GPUs, after torch.cuda.set_device(LOCAL_RANK)
rank, processes = distributed.get_rank(), distributed.get_world_size()


class Parallel(keras_robust.ProvenanceModel):
    """Goes forward through DistributedDataParallel, which averages the gradients of the processes as they come."""

    def __init__(self, model):
        super().__init__(model)
        # Past Keras, which would take the weights for new ones.
        object.__setattr__(self, "parallel", DistributedDataParallel(model))

    def call(self, inputs, training=None):
        return self.parallel(inputs, training=training)


keras.utils.set_random_seed(0)
digits = data.load_arrays("digits")
labels = noise.corrupt(digits.y_train, noise.symmetric(10, 0.4), seed=0)
N = len(labels.noisy)
# Equal shares, so that all processes take the same number of steps and the mean of their losses is the loss.
mine = np.random.default_rng(0).permutation(N // processes * processes)[rank::processes]
targets = {"label": labels.noisy[mine], "index": mine, "clean": labels.clean[mine]}

inside = keras_robust.regularize(models.cnn2(digits.input_shape, 10, classifier_activation=None), l1=1e-5)
model = Parallel(inside)
model.compile(keras.optimizers.SGD(0.01, momentum=0.9), keras_robust.DAL(from_logits=True), metrics=["accuracy"])
logger = callbacks.SampleWeightLogger(f"{LOGS}/rank{rank}", num_samples=N, overwrite=True)
history = model.fit(
    digits.x_train[mine],
    targets,
    batch_size=64 // processes,
    epochs=EPOCHS,
    callbacks=[callbacks.DALSchedule(), logger],
    verbose=0,
).history

loss = torch.tensor(history["loss"])
distributed.all_reduce(loss)  # so far each process knows its own
if rank == 0:
    folders = [f"{LOGS}/rank{r}" for r in range(processes)]
    log = diagnostics.merged_log(folders, f"{LOGS}/all", overwrite=True)
    print(f"in {processes} processes: loss {loss[-1] / processes:.4f}, {np.sum(log.labels >= 0)} samples in the log")
    print(f"{log.detection().precision:.1%} of the most suspect labels are wrong")
    print(f"loss and accuracy on clean test labels: {inside.evaluate(digits.x_test, digits.y_test, verbose=0)}")
distributed.barrier()
distributed.destroy_process_group()
# Leave at once: threads of several libraries, taken down one by one, may abort a process that is done.
sys.stdout.flush()
os._exit(0)
