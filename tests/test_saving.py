"""What was trained with this package is saved as plain Keras, and loads on another backend, with and without it."""

import json
import zipfile

import keras
import numpy as np
import pytest
from harness import BACKEND, once, printed_by
from keras import layers

import keras_robust as kr
from keras_robust.callbacks import DALSchedule, LogitBiasCycle, SampleWeightLogger

OTHER = {"tensorflow": "jax", "jax": "tensorflow", "torch": "tensorflow"}[BACKEND]
N, K = 24, 4
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(N, 6)).astype("float32"), RNG.integers(0, K, N)
FIT = {"batch_size": 8, "shuffle": False, "verbose": 0}

LOAD = """
import json, pathlib, sys, zipfile
folder, cases = pathlib.Path(sys.argv[1]), sys.argv[2:]
sys.modules["keras_robust"] = None  # importing it raises
import keras, numpy as np
data, found = np.load(folder / "data.npz"), {}
for case in cases:
    model = keras.models.load_model(folder / f"{case}.keras", compile=False)
    weights = keras.Sequential.from_config(model.get_config())
    weights.load_weights(folder / f"{case}.weights.h5")
    found[case] = {
        "outputs": [m.predict(data["x"], verbose=0).tolist() for m in (model, weights)],
        "ours": [name for name in (type(model).__module__, *(type(layer).__module__ for layer in model.layers))
                 if not name.startswith("keras.")],
        "weights": [[weight.name, list(weight.shape)] for weight in model.weights],
    }
del sys.modules["keras_robust"]
import keras_robust
for case in cases:
    model = keras.models.load_model(folder / f"{case}.keras")
    found[case]["loss"] = type(model.loss).__name__
    history = model.fit(data["x"], data["y"], batch_size=8, shuffle=False, verbose=0).history
    found[case]["going on"] = history["loss"][0]
print(json.dumps(found))
"""


def network(activation=None):
    hidden = [layers.Dense(8, activation="relu"), layers.BatchNormalization()]
    return keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(K, activation=activation)])


# CoupledSGD, because Keras 3.15 saves its own optimizers on PyTorch under a name that only PyTorch can train with.


def scheduled(folder):
    model = network()
    model.compile(kr.optimizers.CoupledSGD(0.05, momentum=0.9), kr.LogitBias(kr.DAL(), 1.0, from_logits=True))
    callbacks = [DALSchedule(), LogitBiasCycle((2.0, 0.5), hold=1)]
    model.fit(X, Y, epochs=2, callbacks=callbacks, **FIT)
    return model


def penalized(folder):
    model = kr.regularize(network("softmax"), l1=1e-3)
    model.compile(kr.optimizers.CoupledSGD(0.05, momentum=0.9, weight_decay=1e-3), 2.0 * kr.NCE() + kr.GCE(0.5))
    model.fit(X, Y, callbacks=[kr.optimizers.cosine(0.05, 1)], **FIT)
    return model


def recorded(folder):
    model = kr.ProvenanceModel(network())
    optimizer = kr.optimizers.CoupledSGD(0.05, momentum=0.9)
    model.compile(optimizer, kr.ANLCE(from_logits=True), weighted_metrics=["accuracy"])
    logger = SampleWeightLogger(folder / "log", num_samples=N)
    model.fit(X, {"label": Y, "index": np.arange(N), "clean": Y}, callbacks=[logger], **FIT)
    return model


CASES = {make.__name__: make for make in (scheduled, penalized, recorded)}


def test_it_loads_on_another_backend_with_this_package_and_without(tmp_path):
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    models = {name: make(tmp_path) for name, make in CASES.items()}
    for name, model in models.items():
        model.save(tmp_path / f"{name}.keras")
        model.save_weights(tmp_path / f"{name}.weights.h5")
    found = json.loads(printed_by(LOAD, tmp_path, *models, backend=OTHER).splitlines()[-1])
    for name, model in models.items():
        inside, case = getattr(model, "model", model), found[name]
        for outputs in case["outputs"]:
            np.testing.assert_allclose(outputs, inside.predict(X, verbose=0), atol=1e-5, err_msg=name)
        assert case["ours"] == [], name
        assert case["weights"] == [[weight.name, list(weight.shape)] for weight in inside.weights]
        assert case["loss"] == type(model.loss).__name__
        if name != "scheduled":  # neither a penalty nor a wrapper is part of the saved model
            model = keras.models.load_model(tmp_path / f"{name}.keras")
        # Momentum comes along, and the hyper-parameters where the schedule left them.
        assert case["going on"] == pytest.approx(model.fit(X, Y, **FIT).history["loss"][0], rel=1e-4), name


def test_compile_configuration():
    for wrap in (lambda model: model, kr.ProvenanceModel):
        model = wrap(network())
        loss = 2.0 * kr.LogitBias(kr.NCE(), 1.0, from_logits=True) + kr.DAL(q=0.3)
        model.compile(kr.optimizers.CoupledSGD(0.05, momentum=0.9), loss, weighted_metrics=["accuracy"])
        loss.move("q", 0.8)
        again = wrap(network())
        again.compile_from_config(json.loads(json.dumps(model.get_compile_config())))
        assert again.loss.get_config() == loss.get_config()
        assert again.loss.hyperparameters == pytest.approx(loss.hyperparameters)
        assert again.loss.hyperparameters["q"] == pytest.approx(0.8)
        assert again.optimizer.get_config() == model.optimizer.get_config()


def test_the_wrapper_can_be_cloned():
    model = kr.ProvenanceModel(network())
    clone = keras.models.clone_model(model)
    assert isinstance(clone, kr.ProvenanceModel)
    assert clone.model is not model.model
    clone.set_weights(model.get_weights())
    np.testing.assert_allclose(clone.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5)


def edited(source, target, edit):
    """A copy of a saved model, of which `edit(loss)` changes the saved loss."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as copy:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "config.json":
                config = json.loads(content)
                edit(config["compile_config"]["loss"])
                content = json.dumps(config)
            copy.writestr(name, content)


def _rename(saved, name):
    saved |= {"class_name": name, "registered_name": f"keras_robust>{name}"}


OF_ANOTHER_VERSION = {
    "an unknown argument": (
        lambda loss: loss["config"]["losses"][1]["config"].update(zeta=3),
        r"configuration of GCE has the unknown zeta. Its arguments are \(q=0.7, .*Was it saved by another version",
    ),
    "an unknown argument of a sum": (
        lambda loss: loss["config"].update(zeta=3, eta=1),
        r"configuration of WeightedSum has the unknown eta, zeta. Its arguments are \(\*, losses, weights",
    ),
    "a missing argument": (
        lambda loss: _rename(loss["config"]["losses"][1], "AUL"),
        r"configuration of AUL lacks a. Its arguments are \(a, q, \*, from_logits=False",
    ),
    "a missing argument of a sum": (
        lambda loss: loss["config"].pop("weights"),
        "configuration of WeightedSum lacks weights",
    ),
    "an unknown part": (
        lambda loss: _rename(loss["config"]["losses"][1], "GCX"),
        "keras_robust has no loss 'GCX'.*another version.*Known losses: AEL, AGCE, ANLCE, .*, UnitWeight, WeightedSum.",
    ),
    "an unknown part of a part": (
        lambda loss: _rename(loss["config"]["losses"][0]["config"]["loss"], "MEA"),
        "keras_robust has no loss 'MEA'.*Known losses: .*, MAE, ",
    ),
    "a value out of range": (
        lambda loss: loss["config"]["losses"][1]["config"].update(q=-3),
        "`q` of GCE must be at least 0. Received: q=-3.",
    ),
}


@once
class TestOfAnotherVersion:
    @pytest.fixture
    def saved(self, tmp_path):
        model = keras.Sequential([keras.Input((6,)), layers.Dense(K)])
        model.compile("sgd", 2.0 * kr.LogitBias(kr.MAE(), 1.0, from_logits=True) + kr.GCE(0.3))
        model.save(tmp_path / "saved.keras")
        return tmp_path / "saved.keras"

    @pytest.mark.parametrize("what", OF_ANOTHER_VERSION)
    def test_it_says_what_came_and_what_is_known(self, what, saved, tmp_path):
        edit, message = OF_ANOTHER_VERSION[what]
        edited(saved, tmp_path / "model.keras", edit)
        with pytest.raises(ValueError, match=message):
            keras.models.load_model(tmp_path / "model.keras")
        keras.models.load_model(tmp_path / "model.keras", compile=False)

    def test_an_unknown_loss_is_named_by_keras(self, saved, tmp_path):
        edited(saved, tmp_path / "model.keras", lambda loss: _rename(loss, "ANLX"))
        with pytest.raises(TypeError, match="Could not locate class 'ANLX'"):
            keras.models.load_model(tmp_path / "model.keras")
