"""What algorithms refuse: losses, networks, optimizers, and several replicas."""

import keras
import pytest
from harness import once, printed_by
from keras import ops
from steps import WEIGHTS, D, K, X, Y, algorithm, network, networks, targets

import keras_robust as kr
from keras_robust.algorithms import ELR, Algorithm, CoTeaching, JoCoR, SmallLoss


def compiled(model):
    model.compile("sgd", kr.CE(from_logits=True))
    return model


class Square(Algorithm):
    """Neither ranks nor remembers."""

    def objective(self, x, provenance, outputs, sample_weight):
        return self.mean(ops.sum(outputs**2, axis=-1), provenance.label, outputs, sample_weight)


@once
@pytest.mark.parametrize(
    ("words", "loss", "keywords"),
    [
        ("`loss` of SmallLoss must be a loss of logits", "sparse_categorical_crossentropy", {}),
        ("`from_logits` of SmallLoss must be True in its loss", kr.CE(), {}),
        ("`from_logits` of SmallLoss", keras.losses.SparseCategoricalCrossentropy(), {}),
        ("`reduction` of SmallLoss must be", kr.CE(from_logits=True, reduction="sum"), {}),
        ("`loss_weights` of SmallLoss must be None", kr.CE(from_logits=True), {"loss_weights": [2.0]}),
        ("`loss` of SmallLoss must be a loss of each sample", kr.PeerLoss(kr.CE(), 0.5, from_logits=True), {}),
        ("`loss` of SmallLoss must be a loss of each sample", kr.CE(from_logits=True) + kr.PeerLoss(kr.CE(), 0.5), {}),
    ],
)
def test_losses_that_are_refused(words, loss, keywords):
    with pytest.raises(ValueError, match=words):
        algorithm(SmallLoss).compile("sgd", loss, **keywords)


@once
def test_networks_that_are_refused():
    probabilities = keras.Sequential([keras.Input((D,)), keras.layers.Dense(K, activation="softmax")])
    one_output = keras.Sequential([keras.Input((D,)), keras.layers.Dense(1)])
    for wrong, told in ((probabilities, "3 output.* of probabilities"), (one_output, "1 output.* of logits")):
        with pytest.raises(ValueError, match=f"`model` of SmallLoss must be a network that ends in logits.*{told}"):
            SmallLoss(wrong, forget_rate=0.2).compile("sgd", kr.CE(from_logits=True))
    with pytest.raises(ValueError, match="`model` of SmallLoss must be a built network"):
        SmallLoss(keras.Sequential([keras.layers.Dense(K)]), forget_rate=0.2)
    first, _ = networks(2)
    wider = keras.Sequential([keras.Input((D,)), keras.layers.Dense(5), keras.layers.Dense(K)])
    for second, words in ((network(WEIGHTS[0]), "twins stay equal"), (wider, "the shapes of the first one")):
        with pytest.raises(ValueError, match=f"`second` of CoTeaching must be .*{words}"):
            CoTeaching(first, forget_rate=0.2, second=second)
    with pytest.raises(ValueError, match="`serve` of JoCoR must be one of 'first', 'ensemble'"):
        algorithm(JoCoR, serve="both")
    with pytest.raises(ValueError, match='`serve` of Algorithm must be "first": one network'):
        Algorithm(first, serve="ensemble")
    with pytest.raises(ValueError, match="`second` of Algorithm must be None: one network"):
        Algorithm(first, second=network(WEIGHTS[1]))


@once
def test_a_norm_over_two_networks_is_refused():
    loss = kr.CE(from_logits=True)
    with pytest.raises(ValueError, match="`global_clipnorm` of CoTeaching must be None: a norm over two networks"):
        algorithm(CoTeaching).compile(keras.optimizers.SGD(0.1, global_clipnorm=1.0), loss)
    algorithm(CoTeaching).compile(keras.optimizers.SGD(0.1, clipnorm=1.0), loss)
    algorithm(SmallLoss).compile(keras.optimizers.SGD(0.1, global_clipnorm=1.0), loss)


MIRRORED = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras_robust as kr
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    def network():
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    class Own(kr.algorithms.Algorithm):
        def objective(self, x, provenance, outputs, sample_weight):
            square = keras.ops.sum(outputs**2, axis=-1)
            return self.mean(square, provenance.label, outputs, sample_weight)
    models = [
        kr.algorithms.ELR(network(), num_samples=8, num_classes=3), kr.algorithms.SmallLoss(network(), 0.4),
        Own(network()),
    ]
    for model in models:
        model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True))
x, targets = np.arange(32).reshape(8, 4).astype("float32"), {"label": np.arange(8) % 3, "index": np.arange(8)}
for model in models[:2]:
    try:
        model.fit(x, targets, batch_size=8, verbose=0)
    except ValueError as error:
        print(str(error).replace("\\n", " "))
told = models[2].fit(x, targets, batch_size=8, verbose=0).history["loss"][0]
print(bool(np.isclose(told, (models[2].predict(x, verbose=0) ** 2).sum(axis=-1).mean(), rtol=1e-5)))
"""


@pytest.mark.only("tensorflow")  # MirroredStrategy
def test_several_replicas_are_refused_where_ranks_or_memories_would_be_those_of_one():
    *refused, own = printed_by(MIRRORED).splitlines()
    words = "must be of one replica: samples are ranked or remembered. Received: strategy=2."
    assert refused == [f"`strategy` of {name} {words}" for name in ("ELR", "SmallLoss")]
    assert own == "True"


@pytest.mark.only("torch")  # its processes
def test_several_processes_are_refused_too():
    from torch import distributed
    from torch.testing._internal.distributed.fake_pg import FakeStore

    distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
    try:
        for kind in (ELR, SmallLoss):
            words = f"`strategy` of {kind.__name__} must be of one replica: .* Received: strategy=2"
            with pytest.raises(ValueError, match=words):
                compiled(algorithm(kind)).fit(X, targets(), verbose=0)
            with pytest.raises(ValueError, match=words):
                compiled(algorithm(kind)).train_on_batch(X, targets())
        assert len(compiled(Square(*networks())).fit(X, Y, verbose=0).history["loss"]) == 1
    finally:
        distributed.destroy_process_group()
