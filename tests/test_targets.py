"""A ProvenanceModel of several outputs: losses, metrics, weights and records by output."""

import keras
import numpy as np
import pytest
from harness import BACKEND, in_turn, once

import keras_robust as kr
from keras_robust.callbacks import SampleWeightLogger

N, D = 24, 5
CLASSES = {"a": 3, "b": 4}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D)).astype("float32")
LABEL = {name: RNG.integers(0, classes, N) for name, classes in CLASSES.items()}
CLEAN = {name: RNG.integers(0, classes, N) for name, classes in CLASSES.items()}
WEIGHT = RNG.uniform(0.5, 2.0, N).astype("float32")
TARGETS = {"label": LABEL, "index": np.arange(N), "clean": {"a": CLEAN["a"]}}
FIT = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0}


class Heads(keras.Model):
    """Two outputs, which nobody sees before a batch has come."""

    def __init__(self):
        super().__init__()
        self.heads = {name: keras.layers.Dense(classes) for name, classes in CLASSES.items()}

    def call(self, x):
        return {name: head(x) for name, head in self.heads.items()}


def network(form):
    keras.utils.set_random_seed(1)
    if form == "subclass":
        return Heads()
    inputs = keras.Input((D,))
    outputs = {name: keras.layers.Dense(classes, name=name)(inputs) for name, classes in CLASSES.items()}
    return keras.Model(inputs, outputs if form == "dict" else list(outputs.values()))


def losses():
    return {"a": kr.ANLCE(from_logits=True), "b": kr.CE(from_logits=True)}


def compiled(model, rate=0.1, **metrics):
    weights = {"a": 1.0, "b": 0.5}
    model.compile(keras.optimizers.SGD(rate), losses(), loss_weights=weights, **metrics)
    return model


@pytest.mark.parametrize("form", in_turn(["dict", "list", "subclass"]) if BACKEND != "torch" else ["dict", "list"])
def test_several_outputs_train_as_those_of_the_model_inside(form):
    table = np.array([2.0, 1.0, 0.5])
    plain = compiled(network(form), weighted_metrics={"a": ["accuracy"], "b": ["accuracy"]})
    weights = {"a": WEIGHT * table[LABEL["a"]], "b": np.ones(N)}
    structure = list if form == "list" else dict

    def by_form(values):
        return [values["a"], values["b"]] if structure is list else values

    expected = plain.fit(X, by_form(LABEL), sample_weight=by_form(weights), **FIT).history
    measured = plain.evaluate(X, by_form(CLEAN), return_dict=True, verbose=0)
    model = kr.ProvenanceModel(network(form))
    ours = {"a": [kr.metrics.MemorizedShare()], "b": []}
    compiled(model, metrics=ours, weighted_metrics={"a": ["accuracy"], "b": ["accuracy"]})
    history = model.fit(
        X, TARGETS, sample_weight={"a": WEIGHT}, class_weight={"a": {0: 2.0, 2: 0.5}},
        validation_data=(X, by_form(CLEAN), {"b": np.ones(N)} if structure is dict else None), **FIT,
    ).history  # fmt: skip
    for name, values in expected.items():
        assert history[name] == pytest.approx(values, rel=1e-5), name
    for name in ("loss", "a_loss", "b_loss"):
        assert history[f"val_{name}"][-1] == pytest.approx(measured[name], rel=1e-5)
    wrong = LABEL["a"] != CLEAN["a"]
    predicted = model.predict(X, verbose=0)
    predicted = (predicted[0] if structure is list else predicted["a"]).argmax(axis=-1)
    told = model.evaluate(X, TARGETS, return_dict=True, verbose=0)
    assert told["a_memorized_share"] == pytest.approx((predicted == LABEL["a"])[wrong].mean())


@pytest.mark.parametrize("form", in_turn(["list", "subclass", "dict"]))
def test_recorders_say_which_output_they_need(form, tmp_path):
    model = compiled(kr.ProvenanceModel(network(form)), rate=0.0)
    loggers = {name: SampleWeightLogger(tmp_path / name, num_samples=N, output=name) for name in CLASSES}
    train = kr.data.with_provenance((X, LABEL), TARGETS["clean"], batch_size=8, pipeline="device")
    model.fit(train, epochs=1, callbacks=list(loggers.values()), verbose=0)
    predicted = model.predict(X, verbose=0)
    for place, (name, logger) in enumerate(loggers.items()):
        z = predicted[place] if form == "list" else predicted[name]
        own = z[np.arange(N), LABEL[name]]
        others = np.where(np.eye(CLASSES[name], dtype=bool)[LABEL[name]], -np.inf, z)
        record = logger.log().epoch(0)
        assert np.allclose(record["margin"], own - np.logaddexp.reduce(others, axis=-1), atol=1e-5)
        assert np.array_equal(record["label"], LABEL[name])
        assert np.array_equal(record["clean"], CLEAN["a"] if name == "a" else np.full(N, -1))
        loss = losses()[name](keras.ops.convert_to_tensor(LABEL[name]), keras.ops.convert_to_tensor(z))
        assert record["loss"].mean() == pytest.approx(float(loss), rel=1e-5)


@once
def test_a_probe_of_several_outputs(tmp_path):
    model = compiled(network("dict"))
    logger = SampleWeightLogger(tmp_path, probe=(X, {"label": LABEL, "clean": CLEAN}), output="b")
    model.fit(X, LABEL, callbacks=[logger], **FIT)
    record = logger.log().epoch(1)
    assert np.array_equal(record["predicted"], model.predict(X, verbose=0)["b"].argmax(axis=-1))
    assert np.array_equal(record["clean"], CLEAN["b"])


@once
def test_saved_as_the_model_inside(tmp_path):
    model = compiled(kr.ProvenanceModel(network("dict")), metrics={"a": [kr.metrics.MemorizedShare(), "accuracy"]})
    model.fit(X, TARGETS, **FIT)
    model.save(tmp_path / "inside.keras")
    keras.saving.save_model(model, tmp_path / "outside.keras")
    inside, outside = (keras.saving.load_model(tmp_path / f"{name}.keras") for name in ("inside", "outside"))
    for one in (inside, outside):
        for name, z in model.predict(X, verbose=0).items():
            assert np.allclose(one.predict(X, verbose=0)[name], z, atol=1e-6)
    again = outside.fit(X, TARGETS, **FIT).history
    assert "a_memorized_share" in again
    assert again == model.fit(X, TARGETS, **FIT).history


@once
@pytest.mark.parametrize(
    ("targets", "keywords", "words"),
    [
        ({"labels": LABEL, "index": np.arange(N)}, {}, "`y` of .* \"label\" with \"index\" .* a dict of a, b"),
        ({**LABEL, "c": LABEL["a"]}, {}, "`y` of ProvenanceModel must be labels"),
        ({"label": {"a": LABEL["a"]}}, {}, "`label` of ProvenanceModel must be a dict by output: a, b"),
        ({"label": {**LABEL, "c": LABEL["a"]}}, {}, "`label` of ProvenanceModel must be a dict by output: a, b"),
        ({"label": LABEL["a"]}, {}, "`label` of ProvenanceModel must be a dict by output: a, b"),
        ({"label": LABEL, "clean": {"c": LABEL["a"]}}, {}, "`clean` of ProvenanceModel must be a dict by output: a, b"),
        (TARGETS, {"class_weight": {0: 2.0}}, "`class_weight` of fit must be a dict by output, a, b"),
        (TARGETS, {"class_weight": {"c": {0: 2.0}}}, "`class_weight` of fit must be a dict by output, a, b"),
        (TARGETS, {"class_weight": {"a": {0: -2.0}}}, "`class_weight` of fit must be at least 0"),
        (TARGETS, {"sample_weight": {"c": WEIGHT}}, "`sample_weight` of .* must be a dict by output: a, b"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_outputs_is_named(targets, keywords, words):
    model = compiled(kr.ProvenanceModel(network("dict")))
    with pytest.raises(ValueError, match=words):
        model.fit(X, targets, **FIT, **keywords)


@once
def test_a_list_of_one_output_is_one(tmp_path):
    inputs = keras.Input((D,))
    model = kr.ProvenanceModel(keras.Model(inputs, [keras.layers.Dense(3)(inputs)]))
    model.compile("sgd", kr.CE(from_logits=True), metrics=[kr.metrics.MemorizedShare()])
    targets = {"label": LABEL["a"], "index": np.arange(N), "clean": CLEAN["a"]}
    logger = SampleWeightLogger(tmp_path, num_samples=N)
    assert "memorized_share" in model.fit(X, targets, callbacks=[logger], class_weight={0: 2.0}, **FIT).history
    assert np.array_equal(logger.log().labels, LABEL["a"])
    with pytest.raises(ValueError, match="`class_weight` of fit must be a dict {class id: weight} for one output"):
        model.fit(X, targets, class_weight={"a": {0: 2.0}}, **FIT)


@once
def test_what_several_outputs_do_not_have(tmp_path):
    model = compiled(kr.ProvenanceModel(network("dict")))
    for output in (None, "c"):
        with pytest.raises(
            ValueError, match="`output` of SampleWeightLogger must be the one that is logged of .* a, b"
        ):
            model.fit(X, TARGETS, callbacks=[SampleWeightLogger(tmp_path, num_samples=N, output=output)], **FIT)
    unseen = compiled(kr.ProvenanceModel(network("subclass")))
    logger = SampleWeightLogger(tmp_path, num_samples=N, loss=kr.CE(from_logits=True))
    with pytest.raises(ValueError, match="`output` of ProvenanceModel must be the output that is recorded .* a, b"):
        unseen.fit(X, TARGETS, callbacks=[logger], **FIT)
    with pytest.raises(ValueError, match="`metrics` of ProvenanceModel must be a dict by output"):
        compiled(model, metrics=[[kr.metrics.MemorizedShare()], ["accuracy"]])
    with pytest.raises(ValueError, match="`penalty` of ProvenanceModel must be None for several outputs, a, b"):
        kr.ProvenanceModel(network("dict"), penalty=kr.JacobianPenalty(0.1))
    with pytest.raises(ValueError, match="`model` of ELR must be a network with one output"):
        kr.algorithms.ELR(network("dict"), num_samples=N, num_classes=3)
    inputs = keras.Input((D,))
    named = keras.Model(inputs, {"label": keras.layers.Dense(3)(inputs), "b": keras.layers.Dense(3)(inputs)})
    with pytest.raises(ValueError, match="with an output 'label'"):
        kr.ProvenanceModel(named)

    class Unnamed(Heads):
        def call(self, x):
            return list(super().call(x).values())

    model = kr.ProvenanceModel(Unnamed())
    model.compile("sgd", kr.CE(from_logits=True))
    with pytest.raises(ValueError, match="`model` of ProvenanceModel must be .* a dict of outputs by name"):
        model.fit(X, {"label": list(LABEL.values())}, **FIT)
