"""What all algorithms promise: what is refused, saved and resumed, what metrics see, and where data may come from."""

import json

import keras
import numpy as np
import pytest
from harness import BACKEND, in_turn, once, printed_by
from keras import ops
from steps import (
    ALGORITHMS,
    INDEX,
    WEIGHTS,
    D,
    K,
    N,
    X,
    Y,
    algorithm,
    assert_step,
    cross_entropy,
    log_softmax,
    logits,
    network,
    networks,
    numpy,
    of_views,
    targets,
)

import keras_robust as kr
from keras_robust.algorithms import ELR, NLNL, Algorithm, CoTeaching, CoTeachingPlus, JoCoR, SmallLoss

#: PyTorch, which compiles nothing, has all of them; the others every third, in turn.
KINDS = list(ALGORITHMS) if BACKEND == "torch" else in_turn(ALGORITHMS)
OF_TWO = [kind for kind in KINDS if kind.networks == 2]
RUN = {"batch_size": 3, "shuffle": False, "verbose": 0}


def compiled(model, rate=0.1, **keywords):
    model.compile(keras.optimizers.Adam(rate), kr.CE(from_logits=True), **keywords)
    return model


def state(model):
    """All that training changes."""
    return [numpy(one) for one in [*model.weights, *model.optimizer.variables]]


def assert_same(found, expected, **bars):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.allclose(one, other, **{"rtol": 0.0, "atol": 0.0, **bars})


@once
def test_every_algorithm_has_its_row():
    public = {getattr(kr.algorithms, name) for name in kr.algorithms.__all__} - {Algorithm}
    assert public == ALGORITHMS.keys() | of_views().keys()
    for kind in ALGORITHMS:
        assert kind.ranks or kind.remembers


# What is refused


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


# What is saved


LOADED = """
import json, pathlib, sys, warnings
import keras, numpy as np
sys.modules["keras_robust"] = None
x = np.load(sys.argv[1] + "/x.npy")
with warnings.catch_warnings():
    warnings.simplefilter("error")
    models = {file.stem: keras.models.load_model(file) for file in pathlib.Path(sys.argv[1]).glob("*.keras")}
print(json.dumps({name: model.predict(x, verbose=0).tolist() for name, model in models.items()}))
"""


@once
def test_what_is_saved_is_what_predict_returns_and_needs_no_package(tmp_path):
    np.save(tmp_path / "x.npy", X)
    expected = {}
    for kind in [*ALGORITHMS, *of_views()]:
        for serve in ("first", "ensemble")[: kind.networks]:
            model = compiled(algorithm(kind, **({"serve": serve} if kind.networks == 2 else {})))
            model.fit(X, targets(), **RUN)
            expected[f"{kind.__name__}-{serve}"] = model.predict(X, verbose=0)
            model.save(tmp_path / f"{kind.__name__}-{serve}.keras")
            trained = [logits(one.get_weights()) for one in (model.model, model.second) if one is not None]
            of_serve = np.mean(trained, axis=0) if serve == "ensemble" else trained[0]
            assert np.allclose(model.predict(X, verbose=0), of_serve, atol=1e-5)
    found = json.loads(printed_by(LOADED, tmp_path).splitlines()[-1])
    assert found.keys() == expected.keys()
    for name, values in found.items():
        assert np.allclose(values, expected[name], atol=1e-6), name


@once
@pytest.mark.parametrize("serve", ["first", "ensemble"])
def test_a_network_behind_preprocessing_is_saved_with_its_normalization(serve, tmp_path):
    splits = kr.data.load("digits", pipeline="device")
    images, labels = splits.test.columns[0][:16], np.arange(16) % 10
    inside = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    whole = keras.Sequential([keras.Input((8, 8, 1)), splits.info.preprocessing, inside])
    model = compiled(CoTeaching(whole, forget_rate=0.2, serve=serve))
    model.fit(images, labels, verbose=0)
    model.save(tmp_path / "served.keras")
    loaded = keras.models.load_model(tmp_path / "served.keras")
    assert np.allclose(loaded.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-5)
    assert not any(isinstance(layer, kr.data.Preprocessing) for layer in loaded._flatten_layers())


@pytest.mark.parametrize("kind", KINDS[:2] if BACKEND == "tensorflow" else KINDS)
def test_a_killed_run_goes_on_exactly(kind, tmp_path):
    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    unbroken = compiled(algorithm(kind))
    history = unbroken.fit(X, targets(), epochs=3, **RUN).history
    killed = compiled(algorithm(kind))
    saving = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True)
    with pytest.raises(KeyboardInterrupt):
        killed.fit(X, targets(), epochs=3, callbacks=[saving, Kill()], **RUN)
    other = [network([one + 1 for one in weights]) for weights in WEIGHTS[: kind.networks]]
    resumed = compiled(algorithm(kind, other))
    resumed.load_weights(tmp_path / "1.weights.h5")
    rest = resumed.fit(X, targets(), initial_epoch=1, epochs=3, **RUN).history
    assert_same(state(resumed), state(unbroken))
    assert rest == {name: values[1:] for name, values in history.items()}


@once
@pytest.mark.parametrize("kind", KINDS)
def test_configurations_come_back(kind):
    model = algorithm(kind)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert type(again) is kind
    settings = {name: value for name, value in again.get_config().items() if name not in ("model", "second", "name")}
    assert settings == {name: model.get_config()[name] for name in settings}
    assert {name: settings[name] for name in ALGORITHMS[kind]} == ALGORITHMS[kind]


def test_model_checkpoint(tmp_path):
    model = compiled(algorithm(CoTeaching), metrics=["accuracy"])
    best = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_accuracy", save_best_only=True)
    history = model.fit(X, targets(), validation_data=(X, Y), epochs=2, callbacks=[best], **RUN).history
    accuracy = np.mean(keras.models.load_model(tmp_path / "best.keras").predict(X, verbose=0).argmax(axis=-1) == Y)
    assert np.isclose(accuracy, max(history["val_accuracy"]))


# What is added, and what is seen


@once
@pytest.mark.parametrize("kind", KINDS)
def test_penalties_are_added(kind):
    told = []
    for l1 in (0.0, 0.1):
        model = kr.regularize(algorithm(kind), l1=l1)
        model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True))
        told.append(float(model.train_on_batch(X, targets())))
    size = sum(np.abs(one).sum() for weights in WEIGHTS[: kind.networks] for one in weights)
    assert np.isclose(told[1] - told[0], 0.1 * size, rtol=1e-5)


@once
def test_a_copy_has_the_penalty_of_the_first_network():
    model = CoTeaching(kr.regularize(network(WEIGHTS[0]), l1=0.1), forget_rate=0.4)
    size = sum(np.abs(one).sum() for one in [*model.model.get_weights(), *model.second.get_weights()])
    assert np.isclose(float(numpy(sum(model.losses))), 0.1 * size, rtol=1e-5)


@pytest.mark.parametrize("kind", in_turn([CoTeaching, ELR, JoCoR]))
def test_metrics_and_the_log_see_the_first_network(kind, tmp_path):
    clean = (Y + (np.arange(N) % 2)) % K
    model = algorithm(kind)
    metrics = ["accuracy", kr.metrics.MemorizedShare()]
    model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True), metrics=metrics)
    logger = kr.callbacks.SampleWeightLogger(tmp_path, num_samples=N)
    history = model.fit(X, {**targets(), "clean": clean}, epochs=2, callbacks=[logger], **RUN).history
    z = logits(WEIGHTS[0])
    right = z.argmax(axis=-1) == Y
    assert right.mean() != (logits(WEIGHTS[1]).argmax(axis=-1) == Y).mean()
    assert np.isclose(history["accuracy"][-1], right.mean())
    assert np.isclose(history["memorized_share"][-1], right[clean != Y].mean())
    others = np.where(np.eye(K, dtype=bool)[Y], -np.inf, z)
    margin = z[np.arange(N), Y] - np.log(np.exp(others).sum(axis=-1))
    record = kr.diagnostics.WeightLog(tmp_path).epoch(1)
    assert np.allclose(record["margin"][INDEX], margin, atol=1e-5)


@once
def test_weights_of_classes_multiply():
    values = cross_entropy(logits(WEIGHTS[0]), Y)
    kept = np.argsort(values)[:4]
    model = algorithm(SmallLoss, gradual=0)
    model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True))
    [told] = model.fit(X, targets(), class_weight={1: 2.0, 2: 3.0}, verbose=0).history["loss"]
    assert np.isclose(told, (np.array([1.0, 2.0, 3.0])[Y] * values)[kept].mean(), rtol=1e-5)


# Where data comes from, and how steps are made


@pytest.mark.parametrize("kind", in_turn([ELR, CoTeaching, NLNL]))
def test_arrays_pipelines_and_feeds_train_alike(kind):
    given = {"label": Y, "index": np.arange(N)}
    batches = {"batch_size": 3, "shuffle": False}
    sources = [
        (X, given),
        (kr.data.with_provenance((X, Y), pipeline="tf.data", **batches),),
        (kr.data.with_provenance((X, Y), pipeline="device", **batches),),
    ]
    trained = []
    for source in sources:
        model = compiled(algorithm(kind))
        model.fit(*source, epochs=2, **(RUN if len(source) == 2 else {"verbose": 0, "shuffle": False}))
        trained.append(state(model))
    assert_same(trained[1], trained[0], atol=1e-6)
    assert_same(trained[2], trained[0], atol=1e-6)


@pytest.mark.only("tensorflow", "jax")  # Keras takes one step at a time with PyTorch
@pytest.mark.parametrize("kind", [NLNL] if BACKEND == "jax" else [ELR, CoTeachingPlus])
def test_several_steps_at_a_time(kind):
    trained = []
    for steps in (1, 2):
        model = compiled(algorithm(kind), steps_per_execution=steps)
        model.fit(X[:6], targets_of(6), epochs=2, **RUN)
        trained.append(state(model))
    assert_same(trained[1], trained[0], atol=1e-6)


def targets_of(count):
    return {name: values[:count] for name, values in targets().items()}


@pytest.mark.parametrize("kind", KINDS)
def test_losses_fall_in_bfloat16(kind):
    def narrow():
        layers = [keras.layers.Dense(8, "relu", dtype="mixed_bfloat16"), keras.layers.Dense(K, dtype="mixed_bfloat16")]
        return keras.Sequential([keras.Input((D,)), *layers])

    steady = {"gradual": 0} if "gradual" in ALGORITHMS[kind] else {}
    steady |= {"stages": (1, 0, 0)} if kind is NLNL else {"start": 99} if "start" in ALGORITHMS[kind] else {}
    model = compiled(algorithm(kind, [narrow() for _ in range(kind.networks)], **steady), rate=0.03)
    x = np.eye(K, D, dtype="float32")[Y] * 3 + X / 10
    history = model.fit(x, targets(), epochs=8, **RUN).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    kept = [one for one in model.weights if one.path.split("/")[-1] in ("targets", "predicted")]
    assert len(kept) == int(kind.remembers)
    assert all(one.dtype == "float32" for one in kept)


# One's own


@kr.registration.registered
class Entropy(Algorithm):
    """The loss, and ever more of the entropy of the predictions."""

    moving = ("lam",)

    def __init__(self, model, lam=0.5, name=None):
        super().__init__(model, name=name)
        self.lam = lam

    def stage(self, epoch, epochs):
        return {"lam": self.lam * (epoch + 1) / epochs}

    def objective(self, x, provenance, outputs, sample_weight):
        p = ops.softmax(outputs)
        entropy = -ops.sum(p * ops.log(p), axis=-1)
        mean = self.mean(entropy, provenance.label, outputs, sample_weight)
        return self.loss(provenance.label, outputs, sample_weight) + self.number("lam") * mean


def test_an_algorithm_of_ones_own():
    def objective(weights):
        log_p = log_softmax(logits(weights[0]))
        return cross_entropy(logits(weights[0]), Y).mean() - 0.5 * (np.exp(log_p) * log_p).sum(axis=-1).mean()

    model = Entropy(*networks())
    assert_step(model, objective, kr.CE(from_logits=True), y=Y)
    assert model.fit(X, Y, epochs=2, **RUN).history["lam"] == [0.25, 0.5]


@once
def test_what_an_algorithm_of_ones_own_may_have_wrong():
    class Mute(Algorithm):
        pass

    with pytest.raises(TypeError, match="Mute does not define objective"):
        compiled(Mute(*networks())).fit(X, Y, verbose=0)

    class Misnamed(Entropy):
        moving = ("lam", "beta")

    with pytest.raises(ValueError, match=r"`stage` of Misnamed must give the numbers in `moving`, \['beta', 'lam'\]"):
        compiled(Misnamed(*networks()))
