"""A ProvenanceModel trains, saves and exports as the model inside."""

import keras
import numpy as np
import pytest
from harness import printed_by

import keras_robust as kr

N, K = 24, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 5)).astype("float32")
LABEL, CLEAN = RNG.integers(0, K, N), RNG.integers(0, K, N)
TARGETS = {"label": LABEL, "index": np.arange(N), "clean": CLEAN}


def plain():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(K)])


def compiled(model, **keywords):
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, kr.ANLCE(from_logits=True), metrics=["accuracy"], **keywords)
    return model


FIT = {"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0}


def test_trains_as_the_model_inside():
    expected = compiled(plain()).fit(X, LABEL, validation_data=(X, CLEAN), **FIT).history
    model = kr.ProvenanceModel(plain())
    metrics = ["accuracy", kr.metrics.MemorizedShare(), kr.metrics.MeanMargin("clean", from_logits=True)]
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), kr.ANLCE(from_logits=True), metrics=metrics)
    history = model.fit(X, TARGETS, validation_data=(X, CLEAN), **FIT).history
    for name, values in expected.items():
        assert history[name] == pytest.approx(values, rel=1e-5), name
    ours = {"memorized_share", "margin_clean"}
    assert history.keys() - expected.keys() == ours | {f"val_{name}" for name in ours}
    assert np.isnan(history["val_memorized_share"]).all()  # plain labels tell nothing of wrong ones
    measured = model.evaluate(X, TARGETS, batch_size=8, verbose=0, return_dict=True)
    predicted, wrong = model.predict(X, verbose=0).argmax(-1), LABEL != CLEAN
    assert measured["memorized_share"] == pytest.approx((predicted == LABEL)[wrong].mean())
    np.testing.assert_allclose(model.predict(X, verbose=0), model.model.predict(X, verbose=0), rtol=1e-6)


def test_weighted_metrics_and_sample_weights():
    model = kr.ProvenanceModel(plain())
    model.compile("sgd", kr.CE(from_logits=True), weighted_metrics=[kr.metrics.MemorizedShare(), "accuracy"])
    wrong = np.flatnonzero(LABEL != CLEAN)
    weight = np.zeros(N, "float32")
    weight[wrong[:3]] = 1.0
    share = model.evaluate(X, TARGETS, sample_weight=weight, batch_size=N, verbose=0, return_dict=True)
    predicted = model.predict(X, verbose=0).argmax(-1)[wrong[:3]]
    assert share["memorized_share"] == pytest.approx((predicted == LABEL[wrong[:3]]).mean())


def test_targets_may_lack_what_nobody_asks_for():
    model = compiled(kr.ProvenanceModel(plain()))
    model.fit(X, {"label": LABEL}, **FIT)
    model.fit(X, LABEL, **FIT)
    model.compile("sgd", kr.CE(from_logits=True), metrics=kr.metrics.MemorizedShare())
    with pytest.raises(ValueError, match="needs targets that tell clean labels"):
        model.fit(X, {"label": LABEL, "index": np.arange(N)}, **FIT)


LOAD = """
import sys, numpy as np, keras
assert "keras_robust" not in sys.modules
model = keras.models.load_model(sys.argv[1], compile=False)
assert type(model).__name__ == "Sequential", type(model)
np.save(sys.argv[3], model.predict(np.load(sys.argv[2]), verbose=0))
assert "keras_robust" not in sys.modules
"""


def test_saves_as_the_model_inside(tmp_path):
    model = compiled(kr.ProvenanceModel(plain()))
    model.fit(X, TARGETS, **FIT)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", X)
    printed_by(LOAD, *(tmp_path / name for name in ("model.keras", "x.npy", "out.npy")))
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.loss, kr.ANLCE)
    # The optimizer's state is in the file: both go on alike.
    going_on = model.fit(X, TARGETS, **FIT).history["loss"]
    assert again.fit(X, LABEL, **FIT).history["loss"] == pytest.approx(going_on, rel=1e-5)


def test_weights_files_hold_the_optimizer_and_fit_either(tmp_path):
    model = compiled(kr.ProvenanceModel(plain()))
    model.fit(X, TARGETS, **FIT)
    model.save_weights(tmp_path / "w.weights.h5")
    going_on = model.fit(X, TARGETS, **FIT).history["loss"]
    wrapped = compiled(kr.ProvenanceModel(plain()))
    for other, y in ((wrapped, TARGETS), (compiled(plain()), LABEL)):
        other.optimizer.build(other.trainable_variables)
        other.load_weights(tmp_path / "w.weights.h5")
        assert other.fit(X, y, **FIT).history["loss"] == pytest.approx(going_on, rel=1e-5)


def test_the_wrapper_itself_can_be_serialized(tmp_path):
    model = kr.ProvenanceModel(plain(), name="outside")
    model.compile(
        keras.optimizers.SGD(0.1, 0.9), kr.NCE(from_logits=True), metrics=["accuracy", kr.metrics.MemorizedShare()]
    )
    model.fit(X, TARGETS, **FIT)
    keras.saving.save_model(model, tmp_path / "wrapped.keras")
    again = keras.saving.load_model(tmp_path / "wrapped.keras")
    assert isinstance(again, kr.ProvenanceModel)
    assert again.fit(X, TARGETS, **FIT).history == model.fit(X, TARGETS, **FIT).history
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.only("tensorflow", "jax")  # Keras exports SavedModels from these
def test_exports_as_the_model_inside(tmp_path):
    import tensorflow as tf

    model = compiled(kr.ProvenanceModel(plain()))
    model.fit(X, TARGETS, **FIT)
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(X).numpy(), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    assert len(served.variables) == len(model.model.weights)


def one_step(model, y=TARGETS, **keywords):
    return model.fit(X, y, batch_size=8, epochs=1, shuffle=False, verbose=0, **keywords).history


def with_rate_0(loss, **keywords):
    model = kr.ProvenanceModel(plain())
    model.compile(keras.optimizers.SGD(0.0), loss, **keywords)
    return model


CLASS_WEIGHT = {0: 2.0, 2: 0.5}  # class 1 has weight 1
OF_SAMPLES = np.array([2.0, 1.0, 0.5])[LABEL]


@pytest.mark.parametrize("y", [LABEL, LABEL[:, None], np.eye(K, dtype="float32")[LABEL]], ids=["ids", "column", "hot"])
@pytest.mark.parametrize("given", [None, np.arange(N) / N], ids=["alone", "with sample weights"])
def test_class_weights_are_sample_weights(y, given):
    model = with_rate_0(kr.CE(from_logits=True), weighted_metrics=["mse"] if y.ndim == 2 and y.shape[1] == K else None)
    weight = OF_SAMPLES if given is None else OF_SAMPLES * given
    targets = {"label": y, "index": np.arange(N)}
    expected = one_step(model, targets, sample_weight=weight, validation_data=(X, y))
    kept = one_step(model, targets, sample_weight=given, class_weight=CLASS_WEIGHT, validation_data=(X, y))
    plain_history = one_step(model, targets, sample_weight=given, validation_data=(X, y))
    for name in expected:
        assert kept[name] == pytest.approx(expected[name], rel=1e-5), name
        assert plain_history[name] != pytest.approx(expected[name], rel=1e-5) or name.startswith("val_")
    # A later fit with others takes effect, and validation has none.
    again = one_step(model, targets, class_weight={0: 0.0, 1: 0.0, 2: 0.0}, validation_data=(X, y))
    assert again["loss"] == [0.0]
    assert again["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-5)


def test_class_weights_of_a_batch():
    model = with_rate_0(kr.CE(from_logits=True))
    expected = model.train_on_batch(X, TARGETS, sample_weight=OF_SAMPLES)
    assert model.train_on_batch(X, TARGETS, class_weight=CLASS_WEIGHT) == pytest.approx(expected, rel=1e-5)
    for wrong, words in (
        ([1.0, 2.0], "a dict {class id: weight}"),
        ({"cat": 1.0}, "a dict"),
        ({0: -1.0}, "at least 0"),
    ):
        with pytest.raises(ValueError, match=f"`class_weight` of fit must be {words}"):
            one_step(model, class_weight=wrong)


class StepOfItsOwn(keras.Model):
    def train_step(self, *args):
        return {}


class LossOfItsOwn(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return 0.0


class FitOfItsOwn(keras.Sequential):
    def fit(self, *args, **keywords):
        return None


class FunctionsOfItsOwn(keras.Model):
    def make_predict_function(self, force=False):
        return None


class PredictOfItsOwn(keras.Model):
    def predict(self, *args, **keywords):
        return None


class Inherits(StepOfItsOwn):
    pass


def task_of_kerashub(preprocessor, **methods):
    """What KerasHub's tasks are, as far as it matters here: `fit` and the like are their own."""
    methods = {name: lambda self, *args, **keywords: None for name in ("fit", "evaluate", "predict")} | methods
    task = type("Classifier", (keras.Model,), {**methods, "__module__": "keras_hub.src.models.task"})
    inputs = keras.Input((5,))
    model = task(inputs, keras.layers.Dense(K)(inputs))
    model.preprocessor = preprocessor
    return model


def test_a_model_that_trains_in_its_own_way_is_refused():
    inputs = keras.Input((5,))
    for kind, name in (
        (StepOfItsOwn, "train_step"),
        (LossOfItsOwn, "compute_loss"),
        (PredictOfItsOwn, "predict"),
        (FunctionsOfItsOwn, "make_predict_function"),
        (Inherits, "train_step"),
    ):
        with pytest.raises(
            ValueError, match=rf"`model` of ProvenanceModel must train .* {kind.__name__} overrides `{name}`"
        ):
            kr.ProvenanceModel(kind(inputs, keras.layers.Dense(K)(inputs)))
    with pytest.raises(ValueError, match="FitOfItsOwn overrides `fit`"):
        kr.ProvenanceModel(FitOfItsOwn([inputs, keras.layers.Dense(K)]))
    kr.ProvenanceModel(task_of_kerashub(None))
    with pytest.raises(ValueError, match="Classifier overrides `fit`"):
        kr.ProvenanceModel(task_of_kerashub("a tokenizer"))
    with pytest.raises(ValueError, match="Classifier overrides `compute_loss`"):
        kr.ProvenanceModel(task_of_kerashub(None, compute_loss=lambda self, *args: 0.0))


@pytest.mark.parametrize(
    "targets",
    [
        {"labels": LABEL, "index": np.arange(N)},
        {"label": LABEL, "id": np.arange(N)},
        {"label": LABEL, "index": np.arange(N), "noisy": LABEL},
        {"index": np.arange(N)},
        {"label": LABEL, "index": {"a": np.arange(N)}},
    ],
    ids=str,
)
def test_misnamed_targets_are_named(targets):
    model = compiled(kr.ProvenanceModel(plain()))
    words = '`y` of ProvenanceModel must be .*"label" with "index" and "clean" .*Received'
    if isinstance(targets.get("index"), dict):
        words = "`index` of ProvenanceModel must be whole numbers, one for each sample"
    with pytest.raises(ValueError, match=words):
        model.fit(X, targets, **FIT)


def test_accuracy_of_a_single_logit_is_refused():
    def yes_or_no(activation=None):
        inside = keras.Sequential([keras.Input((5,)), keras.layers.Dense(1, activation)])
        return kr.ProvenanceModel(inside), keras.losses.BinaryCrossentropy(from_logits=activation is None)

    model, loss = yes_or_no()
    for metrics in (["accuracy"], ["acc"], "accuracy", [["accuracy"]], {"a": "accuracy"}):
        for place in ("metrics", "weighted_metrics"):
            with pytest.raises(
                ValueError, match=r"keras.metrics.BinaryAccuracy\(threshold=0.0\) for one output of logits"
            ):
                model.compile("sgd", loss, **{place: metrics})
    model.compile("sgd", loss, metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)])
    model, loss = yes_or_no("sigmoid")
    model.compile("sgd", loss, metrics=["accuracy"])
    kr.ProvenanceModel(plain()).compile("sgd", kr.CE(from_logits=True), metrics=["accuracy"])


WRAPPING = {
    "wraps around to 3": np.arange(N) + np.where(np.arange(N) == 3, 2**32, 0),
    "above int32": np.arange(N) + np.where(np.arange(N) == 3, 2**31, 0),
    "unsigned": (np.arange(N) + np.where(np.arange(N) == 3, 2**32, 0)).astype("uint64"),
    "negative": np.arange(N) - 1,
}
NOT_WHOLE = {"halves": np.arange(N) + 0.5, "whole floats": np.arange(N) * 1.0, "bool": np.arange(N) > 3}


@pytest.mark.parametrize("kind", ["arrays", "tf.data"])
@pytest.mark.parametrize("name", [*WRAPPING, *NOT_WHOLE])
def test_numbers_that_are_no_int32_are_refused(name, kind, tmp_path):
    """Before a step makes int32 of them: 2^32 + 3 would be sample 3, and 0.9 sample 0."""
    import tensorflow as tf

    index = {**WRAPPING, **NOT_WHOLE}[name]
    model = compiled(kr.ProvenanceModel(plain()))
    logger = kr.callbacks.SampleWeightLogger(tmp_path, num_samples=N)
    targets = {"label": LABEL, "index": index}
    words = "`index` of ProvenanceModel must be (numbers of samples from 0 and below 2|whole numbers, one for each)"
    if kind == "arrays":
        with pytest.raises(ValueError, match=words):
            model.fit(X, targets, callbacks=[logger], **FIT)
        return
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=words):
        model.fit(
            tf.data.Dataset.from_tensor_slices((X, targets)).batch(8), callbacks=[logger], shuffle=False, verbose=0
        )


def test_wrong_use():
    for model in ("model", kr.ProvenanceModel(plain()), keras.layers.Dense(3)):
        with pytest.raises(ValueError, match="`model` of ProvenanceModel must be a keras.Model that is not wrapped"):
            kr.ProvenanceModel(model)
