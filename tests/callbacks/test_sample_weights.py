"""The weight log of a training run, in the step and by a look after each epoch."""

import signal

import forked
import keras
import numpy as np
import pytest
from harness import BACKEND, as_numpy, once, run_here

import keras_robust as kr
from keras_robust import schedules
from keras_robust.callbacks import HyperparameterSchedule, SampleWeightLogger
from keras_robust.diagnostics import WeightLog

N, K, EPOCHS = 22, 4, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 5)).astype("float32")
CLEAN = RNG.integers(0, K, N)
LABEL = np.where(np.arange(N) % 3, CLEAN, (CLEAN + 1) % K)
TARGETS = {"label": LABEL, "index": np.arange(N), "clean": CLEAN}


def network(activation=None):
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dense(K, activation=activation)]
    return keras.Sequential([keras.Input((5,)), *layers])


def model_of(loss, rate=0.0, **keywords):
    model = kr.ProvenanceModel(network(None if loss.from_logits else "softmax"))
    model.compile(keras.optimizers.SGD(rate), loss=loss, **keywords)
    return model


def fit(model, callbacks, y=TARGETS, epochs=EPOCHS, **keywords):
    validation = {"validation_data": (X[:6], CLEAN[:6]), "batch_size": 4, "verbose": 0}
    return model.fit(X, y, epochs=epochs, callbacks=callbacks, **(validation | keywords))


LOSSES = {
    "GCE": lambda: kr.GCE(from_logits=True),
    "ANLCE": lambda: kr.ANLCE(from_logits=True),
    "LogitBias": lambda: kr.LogitBias(kr.NCE(), 1.5, from_logits=True),
    "MSE": lambda: kr.MSE(from_logits=True),
    "probabilities": lambda: kr.NFL(),
    "sum": lambda: 2.0 * kr.CE(from_logits=True) + kr.MAE(),
}
MODES = [{"jit_compile": False}, {"jit_compile": "auto"}]
if BACKEND != "torch":
    MODES += [{"jit_compile": True}, {"jit_compile": True, "steps_per_execution": 2}]


CASES = [("GCE", mode) for mode in MODES] + [(name, {}) for name in LOSSES if name != "GCE"]


@pytest.mark.parametrize(("name", "mode"), CASES, ids=str)
def test_in_step_equals_a_look_at_learning_rate_0(tmp_path, name, mode):
    loss = LOSSES[name]()
    model = model_of(loss, **mode)
    inside = SampleWeightLogger(tmp_path / "step", num_samples=N)
    size = 5 if name == "GCE" else N  # with a last batch that is smaller; JAX compiles each size of every loss
    look = SampleWeightLogger(tmp_path / "look", probe=(X, TARGETS), batch_size=size)
    fit(model, [inside, look])
    step, look = inside.log(), look.log()
    assert step.epochs == look.epochs == list(range(EPOCHS))
    for field in ("margin", "weight", "loss"):
        np.testing.assert_allclose(step.array(field), look.array(field), rtol=1e-5, atol=1e-6, err_msg=field)
    for field in ("label", "clean", "predicted", "learning_rate"):
        np.testing.assert_array_equal(step.array(field), look.array(field), err_msg=field)
    np.testing.assert_array_equal(step.clean, CLEAN)
    np.testing.assert_array_equal(step.wrong, LABEL != CLEAN)
    y_pred = model.predict(X, verbose=0)
    np.testing.assert_allclose(step.epoch(0)["weight"], as_numpy(loss.implicit_weight(LABEL, y_pred)), 1e-5, 1e-6)
    np.testing.assert_allclose(step.epoch(0)["loss"], as_numpy(loss.call(LABEL, y_pred)), 1e-5, 1e-6)
    np.testing.assert_array_equal(step.epoch(0)["predicted"], y_pred.argmax(-1))
    orders = step.array("step")
    assert sorted(np.bincount(orders[0])) == [2, 4, 4, 4, 4, 4]
    assert (orders[0] != np.arange(N) // 4).any()  # shuffled


def test_what_the_step_saw_is_before_its_update(tmp_path):
    model = model_of(kr.CE(from_logits=True), rate=0.5)
    before = model.predict(X, verbose=0)
    logger = SampleWeightLogger(tmp_path, num_samples=N)
    fit(model, [logger], epochs=1, batch_size=N)
    expected = as_numpy(kr.CE(from_logits=True).call(LABEL, before))
    np.testing.assert_allclose(logger.log().epoch(0)["loss"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", ["one_hot", "soft"])
def test_soft_labels(tmp_path, form):
    label = np.eye(K, dtype="float32")[LABEL]
    if form == "soft":
        label = 0.9 * label + 0.1 / K
    targets = TARGETS | {"label": label, "index": np.arange(N)[:, None], "clean": CLEAN[:, None]}
    loss = kr.GCE(from_logits=True)
    model = model_of(loss)
    inside, look = (
        SampleWeightLogger(tmp_path / "step", num_samples=N),
        SampleWeightLogger(tmp_path / "look", probe=(X, targets)),
    )
    fit(model, [inside, look], y=targets, validation_data=None)
    np.testing.assert_allclose(inside.log().array("weight"), look.log().array("weight"), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(inside.log().labels, LABEL)
    hard = as_numpy(loss.sample_statistics(LABEL, model.predict(X, verbose=0)).margin)
    np.testing.assert_allclose(inside.log().array("margin")[0], hard, rtol=1e-5, atol=1e-6)


def test_weights_follow_a_moving_hyperparameter(tmp_path):
    loss = kr.DAL(from_logits=True)
    model = model_of(loss)
    logger = SampleWeightLogger(tmp_path, num_samples=N)
    q = schedules.Linear(0.2, 0.9)
    fit(model, [HyperparameterSchedule({"q": q}), logger])
    y_pred = model.predict(X, verbose=0)
    for epoch in range(EPOCHS):
        expected = as_numpy(kr.GCE(q(epoch, EPOCHS), from_logits=True).implicit_weight(LABEL, y_pred))
        np.testing.assert_allclose(logger.log().epoch(epoch)["weight"], expected, rtol=1e-5, atol=1e-6)


def test_learning_rates_and_steps(tmp_path):
    decay = keras.optimizers.schedules.ExponentialDecay(0.5, 3, 0.5)
    model = kr.ProvenanceModel(network())
    model.compile(keras.optimizers.SGD(decay), loss=kr.CE(from_logits=True))
    logger = SampleWeightLogger(tmp_path / "schedule", num_samples=N)
    fit(model, [logger], epochs=2)
    rates = logger.log().array("learning_rate")
    steps = logger.log().array("step")
    assert rates[1] == pytest.approx(0.5 * 0.5 ** ((6 + steps[1]) / 3), rel=1e-5)
    weights = logger.log().epoch(0)["weight"]
    expected = [0.5 * 0.5 ** (t / 3) * weights[steps[0] == t].mean() for t in range(6)]
    assert logger.log().alpha()[:6] == pytest.approx(expected, rel=1e-5)
    assert logger.log().alpha().shape == (12,)

    model = model_of(kr.CE(from_logits=True), rate=1.0)
    logger = SampleWeightLogger(tmp_path / "callback", num_samples=N)
    fit(model, [logger, keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))])
    assert logger.log().array("learning_rate").max(axis=1) == pytest.approx([0.1, 0.05, 0.1 / 3])


def test_which_epochs_are_logged(tmp_path):
    logger = SampleWeightLogger(tmp_path, num_samples=N, every=2)
    fit(model_of(kr.CE(from_logits=True)), [logger], epochs=6)
    assert logger.log().epochs == [0, 2, 4, 5]


def test_a_sample_that_was_not_seen_is_unknown_and_one_seen_twice_keeps_its_last_visit(tmp_path):
    model = model_of(kr.CE(from_logits=True))
    logger = SampleWeightLogger(tmp_path, num_samples=N + 3)
    targets = TARGETS | {"index": np.where(np.arange(N) == 20, 3, np.arange(N))}
    fit(model, [logger], y=targets, shuffle=False)
    records = logger.log().epoch(1)
    unseen = [20, N, N + 1, N + 2]
    assert np.isnan([records[name][unseen] for name in ("margin", "weight", "loss", "learning_rate")]).all()
    assert (np.array([records[name][unseen] for name in ("label", "clean", "predicted", "step")]) == -1).all()
    assert records["label"][3] == LABEL[20]
    assert records["step"][3] == 5
    assert np.isnan(logger.log().mean_margin()[unseen]).all()
    assert logger.log().suspects()[-4:].tolist() == unseen


def test_without_clean_labels(tmp_path):
    logger = SampleWeightLogger(tmp_path, num_samples=N)
    fit(model_of(kr.CE(from_logits=True)), [logger], y={"label": LABEL, "index": np.arange(N)})
    assert logger.log().clean is None
    assert len(logger.log().suspects(5)) == 5
    np.testing.assert_array_equal(logger.log(clean=CLEAN).wrong, LABEL != CLEAN)


def test_a_look_at_any_model_and_any_loss_and_a_dataset(tmp_path):
    model = network()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    batches = [(X[s : s + 5], {key: value[s : s + 5] for key, value in TARGETS.items()}) for s in range(0, N, 5)]
    logger = SampleWeightLogger(tmp_path / "list", probe=batches[::-1], loss=kr.CE(from_logits=True))
    plain = SampleWeightLogger(tmp_path / "plain", probe=(X, LABEL), loss=kr.CE(from_logits=True))
    model.fit(X, LABEL, epochs=2, callbacks=[logger, plain], verbose=0)
    expected = as_numpy(kr.CE(from_logits=True).call(LABEL, model.predict(X, verbose=0)))
    for log in (logger.log(), plain.log()):
        np.testing.assert_allclose(log.epoch(1)["loss"], expected, rtol=1e-5, atol=1e-6)
    assert plain.log().clean is None
    assert logger.log().alpha().shape == (2,)


def test_fits_one_after_another(tmp_path):
    model = model_of(kr.GCE(from_logits=True))
    loggers = [SampleWeightLogger(tmp_path / str(i), num_samples=N) for i in range(3)]
    model.evaluate(X, LABEL, verbose=0)
    fit(model, [loggers[0], HyperparameterSchedule({"q": schedules.Constant(0.4)})])
    fit(model, [loggers[1]])
    assert len(model.recorders) == 1  # the second logger uses the variables of the first
    np.testing.assert_allclose(loggers[0].log().array("weight"), loggers[1].log().array("weight"), rtol=1e-6)
    model.compile(keras.optimizers.SGD(0.0), loss=kr.CE(from_logits=True))
    fit(model, [loggers[2]])
    expected = as_numpy(kr.CE(from_logits=True).implicit_weight(LABEL, model.predict(X, verbose=0)))
    np.testing.assert_allclose(loggers[2].log().epoch(2)["weight"], expected, rtol=1e-5, atol=1e-6)
    assert not any(v is w for logger in loggers for v in logger._recorder.variables for w in model.weights)


def test_a_batch_coupled_loss_has_margins_but_no_weights(tmp_path):
    logger = SampleWeightLogger(tmp_path, num_samples=N)
    fit(model_of(kr.ANLCEER(1, 1, 0.1, from_logits=True)), [logger])
    assert np.isnan(logger.log().array("weight")).all()
    assert np.isfinite(logger.log().array("margin")).all()


def test_mixed_precision(tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = model_of(kr.CE(from_logits=True), rate=0.25)
        logger = SampleWeightLogger(tmp_path, num_samples=N)
        fit(model, [logger])
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(logger.log().array("weight")).all()
    assert logger.log().array("learning_rate").ravel() == pytest.approx(0.25)


def test_a_log_goes_on_with_its_run_and_is_not_overwritten(tmp_path):
    model = model_of(kr.CE(from_logits=True), rate=0.1)
    logger = SampleWeightLogger(tmp_path, num_samples=N)
    fit(model, [logger])
    first = logger.log().epoch(0).copy()
    with pytest.raises(ValueError, match="holds the log of another run.*overwrite=True"):
        fit(model, [SampleWeightLogger(tmp_path, num_samples=N)])
    fit(model, [logger], epochs=4, initial_epoch=1)
    assert logger.log().epochs == [0, 1, 2, 3]
    assert logger.log().epoch(0).tobytes() == first.tobytes()
    fit(model, [SampleWeightLogger(tmp_path, num_samples=N, overwrite=True)], epochs=1)
    assert WeightLog(tmp_path).epochs == [0]


def test_wrong_use(tmp_path):
    loss = kr.CE(from_logits=True)
    with pytest.raises(ValueError, match="`num_samples` of SampleWeightLogger must be the number of training samples"):
        SampleWeightLogger(tmp_path)
    with pytest.raises(ValueError, match="`every` of SampleWeightLogger must be a whole number, at least 1"):
        SampleWeightLogger(tmp_path, num_samples=N, every=0)
    with pytest.raises(ValueError, match="`loss` of SampleWeightLogger must be a loss of keras_robust or None"):
        SampleWeightLogger(tmp_path, num_samples=N, loss="CE")
    plain = network()
    plain.compile("sgd", loss)
    with pytest.raises(ValueError, match="ProvenanceModel.*Received: a model of type Sequential"):
        plain.fit(X, LABEL, callbacks=[SampleWeightLogger(tmp_path, num_samples=N)], verbose=0)
    keras_loss = kr.ProvenanceModel(network())
    keras_loss.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="the one loss of keras_robust.*found 0.*as `loss`"):
        fit(keras_loss, [SampleWeightLogger(tmp_path, num_samples=N)])
    for targets in (LABEL, {"label": LABEL, "clean": CLEAN}):
        with pytest.raises(ValueError, match='targets without "index"'):
            fit(model_of(loss), [SampleWeightLogger(tmp_path, num_samples=N)], y=targets)
    for shift, message in ((1, r"A sample number was outside \[0, 22\)"), (-1, "`index` .* numbers of samples from 0")):
        with pytest.raises(ValueError, match=message):
            fit(
                model_of(loss),
                [SampleWeightLogger(tmp_path, num_samples=N)],
                y=TARGETS | {"index": np.arange(N) + shift},
            )
    with pytest.raises(ValueError, match=r"must number its samples within \[0, 5\).*from 0 to 21"):
        fit(model_of(loss), [SampleWeightLogger(tmp_path, num_samples=5, probe=(X, TARGETS))])
    dense = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2 * K), keras.layers.Reshape((2, K))])
    dense = kr.ProvenanceModel(dense)
    dense.compile("sgd", loss)
    with pytest.raises(ValueError, match=r"y_true must hold class ids of shape .*Received: y_true of shape \(\w+, 3\)"):
        dense.fit(
            X,
            {"label": np.stack([LABEL] * 3, 1), "index": np.arange(N)},
            callbacks=[SampleWeightLogger(tmp_path, num_samples=N)],
            verbose=0,
        )


RUN = """
import os, signal, sys, keras, numpy as np, keras_robust as kr
folder, kill_at = sys.argv[1], int(sys.argv[2])
os.makedirs(folder, exist_ok=True)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(32, 5)).astype("float32"), {"label": np.arange(32) % 4, "index": np.arange(32)}
keras.utils.set_random_seed(0)
model = kr.ProvenanceModel(keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)]))
model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss=kr.DAL(from_logits=True))
model.optimizer.build(model.trainable_variables)

class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == kill_at and batch == 1:
            os.kill(os.getpid(), signal.SIGKILL)

callbacks = [
    kr.callbacks.DALSchedule(0.6, 1.5, 1.0),
    kr.callbacks.SampleWeightLogger(folder + "/weights", num_samples=32),
    keras.callbacks.BackupAndRestore(folder + "/backup"),
    Kill(),
]
model.fit(x, y, batch_size=8, epochs=5, shuffle=False, verbose=0, callbacks=callbacks)
"""


MILLION = """
import resource, sys
import keras, numpy as np, keras_robust as kr
N, n = 1_000_000, 2000
x, y = np.zeros((n, 2), "float32"), {"label": np.zeros(n, "int32"), "index": np.arange(n) * (N // n)}
model = kr.ProvenanceModel(keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]))
model.compile("sgd", kr.CE(from_logits=True))
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
model.fit(x, y, batch_size=1000, epochs=2, verbose=0)
before = peak()
logger = kr.callbacks.SampleWeightLogger(sys.argv[1] + "/million", num_samples=N)
model.fit(x, y, batch_size=1000, epochs=10, verbose=0, callbacks=[logger])
assert len(logger.log().epochs) == 10
print(peak() - before, flush=True)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A process that logs a million samples, and is killed in a run after that: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("process")
    process = forked.run(MILLION + RUN, folder / "broken", 3)
    assert process.returncode == -signal.SIGKILL, process.stderr[-2000:]
    return folder, process.stdout


def test_a_million_samples_are_logged_within_200_mb(killed):
    assert float(killed[1]) < 200


def test_a_killed_run_leaves_whole_epochs_and_its_log_goes_on(killed, tmp_path):
    broken = killed[0] / "broken"
    assert WeightLog(broken / "weights").epochs == [0, 1, 2]
    for folder in (tmp_path, broken):
        run_here(RUN, folder, -1)
    whole, resumed = (WeightLog(folder / "weights") for folder in (tmp_path, broken))
    assert resumed.epochs == whole.epochs == [0, 1, 2, 3, 4]
    for field in ("margin", "weight", "loss", "learning_rate", "step"):
        np.testing.assert_allclose(resumed.array(field), whole.array(field), rtol=1e-5, atol=1e-6, err_msg=field)


def test_going_on_with_another_number_of_samples_is_refused_at_once(tmp_path):
    model = model_of(kr.GCE(from_logits=True))
    fit(model, [SampleWeightLogger(tmp_path, num_samples=N)], epochs=2)
    before = [epoch.tobytes() for epoch in WeightLog(tmp_path)]
    for logger in (SampleWeightLogger(tmp_path, N + 1), SampleWeightLogger(tmp_path, N + 1, probe=(X, TARGETS))):
        with pytest.raises(
            ValueError, match=f"holds {N} samples an epoch, and training goes on with num_samples={N + 1}"
        ):
            fit(model, [logger], initial_epoch=1)
    assert [epoch.tobytes() for epoch in WeightLog(tmp_path)] == before
    fit(model, [SampleWeightLogger(tmp_path, num_samples=N)], initial_epoch=1)
    fit(model, [SampleWeightLogger(tmp_path, N + 1, overwrite=True)])
    assert WeightLog(tmp_path).num_samples == N + 1


def test_two_loggers_in_one_folder_are_refused(tmp_path):
    model = model_of(kr.GCE(from_logits=True))
    pair = [SampleWeightLogger(tmp_path, num_samples=N), SampleWeightLogger(tmp_path, probe=(X, TARGETS))]
    with pytest.raises(ValueError, match="Another SampleWeightLogger writes its log into .*folder of its own"):
        fit(model, pair)
    assert not list(tmp_path.glob("epoch-*"))
    fit(model, [SampleWeightLogger(tmp_path, num_samples=N)], epochs=1)


def test_too_many_samples_are_refused_before_they_get_room():
    for count in (2**40, 2**31):
        with pytest.raises(
            ValueError, match="`num_samples` of SampleWeightLogger must be a whole number, at least 1 and at"
        ):
            SampleWeightLogger("nowhere", num_samples=count)


class Scores(keras.layers.Layer):
    """Scores for every pixel, of images that are vectors here."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.dense = keras.layers.Dense(int(np.prod(shape)))

    def call(self, x):
        return keras.ops.reshape(self.dense(x), (-1, *self.shape))


def two_outputs():
    inputs = keras.Input((5,))
    return keras.Model(inputs, {"a": keras.layers.Dense(K)(inputs), "b": keras.layers.Dense(K)(inputs)})


PROBES = {
    "empty arrays": (network, (X[:0], LABEL[:0]), "`probe` of SampleWeightLogger must be at least one sample"),
    "empty list": (network, [], "`probe` of SampleWeightLogger must be at least one sample"),
    "labels of pixels": (network, (X, np.zeros((N, 3, 3), int)), f"labels, one for each of {N} predictions"),
    "other lengths": (network, (X, LABEL[:9]), f"labels, one for each of {N} predictions"),
    "a model of pixels": (
        lambda: keras.Sequential([keras.Input((5,)), Scores((3, 3, K))]),
        (X, LABEL),
        rf"labels, one for each of {N} predictions \(3, 3, 4\). Received: .*labels of shape \({N},\)",
    ),
    "two outputs": (
        two_outputs,
        (X, {"a": LABEL, "b": LABEL}),
        "`output` of SampleWeightLogger must be the one that is logged of the outputs, a, b",
    ),
    "numbers that are halves": (network, (X, {"label": LABEL, "index": np.arange(N) / 2}), "`index` of the probe of"),
    "misnamed targets": (network, (X, {"labels": LABEL}), "`y` of the probe of SampleWeightLogger must be labels"),
}


@pytest.mark.parametrize("name", PROBES)
def test_what_a_probe_cannot_log_is_said_before_the_first_epoch(name, tmp_path):
    make, probe, words = PROBES[name]
    model, loss, epochs = make(), kr.GCE(from_logits=True), []
    losses = {"a": loss, "b": kr.CE(from_logits=True)} if "outputs" in name else loss
    model.compile("sgd", losses)
    y = {"a": LABEL, "b": LABEL} if "outputs" in name else np.zeros((N, 3, 3), int) if "model" in name else LABEL
    seen = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
    with pytest.raises(ValueError, match=words):
        model.fit(X, y, verbose=0, callbacks=[seen, SampleWeightLogger(tmp_path, probe=probe, loss=loss)])
    assert not epochs


def test_a_probe_that_is_gone_after_an_epoch_is_refused():
    with pytest.raises(ValueError, match="`probe` of SampleWeightLogger must be .* gone through every epoch"):
        SampleWeightLogger("nowhere", probe=((X[i : i + 5], LABEL[i : i + 5]) for i in range(0, N, 5)))
    for probe in (5, "images", (X, LABEL, LABEL), {"x": X}):
        for name in ("probe", "held_out"):
            with pytest.raises(ValueError, match=f"`{name}` of SampleWeightLogger must be .* gone through every epoch"):
                SampleWeightLogger("nowhere", N, **{name: probe})


@once
def test_a_look_at_what_people_have(tmp_path):
    import pandas

    forms = {
        "lists": (X.tolist(), LABEL.tolist()),
        "tables": (pandas.DataFrame(X), pandas.Series(LABEL, index=range(50, 50 + N))),
        "batches": [(X[:9], LABEL[:9]), [X[9:], LABEL[9:]]],
        "feed": kr.data.with_provenance((X, LABEL), batch_size=5, pipeline="device"),
    }
    model = model_of(kr.GCE(from_logits=True))
    loggers = {name: SampleWeightLogger(tmp_path / name, probe=probe) for name, probe in forms.items()}
    fit(model, [*loggers.values()], epochs=1)
    for name, logger in loggers.items():
        np.testing.assert_array_equal(logger.log().labels, LABEL, err_msg=name)
    for probe, words in (
        ((X, {"label": LABEL, "index": [1, 2]}), 'an "index" of each of 22 samples'),
        ([X], "batches of"),
    ):
        with pytest.raises(ValueError, match=f"`probe` of SampleWeightLogger must be .*{words}"):
            fit(model, [SampleWeightLogger(tmp_path / "x", probe=probe)])


@once
def test_what_is_held_out_needs_numbers_of_its_own(tmp_path):
    model, first = model_of(kr.GCE(from_logits=True)), {name: values[:15] for name, values in TARGETS.items()}
    held_out = X[15:], {name: values[15:] for name, values in TARGETS.items()}
    logger = SampleWeightLogger(tmp_path / "log", N, held_out=held_out, batch_size=4)
    model.fit(X[:15], first, verbose=0, callbacks=[logger])
    assert logger.log().labels.tolist() == LABEL.tolist()
    with pytest.raises(ValueError, match='`held_out` of SampleWeightLogger must be targets with "index"'):
        model.fit(X, TARGETS, verbose=0, callbacks=[SampleWeightLogger(tmp_path / "x", N, held_out=(X, LABEL))])
    with pytest.raises(ValueError, match="`held_out` of SampleWeightLogger must be at least one sample"):
        model.fit(X, TARGETS, verbose=0, callbacks=[SampleWeightLogger(tmp_path / "y", N, held_out=[])])
