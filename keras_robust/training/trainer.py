"""One training run with a log of every sample; one that was stopped resumes from its last whole epoch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from keras_robust.algorithms.reading import Chosen
from keras_robust.callbacks import DALSchedule, SampleWeightLogger
from keras_robust.checks import refuse
from keras_robust.data import Feed, Preprocessing, Splits
from keras_robust.data.image_folders import Listing
from keras_robust.jacobian import JacobianPenalty
from keras_robust.losses import RobustLoss
from keras_robust.noise import NoisyLabels
from keras_robust.provenance import ProvenanceModel
from keras_robust.regularization import regularize
from keras_robust.training.checkpoint import Checkpoint
from keras_robust.training.judging import Judged
from keras_robust.training.precision import tf32
from keras_robust.training.probes import Probe, Probing

# Steps that TensorFlow compiles into one function, reading of the data included. PyTorch has no such thing, and JAX
# would loop over them in Python.
STEPS_PER_EXECUTION = {"tensorflow": 8}


@dataclass(frozen=True)
class Task:
    """What is learned: training data with provenance targets, test data with clean labels, and a network for them.

    Attributes:
        train: what `fit` takes: arrays and a batch size, or a data set of batches.
        test: what `fit` takes to validate.
        labels: the wrong labels, sample by sample; None where nobody knows which are wrong.
        num_samples: number of training samples; they are numbered from 0.
        network: a function of (input_shape, num_classes, classifier_activation) that makes a model.
        preprocessing: what stands before the network and prepares raw images; None: they come prepared.
        probes: what else is measured after each epoch.
        held_out: positions of samples that are not trained on, or None.
        judged: what the trained model makes of held-out samples, a function of it, or None.
        logged_besides: samples that are not trained on and are logged, batches (images, {"label", "index"}), or None.
        images: which image of a user's own is which sample, or None.
        tested: what the accuracy on `test` is called.
        clean_test: whether the labels of `test` are clean.
    """

    train: dict[str, Any]
    test: dict[str, Any]
    labels: NoisyLabels | None
    num_samples: int
    input_shape: tuple
    num_classes: int
    network: Any
    preprocessing: Preprocessing | None = None
    probes: tuple[Probe, ...] = ()
    held_out: Any = None
    judged: Callable[[Any], Judged] | None = None
    logged_besides: Any = None
    images: Listing | None = None
    tested: str = "test accuracy"
    clean_test: bool = True

    @classmethod
    def of(cls, splits: Splits, network, **measured) -> "Task":
        """The task of a data set's pipelines, which have their own order."""
        return cls(
            train={"x": splits.train, "shuffle": False},
            test={"validation_data": splits.test},
            labels=splits.noise,
            num_samples=splits.info.train_size,
            input_shape=splits.info.input_shape,
            num_classes=splits.info.num_classes,
            network=network,
            preprocessing=splits.info.preprocessing,
            **measured,
        )

    def in_order(self) -> Feed:
        """All training samples with their targets, not augmented, to look at.

        Raises:
            ValueError: for a pipeline of tf.data.
        """
        if not isinstance(self.train["x"], Feed):
            refuse("run", "pipeline", '"device" for an algorithm that looks at all samples', "tf.data")
        return self.train["x"].in_order()

    def model(self):
        """A new network that ends in logits, behind what prepares its images."""
        network = self.network(self.input_shape, self.num_classes, classifier_activation=None)
        if self.preprocessing is None:
            return network
        raw = keras.Input(self.input_shape, dtype=self.preprocessing.raw_dtype)
        return keras.Sequential([raw, self.preprocessing, network], name=network.name)


@dataclass(frozen=True)
class Method:
    """How it is learned.

    Attributes:
        loss, optimizer, callbacks: functions that make new ones for a run; the callbacks move the loss.
        rate: learning rate of an epoch, counted from 0.
        epochs: epochs of the whole training.
        l1: factor of the L1 penalty on all weights.
        algorithm: what trains the network, or None.
        jacobian: factor of the penalty on the Jacobian of the outputs in the images, as `JacobianPenalty` takes it.
    """

    loss: Callable[[], RobustLoss]
    optimizer: Callable[[], keras.optimizers.Optimizer]
    rate: Callable[[int], float]
    epochs: int
    l1: float = 0.0
    callbacks: Callable[[], list] = list
    algorithm: Chosen | None = None
    jacobian: float = 0.0


def train(task: Task, method: Method, seed: int, log, callbacks=(), checkpoint: Checkpoint | None = None, every=1):
    """Trains the task's network, with every sample in the log.

    The seed sets Keras' global seed: it decides initial weights and, of bare arrays, the order of samples. Products of
    float32 matrices are TF32 on a GPU (`precision`).

    Args:
        log: folder of the weight log.
        callbacks: further ones; they see an epoch after its log is written.
        checkpoint: where training resumes, and what it keeps after each epoch; None: nothing.
        every: epochs between two in the log.

    Returns:
        The model, an `Algorithm` or a `ProvenanceModel`; Keras' History, of the epochs that were run; the logger.
    """
    keras.utils.set_random_seed(seed)
    model = task.model()
    if method.l1:
        regularize(model, l1=method.l1)
    model = _trained_by(method, model, task, seed)
    model.compile(
        method.optimizer(),
        loss=method.loss(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        steps_per_execution=STEPS_PER_EXECUTION.get(keras.backend.backend(), 1),
    )
    if checkpoint:
        checkpoint.restore(model)
    seen_in_step = method.algorithm is None or method.algorithm.kind.records
    probe = None if seen_in_step else task.in_order()
    keywords = {"num_samples": task.num_samples, "every": every, "held_out": task.logged_besides}
    logger = SampleWeightLogger(log, probe=probe, **keywords)
    # Keras hands the present rate to a schedule that takes a second argument.
    rate = keras.callbacks.LearningRateScheduler(lambda epoch, _: method.rate(epoch))
    kept = [checkpoint] if checkpoint else []
    probing = [Probing(task.probes)] if task.probes else []
    moving = method.callbacks()
    for one in moving:
        if isinstance(one, DALSchedule) and one.epochs is None:
            one.epochs = method.epochs  # the whole training, of one epoch too
    with tf32():
        history = model.fit(
            **task.train,
            **task.test,
            initial_epoch=checkpoint.epoch if checkpoint else 0,
            epochs=method.epochs,
            callbacks=[rate, *moving, logger, *probing, *callbacks, *kept],
            verbose=0,
        )
    return model, history, logger


def _trained_by(method, model, task, seed):
    """The model that trains the network: by an algorithm, or plainly, with a penalty where there is one."""
    if method.algorithm is not None:
        return method.algorithm.build(model, task.num_samples, task.num_classes, task.in_order)
    return ProvenanceModel(model, penalty=JacobianPenalty(method.jacobian, seed=seed) if method.jacobian else None)
