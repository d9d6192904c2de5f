"""The acid test: at learning rate 0 the loss of every epoch is the analytic value at that epoch's hyper-parameters."""

import json
import signal

import forked
import keras
import numpy as np
import pytest
from harness import BACKEND, as_numpy, run_here

import keras_robust as kr
from keras_robust import schedules as s
from keras_robust.callbacks import DALSchedule, HyperparameterSchedule, LogitBiasCycle

EPOCHS = 4
MODES = [{"jit_compile": True}, {"jit_compile": False}, {"jit_compile": True, "steps_per_execution": 2}]
if BACKEND == "torch":  # eager, one step at a time
    MODES = [{}]
X = np.random.default_rng(0).normal(size=(16, 5)).astype("float32")
Y = np.random.default_rng(0).integers(0, 4, 16)
XV, YV = 2 * X[:8][::-1], Y[:8]


def model_of(loss, **compiling):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
    model.compile(keras.optimizers.SGD(0.0), loss=loss, **compiling)
    return model


def fit(model, callbacks, **keywords):
    keywords = {"epochs": EPOCHS, "batch_size": 8, "validation_data": (XV, YV), "validation_batch_size": 8} | keywords
    return model.fit(X, Y, verbose=0, callbacks=callbacks, **keywords).history


def assert_analytic(model, history, fixed, epochs=range(EPOCHS)):
    """`fixed(epoch)` makes the loss with that epoch's hyper-parameters as plain numbers."""
    z, zv = model.predict(X, verbose=0), model.predict(XV, verbose=0)
    for place, epoch in enumerate(epochs):
        loss = fixed(epoch)
        assert history["loss"][place] == pytest.approx(float(loss(Y, z)), rel=1e-5)
        assert history["val_loss"][place] == pytest.approx(float(loss(YV, zv)), rel=1e-5)


LINEAR = s.Linear(0.2, 0.9)
# (loss, schedules, the loss of an epoch with plain numbers); v: schedule -> value
CASES = {
    "q of GCE": (lambda: kr.GCE(0.7, from_logits=True), {"q": LINEAR}, lambda q: kr.GCE(q, from_logits=True)),
    "q from 0": (lambda: kr.GCE(from_logits=True), {"q": s.Linear(0, 1)}, lambda q: kr.GCE(q, from_logits=True)),
    "q and bias inside": (
        lambda: kr.LogitBias(kr.GCE(q=0.7), epsilon=5.2, from_logits=True),
        {"q": LINEAR, "epsilon": s.Cycle((5.2, -1.0), 1)},
        lambda q, epsilon: kr.LogitBias(kr.GCE(q), epsilon, from_logits=True),
    ),
    "weights of a sum": (
        lambda: 2 * kr.NCE(from_logits=True) + kr.MAE(),
        {"nce.weight": s.Linear(3, 0), "mae.weight": s.Exponential(1, 1.5)},
        lambda **w: w["nce.weight"] * kr.NCE(from_logits=True) + w["mae.weight"] * kr.MAE(),
    ),
    "of a named line": (
        lambda: kr.ANLCE(from_logits=True),
        {"alpha": s.Linear(5, 1), "beta": s.Linear(0, 4), "p_min": s.Piecewise([2], [1e-7, 1e-3])},
        lambda **h: kr.ANLCE(from_logits=True, **h),
    ),
    "parts that share a name": (
        lambda: kr.APL(kr.NFL(0.5), kr.FL(2.0), from_logits=True),
        {"active.gamma": s.Linear(0, 2), "passive.gamma": s.Linear(2, 0)},
        lambda **h: kr.APL(kr.NFL(h["active.gamma"]), kr.FL(h["passive.gamma"]), from_logits=True),
    ),
    "terms of TCE": (
        lambda: kr.TCE(20, from_logits=True),
        {"t": s.Linear(20, 1)},
        lambda t: kr.TCE(round(t), from_logits=True),
    ),
    "pi of JS": (lambda: kr.JS(from_logits=True), {"pi": s.Linear(0, 1)}, lambda pi: kr.JS(pi, from_logits=True)),
    "lam of CE+SR": (
        lambda: kr.SparseRegularized(kr.CE(), from_logits=True),
        {"lam": s.Exponential(1.5, 1.02), "tau": s.Linear(0.5, 1), "p": s.Linear(0.1, 0.5)},
        lambda **h: kr.SparseRegularized(kr.CE(), from_logits=True, **h),
    ),
    "scale of a unit weight": (
        lambda: kr.UnitWeight(kr.GCE(), from_logits=True),
        {"q": LINEAR},
        lambda q: kr.UnitWeight(kr.GCE(q), from_logits=True),
    ),
    "margins": (
        lambda: kr.MarginScale(kr.AGCE(0.6, 0.6), 2.0, 3.0, from_logits=True),
        {"a": s.Linear(0.1, 4), "q": LINEAR, "tau": s.Linear(1, 4), "expected_margin": s.Linear(2, 5)},
        lambda a, q, **h: kr.MarginScale(kr.AGCE(a, q), from_logits=True, **h),
    ),
    "shifted margins": (
        lambda: kr.MarginShift(kr.AUL(2.0, 0.6), 2.0, 3.0, from_logits=True),
        {"a": s.Linear(1.1, 4), "q": LINEAR, "tau": s.Linear(1, 4)},
        lambda a, q, tau: kr.MarginShift(kr.AUL(a, q), tau, 3.0, from_logits=True),
    ),
    "temperatures": (
        lambda: kr.BiTempered(from_logits=True),
        {"t1": s.Linear(0, 1), "t2": s.Linear(1, 3)},
        lambda **h: kr.BiTempered(from_logits=True, **h),
    ),
    "the rest": (
        lambda: kr.RCE(from_logits=True) + kr.AEL(1.0) + kr.PHuberCE() + kr.MSE() + kr.GLS(0.1) + kr.CR(0.1),
        {
            "A": s.Linear(-4, -9),
            "a": s.Linear(1, 3),
            "tau": s.Linear(2, 10),
            "mse.alpha": s.Linear(0, 1),
            "gls.alpha": s.Linear(-1, 1),
            "beta": s.Linear(0, 1),
        },
        lambda A, a, tau, beta, **h: (
            kr.RCE(A, from_logits=True)
            + kr.AEL(a)
            + kr.PHuberCE(tau)
            + kr.MSE(h["mse.alpha"])
            + kr.GLS(h["gls.alpha"])
            + kr.CR(beta)
        ),
    ),
    "normalized": (
        lambda: kr.NRCE(from_logits=True) + kr.NNFL() + kr.Poly1(),
        {"A": s.Linear(-4, -9), "gamma": s.Linear(0, 2), "epsilon": s.Linear(-1, 2)},
        lambda A, gamma, epsilon: kr.NRCE(A, from_logits=True) + kr.NNFL(gamma) + kr.Poly1(epsilon),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_acid(name):
    make, moved, fixed = CASES[name]
    model = model_of(make(), **MODES[list(CASES).index(name) % len(MODES)])
    history = fit(model, [HyperparameterSchedule(moved)])
    for key, schedule in moved.items():
        assert history[key] == [schedule(epoch, EPOCHS) for epoch in range(EPOCHS)]
    assert_analytic(model, history, lambda epoch: fixed(**{key: v(epoch, EPOCHS) for key, v in moved.items()}))
    now = model.loss.hyperparameters
    assert {key: now[key] for key in moved} == pytest.approx({key: v(EPOCHS - 1, EPOCHS) for key, v in moved.items()})


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_dal_in_every_mode(mode):
    model = model_of(kr.DAL(from_logits=True), **mode)
    history = fit(model, [DALSchedule(0.6, 1.5, 1.0)], epochs=9)
    q, lam = s.DALExponent(0.6, 1.5), s.DALBootstrapping(0.6, 1.5, 1.0)
    assert history["lam"][3] == 0.0 < history["lam"][4]
    assert_analytic(model, history, lambda e: kr.DAL(q(e, 9), lam(e, 9), from_logits=True), range(9))


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_logit_bias_cycle_of_a_named_loss_without_a_bias_of_its_own(mode):
    model = model_of(kr.MAEStar(from_logits=True), **mode)
    cycle = LogitBiasCycle(values=(2.0, 0.5), hold=2)
    history = fit(model, [cycle], epochs=6)
    assert history["epsilon"] == [2.0, 2.0, 0.5, 0.5, 2.0, 2.0]
    assert_analytic(model, history, lambda e: kr.MAEStar(history["epsilon"][e], from_logits=True), range(6))


def test_a_part_that_moves_changes_what_the_whole_is():
    """lam makes DAL a loss of the whole prediction: the implicit weight must follow, also in a wrapper of it."""
    loss = kr.LogitBias(kr.DAL(), 1.0, from_logits=True)
    model = model_of(loss)
    fit(model, [DALSchedule(0.6, 1.5)])
    z = model.predict(X, verbose=0)
    expected = kr.LogitBias(kr.DAL(1.5, 1.0), 1.0, from_logits=True).implicit_weight(Y, z)
    np.testing.assert_allclose(as_numpy(loss.implicit_weight(Y, z)), as_numpy(expected), rtol=1e-5)


def test_a_loss_that_moved_is_saved_as_it_is_now():
    loss = kr.TCE(20, from_logits=True)
    model = model_of(loss)
    fit(model, [HyperparameterSchedule({"t": s.Linear(20, 2.6)})])
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.t == 3
    z = model.predict(X, verbose=0)
    assert float(again(Y, z)) == pytest.approx(float(loss(Y, z)), rel=1e-6)


def test_resuming_with_initial_epoch_goes_on_exactly():
    whole = fit(model_of(kr.GCE(from_logits=True)), [HyperparameterSchedule({"q": LINEAR})])
    model = model_of(kr.GCE(from_logits=True))
    rest = fit(model, [HyperparameterSchedule({"q": LINEAR})], initial_epoch=2)
    for key in ("q", "loss", "val_loss"):
        assert rest[key] == pytest.approx(whole[key][2:], rel=1e-6)


def test_one_of_several_outputs():
    inputs = keras.Input((5,))
    outputs = {"a": keras.layers.Dense(4, name="a")(inputs), "b": keras.layers.Dense(4, name="b")(inputs)}
    model = keras.Model(inputs, outputs)
    losses = {"a": kr.GCE(from_logits=True), "b": kr.GCE(from_logits=True)}
    model.compile(keras.optimizers.SGD(0.0), loss=losses)
    with pytest.raises(ValueError, match="found 2: .*Pass the one to move as `loss`"):
        model.fit(X, {"a": Y, "b": Y}, verbose=0, callbacks=[HyperparameterSchedule({"q": LINEAR})])
    moved = HyperparameterSchedule({"q": LINEAR}, loss=losses["b"])
    history = model.fit(X, {"a": Y, "b": Y}, epochs=EPOCHS, verbose=0, callbacks=[moved]).history
    z = model.predict(X, verbose=0)
    for epoch in range(EPOCHS):
        q = LINEAR(epoch, EPOCHS)
        assert history["b_loss"][epoch] == pytest.approx(float(kr.GCE(q, from_logits=True)(Y, z["b"])), rel=1e-5)
        assert history["a_loss"][epoch] == pytest.approx(float(kr.GCE(0.7, from_logits=True)(Y, z["a"])), rel=1e-5)


def test_life_of_a_model(tmp_path):
    """evaluate before, fit twice with different callbacks, evaluate after, compile again, load, clone."""
    loss = kr.LogitBias(kr.GCE(0.7), 1.0, from_logits=True)
    model = model_of(loss)
    before = model.evaluate(X, Y, verbose=0)
    weights = [w.path for w in model.weights]
    model.save(tmp_path / "before.keras")
    history = fit(model, [HyperparameterSchedule({"q": LINEAR})])
    assert_analytic(model, history, lambda e: kr.LogitBias(kr.GCE(LINEAR(e, EPOCHS)), 1.0, from_logits=True))
    history = fit(
        model, [HyperparameterSchedule({"epsilon": LINEAR}), HyperparameterSchedule({"q": LINEAR}, loss.loss)]
    )
    assert_analytic(
        model, history, lambda e: kr.LogitBias(kr.GCE(LINEAR(e, EPOCHS)), LINEAR(e, EPOCHS), from_logits=True)
    )
    z = model.predict(X, verbose=0)
    after = model.evaluate(X, Y, verbose=0)
    assert after == pytest.approx(float(kr.LogitBias(kr.GCE(0.9), 0.9, from_logits=True)(Y, z)), rel=1e-5)
    assert after != pytest.approx(before)
    assert [w.path for w in model.weights] == weights

    model.save(tmp_path / "after.keras")
    assert saved_names(tmp_path / "after.keras") == saved_names(tmp_path / "before.keras")
    loaded = keras.models.load_model(tmp_path / "after.keras")
    assert loaded.evaluate(X, Y, verbose=0) == pytest.approx(after, rel=1e-6)
    with pytest.raises(ValueError, match="is not part of a loss that the model is compiled with"):
        fit(loaded, [HyperparameterSchedule({"q": LINEAR}, loss)])
    assert_analytic(
        loaded,
        fit(loaded, [HyperparameterSchedule({"q": LINEAR})]),
        lambda e: kr.LogitBias(kr.GCE(LINEAR(e, EPOCHS)), 0.9, from_logits=True),
    )

    clone = keras.models.clone_model(model)  # compiled as the model was, with a loss of its own
    with pytest.raises(ValueError, match="is not part of a loss"):
        fit(clone, [HyperparameterSchedule({"q": LINEAR}, loss)])
    assert_analytic(
        clone,
        fit(clone, [HyperparameterSchedule({"q": LINEAR})]),
        lambda e: kr.LogitBias(kr.GCE(LINEAR(e, EPOCHS)), 0.9, from_logits=True),
    )
    model.compile(keras.optimizers.SGD(0.0), loss=kr.DAL(from_logits=True))
    with pytest.raises(ValueError, match="is not part of a loss"):
        fit(model, [HyperparameterSchedule({"q": LINEAR}, loss)])
    history = fit(model, [DALSchedule(0.2, 0.9)])
    exponent = s.DALExponent(0.2, 0.9)
    assert_analytic(model, history, lambda e: kr.DAL(exponent(e, EPOCHS), from_logits=True))


def saved_names(path):
    import zipfile

    import h5py

    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as file, h5py.File(file) as store:
        names = []
        store.visit(names.append)
        return names


def test_values_reach_csv_and_tensorboard_and_learning_still_works(tmp_path):
    model = model_of(kr.DAL(from_logits=True))
    model.compile(keras.optimizers.SGD(0.5), loss=model.loss)
    callbacks = [DALSchedule(0.6, 0.61), keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))]
    history = fit(model, callbacks)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert {"q", "lam", "loss", "val_loss"} <= set(lines[0].split(","))
    assert len(lines) == 1 + EPOCHS
    q = lines[0].split(",").index("q")
    assert [float(line.split(",")[q]) for line in lines[1:]] == pytest.approx(history["q"])
    assert history["loss"][1] < history["loss"][0]


WATCHERS = {
    "EarlyStopping": lambda monitor, folder: keras.callbacks.EarlyStopping(monitor),
    "ModelCheckpoint": lambda monitor, folder: keras.callbacks.ModelCheckpoint(
        folder / "m.keras", monitor, save_best_only=True
    ),
    "ReduceLROnPlateau": lambda monitor, folder: keras.callbacks.ReduceLROnPlateau(monitor),
}


@pytest.mark.parametrize("name", WATCHERS)
@pytest.mark.parametrize("monitor", ["val_loss", "loss"])
def test_a_watcher_of_a_moving_loss_is_warned_about(name, monitor, tmp_path):
    model = kr.ProvenanceModel(model_of(kr.GCE(from_logits=True)))
    model.compile(keras.optimizers.SGD(0.0), model.model.loss, metrics=["accuracy"])
    watcher, move = WATCHERS[name](monitor, tmp_path), HyperparameterSchedule({"q": LINEAR})
    for callbacks in ([move, watcher], (watcher, move), keras.callbacks.CallbackList([watcher, move], model=model)):
        with pytest.warns(UserWarning, match=f"{name} watches '{monitor}'.*q moves"):
            fit(model, callbacks, epochs=1)


@pytest.mark.filterwarnings("ignore:Learning rate reduction is conditioned")
def test_watchers_that_compare_what_compares_are_not_warned_about(tmp_path):
    model = kr.ProvenanceModel(model_of(kr.GCE(from_logits=True)))
    model.compile(keras.optimizers.SGD(0.0), model.model.loss, metrics=["accuracy"])
    move = HyperparameterSchedule({"q": LINEAR})
    watchers = [make("val_accuracy", tmp_path) for make in WATCHERS.values()]
    fit(model, [move, *watchers, keras.callbacks.ModelCheckpoint(tmp_path / "every.keras")], epochs=1)
    fit(model, keras.callbacks.EarlyStopping("val_loss"), epochs=1)
    fit(model, None, epochs=1)


def test_no_callback_looks_for_the_list_that_it_is_in():
    import inspect

    from keras_robust.callbacks import moving

    assert "get_referrers" not in inspect.getsource(moving)


def test_a_schedule_that_is_at_its_end_at_once_is_warned_about():
    model = model_of(kr.DAL(from_logits=True))
    with pytest.warns(UserWarning, match=r"fit\(epochs=1\) puts q at 1.5.*DALSchedule\(epochs=...\)"):
        assert fit(model, [DALSchedule(0.6, 1.5)], epochs=1)["q"] == [1.5]
    moved = DALSchedule(0.6, 1.5, epochs=3)
    for epoch in range(3):
        history = fit(model, [moved], initial_epoch=epoch, epochs=epoch + 1)
        assert history["q"] == pytest.approx([0.9 + 0.3 * epoch])
    fit(model, [DALSchedule(0.6, 1.5)], epochs=2)


def test_wrong_use():
    with pytest.raises(ValueError, match=r"GCE\(q=0.7.*has no hyper-parameter 'lam'. It has: q."):
        fit(model_of(kr.GCE(from_logits=True)), [HyperparameterSchedule({"lam": LINEAR})])
    with pytest.raises(ValueError, match="`q` of GCE must be at least 0. Received: q=-0.3"):
        fit(model_of(kr.GCE(from_logits=True)), [HyperparameterSchedule({"q": s.Linear(1, -1)})])
    with pytest.raises(ValueError, match="`t` of TCE must be at least 1 and at most 3. Received: t=5.0"):
        fit(model_of(kr.TCE(3, from_logits=True)), [HyperparameterSchedule({"t": s.Constant(5)})])
    for loss, moved in (
        (kr.DAL(from_logits=True), {"q": s.Constant(0), "lam": s.Constant(1)}),
        (kr.NNCE(from_logits=True), {"p_min": s.Constant(0.25)}),
    ):
        assert np.isnan(fit(model_of(loss), [HyperparameterSchedule(moved)])["loss"]).all()
    with pytest.raises(ValueError, match="DALSchedule moves one DAL of the compiled model, and found 0"):
        fit(model_of(kr.GCE(from_logits=True)), [DALSchedule()])
    with pytest.raises(ValueError, match="`schedules` of HyperparameterSchedule must be a dict"):
        HyperparameterSchedule({"q": 0.5})
    with pytest.raises(ValueError, match="`loss` of HyperparameterSchedule must be a loss of keras_robust or None"):
        HyperparameterSchedule({"q": LINEAR}, loss="GCE")
    with pytest.raises(ValueError, match="`epochs` of DALSchedule must be a whole number, at least 1"):
        DALSchedule(epochs=0)
    keras_loss = model_of(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="found 0"):
        fit(keras_loss, [HyperparameterSchedule({"q": LINEAR})])


RESUMED = """
import json, os, signal, sys, keras, numpy as np, keras_robust as kr
folder, kill_at = sys.argv[1], int(sys.argv[2])
os.makedirs(folder, exist_ok=True)
x, y = np.random.default_rng(0).normal(size=(32, 5)).astype("float32"), np.arange(32) % 4
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4)])
loss = kr.LogitBias(kr.DAL(), 1.0, from_logits=True)
model.compile("sgd", loss=loss)
model.build((None, 5))

class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == kill_at and batch == 1:
            os.kill(os.getpid(), signal.SIGKILL)

class Log(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        with open(folder + "/log.jsonl", "a") as file:
            file.write(json.dumps([epoch, logs["q"], logs["lam"], logs["epsilon"]]) + "\\n")

callbacks = [
    keras.callbacks.BackupAndRestore(folder + "/backup"),
    kr.callbacks.DALSchedule(0.6, 1.5, 1.0),
    kr.callbacks.LogitBiasCycle((3.0, 1.0), 2, loss=loss),
    Log(),
    Kill(),
]
model.fit(x, y, batch_size=8, epochs=6, verbose=0, callbacks=callbacks)
"""


def test_a_killed_process_goes_on_where_it_was(tmp_path):
    run_here(RESUMED, tmp_path / "unbroken", -1)
    killed = forked.run(RESUMED, tmp_path / "broken", 3)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    run_here(RESUMED, tmp_path / "broken", -1)
    whole, resumed = (
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("unbroken", "broken")
    )
    assert [row[0] for row in resumed] == list(range(6))
    assert resumed == whole


def test_two_callbacks_on_one_hyperparameter_are_refused():
    model = model_of(kr.DAL(from_logits=True))
    with pytest.raises(ValueError, match="Two callbacks move 'q' of the same loss.*HyperparameterSchedule"):
        fit(model, [DALSchedule(), HyperparameterSchedule({"q": LINEAR})])
    fit(model, [HyperparameterSchedule({"lam": s.Constant(0.5)}), HyperparameterSchedule({"q": s.Constant(0.5)})])


def test_a_moved_loss_in_another_model_takes_effect_or_is_refused():
    loss = kr.GCE(from_logits=True)
    model = model_of(loss)
    fit(model, [HyperparameterSchedule({"q": LINEAR})])
    other = model_of(loss)
    if BACKEND == "jax":
        with pytest.raises(ValueError, match="'q' of this loss is moved by a callback of another model"):
            fit(other, [])
    else:
        assert_analytic(other, fit(other, []), lambda e: kr.GCE(LINEAR(EPOCHS - 1, EPOCHS), from_logits=True))
    wrapped = kr.ProvenanceModel(model)
    wrapped.compile(keras.optimizers.SGD(0.0), loss=loss)
    assert_analytic(model, fit(wrapped, []), lambda e: kr.GCE(LINEAR(EPOCHS - 1, EPOCHS), from_logits=True))
    again = model_of(loss)
    assert_analytic(
        again,
        fit(again, [HyperparameterSchedule({"q": LINEAR})]),
        lambda e: kr.GCE(LINEAR(e, EPOCHS), from_logits=True),
    )


@pytest.mark.only("tensorflow", "jax")  # the steps of PyTorch read the loss anew each time
def test_another_model_that_compiled_the_loss_before_is_warned_of():
    loss = kr.GCE(0.3, from_logits=True)
    x, y = np.zeros((8, 4), "float32"), np.zeros(8, "int32")
    models = []
    for _ in range(2):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        model.compile("sgd", loss)
        models.append(model)
    models[1].fit(x, y, verbose=0)
    move = HyperparameterSchedule({"q": s.Linear(0.3, 0.9)})
    with pytest.warns(UserWarning, match="Another compiled model holds this loss, and keeps the q"):
        models[0].fit(x, y, verbose=0, callbacks=[move])
    models[0].fit(x, y, verbose=0, callbacks=[move])  # once is enough
