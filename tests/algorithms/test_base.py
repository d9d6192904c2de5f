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
from keras_robust.algorithms import (
    ELR,
    GJS,
    NLNL,
    Algorithm,
    CoTeaching,
    CoTeachingPlus,
    DivideMix,
    JoCoR,
    Mixup,
    SmallLoss,
)

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
@pytest.mark.parametrize("kind", [*KINDS, GJS, Mixup])
def test_configurations_come_back(kind):
    model = algorithm(kind)
    assert json.loads(json.dumps(model.get_config())).keys() == model.get_config().keys()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert type(again) is kind
    settings = {name: value for name, value in again.get_config().items() if name not in ("model", "second", "name")}
    assert settings == {name: model.get_config()[name] for name in settings}
    given = ALGORITHMS.get(kind, {})
    assert {name: settings[name] for name in given} == given


@once
def test_a_configuration_holds_no_training_data():
    model = algorithm(DivideMix)
    config = json.loads(json.dumps(model.get_config()))
    with pytest.raises(ValueError, match="`probe` of DivideMix must be added to its configuration"):
        DivideMix.from_config(config)
    again = DivideMix.from_config({**config, "probe": model.probe})
    assert again.get_config().keys() == config.keys()
    assert (again.warmup, again.num_samples) == (model.warmup, N)


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


class ReadsMemory(ELR):
    """Reads what it remembers where Keras casts weights for the layers of a narrow policy."""

    def outputs(self, x):
        seen = ops.max(self.targets[:N])
        assert keras.backend.standardize_dtype(seen.dtype) == "float32"
        return super().outputs(x) + 0.0 * seen


@pytest.mark.parametrize("policy", in_turn(["mixed_bfloat16", "mixed_float16", "mixed_bfloat16"]))
def test_what_is_remembered_is_exact_in_half_precision(policy):
    """Keras' autocast would round a memory that is read while a layer is called."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        head = keras.layers.Dense(K, dtype="float32")
        inside = keras.Sequential([keras.Input((D,)), head])
        head.set_weights(WEIGHTS[0])
        x = np.round(8 * X) / 8  # which 8 bits hold
        model = ReadsMemory(inside, num_samples=N, num_classes=K, beta=0.9)
        model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True))
        model.fit(x, targets(), epochs=2, **RUN)
    finally:
        keras.config.set_dtype_policy(before)
    p = np.clip(np.exp(log_softmax(logits(WEIGHTS[0], x))), 1e-4, 1 - 1e-4)
    expected = (1 - 0.9**2) * p / p.sum(axis=-1, keepdims=True)
    assert np.allclose(numpy(model.targets)[INDEX], expected, rtol=1e-5, atol=1e-7)


EAGER = [*ALGORITHMS, *of_views()]


@pytest.mark.only("tensorflow", "jax")  # all steps of PyTorch are eager
@pytest.mark.parametrize("kind", EAGER[::2] if BACKEND == "jax" else EAGER[1::2])
def test_eager_steps_are_compiled_ones(kind):
    trained = []
    for eagerly in (False, True):
        model = compiled(algorithm(kind), run_eagerly=eagerly)
        model.begin(1, 2)
        told = model.train_on_batch(X, targets())
        trained.append([numpy(told), *(numpy(one) for one in model.weights)])
    assert_same(*trained, rtol=1e-5, atol=1e-6)


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
