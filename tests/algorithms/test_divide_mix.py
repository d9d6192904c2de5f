"""DivideMix against its formulas in numpy, its mixture against scikit-learn's, and runs of it."""

import warnings

import keras
import numpy as np
import pytest
from harness import once
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from steps import (
    INDEX,
    LOSSES,
    RATE,
    WEIGHTS,
    K,
    N,
    X,
    Y,
    assert_step,
    cross_entropy,
    dal,
    log_softmax,
    logits,
    networks,
    numpy,
    targets,
)

import keras_robust as kr
from keras_robust.algorithms import DivideMix
from keras_robust.algorithms.mixture import small_loss_posterior
from keras_robust.callbacks import SampleWeightLogger
from keras_robust.catalog import ImageRecipe
from keras_robust.data.draws import epoch_key, uniform
from keras_robust.data.preprocessing import Preprocessing
from keras_robust.schedules import DALBootstrapping, DALExponent

RNG = np.random.default_rng(1)
VIEWS = [X + 0.3 * RNG.normal(size=X.shape).astype("float32") for _ in range(2)]
BOTH = dict(zip(("view_0", "view_1"), VIEWS, strict=True))
#: The samples by number: sample INDEX[i] is X[i].
PROBE = (X[np.argsort(INDEX)], Y[np.argsort(INDEX)])


def made(**arguments):
    first, second = networks(2)
    return DivideMix(first, N, K, **{"probe": PROBE, "second": second, **arguments})


def softmax(z):
    return np.exp(log_softmax(z))


def sharpened(p, temperature):
    p = p ** (1 / temperature)
    return p / p.sum(axis=-1, keepdims=True)


def posteriors(losses):
    """What scikit-learn makes of the losses."""
    scaled = ((losses - losses.min()) / (losses.max() - losses.min())).reshape(-1, 1)
    mixture = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(scaled)
    return mixture.predict_proba(scaled)[:, mixture.means_.argmin()]


@once
def test_the_posteriors_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    losses = np.concatenate([rng.exponential(0.2, 300), rng.normal(3.0, 0.8, 100)])
    found = small_loss_posterior(losses)
    assert np.allclose(found, posteriors(losses))
    assert found[:300].mean() > 0.9 > 0.1 > found[300:].mean()
    assert np.array_equal(small_loss_posterior(np.full(5, 0.3)), np.ones(5))
    assert np.array_equal(small_loss_posterior([0.3]), [1.0])
    with pytest.raises(ValueError, match="1 of 2 losses are not finite"):
        small_loss_posterior([0.1, np.nan])


def test_a_network_takes_the_selection_of_the_other():
    model = made(warmup=0)
    model.compile(keras.optimizers.SGD(0.0), kr.DAL(from_logits=True))
    model.begin(0, 1)
    x, y = PROBE
    expected = np.stack([posteriors(cross_entropy(logits(weights, x), y)) for weights in WEIGHTS], axis=-1)
    assert np.allclose(numpy(model.posteriors)[:-1], expected, atol=1e-4)
    assert np.array_equal(model.labeled, expected[:, ::-1] > 0.5)
    assert (model.labeled[:, 0] != model.labeled[:, 1]).any()


@pytest.mark.parametrize("name", LOSSES)
def test_the_warm_up_is_the_loss_of_both_networks(name):
    make, loss = LOSSES[name]

    def objective(weights):
        return sum(loss(logits(one, VIEWS[0]), Y).mean() for one in weights)

    assert_step(made(), objective, make(), x=BOTH, epoch=0)


def test_the_loss_of_each_epoch_of_the_warm_up_while_it_moves():
    epochs, model = 3, made(warmup=3)
    model.compile(keras.optimizers.SGD(0.0), kr.DAL(from_logits=True))
    keywords = {"batch_size": 4, "epochs": epochs, "shuffle": False, "verbose": 0}
    history = model.fit(BOTH, targets(), callbacks=[kr.callbacks.DALSchedule(0.2, 1.6)], **keywords).history
    q, lam = DALExponent(0.2, 1.6), DALBootstrapping(0.2, 1.6, 1.0)
    for epoch, told in enumerate(history["loss"]):
        numbers = q(epoch, epochs), lam(epoch, epochs)
        assert np.isclose(told, sum(dal(logits(one, VIEWS[0]), Y, *numbers).mean() for one in WEIGHTS), rtol=1e-5)


def test_agreeing_samples_are_learned_by_cross_entropy():
    agree = [logits(one, VIEWS[0]).argmax(axis=-1) == Y for one in WEIGHTS]
    assert all(0 < one.sum() < N for one in agree)

    def objective(weights):
        return sum(
            cross_entropy(logits(one, VIEWS[0]), Y)[mask].mean() for one, mask in zip(weights, agree, strict=True)
        )

    model = made(warmup=2, agreement_epochs=1)
    assert [model.stage(epoch, 9)["phase"] for epoch in range(5)] == [0, 0, 1, 2, 2]
    assert_step(model, objective, kr.DAL(from_logits=True), x=BOTH, epoch=2)


def mixed_objective(w, lam_u, epoch, temperature=0.5, threshold=0.5, sample_weight=None):
    """Li et al. 2020, Eqs. 3 to 12, of both networks; w is (samples of the batch, network that is trained)."""
    weight = np.ones(N) if sample_weight is None else sample_weight
    draws = numpy(uniform(np.array([epoch_key(0, epoch), 0]), (1 + 2 * N,)))
    partner, lam = draws[1:].argsort(), stats.beta(4.0, 4.0).ppf(draws[0])
    lam = max(lam, 1 - lam)
    x = np.concatenate(VIEWS).astype("float64")
    x = lam * x + (1 - lam) * x[partner]
    guesses = [sum(softmax(logits(one, view)) for view in VIEWS) / 2 for one in WEIGHTS]
    everyone = sharpened(sum(guesses) / 2, temperature)

    def objective(weights):
        total = 0.0
        for one, own, believed in zip(weights, guesses, w.T, strict=True):
            labeled = (believed > threshold) & (weight > 0)
            unlabeled = (believed <= threshold) & (weight > 0)
            refined = sharpened(believed[:, None] * np.eye(K)[Y] + (1 - believed[:, None]) * own, temperature)
            t = np.tile(np.where(labeled[:, None], refined, everyone), (2, 1))
            t = lam * t + (1 - lam) * t[partner]
            log_p = log_softmax(logits(one, x))
            w2 = np.tile(weight, 2)
            if labeled.any():
                rows = np.tile(labeled, 2)
                total += (w2 * -(t * log_p).sum(axis=-1))[rows].mean()
            if unlabeled.any():
                rows = np.tile(unlabeled, 2)
                total += lam_u * (w2 * ((np.exp(log_p) - t) ** 2).mean(axis=-1))[rows].mean()
            mean = np.exp(log_p)[np.tile(weight > 0, 2)].mean(axis=0)
            total += (np.log(1 / K / mean) / K).sum()
        return total

    return objective


@pytest.mark.parametrize("weighted", [False, True])
def test_a_mixed_step_is_that_of_the_formula(weighted):
    assert uniform(np.array([epoch_key(0, 12), 0]), (1,))[0] < 0.5  # so that lam is 1 - l
    x, y = PROBE
    w = np.stack([posteriors(cross_entropy(logits(weights, x), y)) for weights in WEIGHTS[::-1]], axis=-1)[INDEX]
    assert ((w > 0.5).any(axis=0) & (w <= 0.5).any(axis=0)).all()
    weight = np.linspace(0.0, 2.0, N).astype("float32") if weighted else None
    objective = mixed_objective(w, 25.0 * 10 / 16, 12, sample_weight=weight)
    assert_step(made(warmup=2), objective, kr.CE(from_logits=True), x=BOTH, epoch=12, sample_weight=weight)


@pytest.mark.parametrize("posterior", [0.0, 0.6, 1.0])
def test_all_labels_or_none_may_be_believed_more_or_less(posterior):
    objective = mixed_objective(np.full((N, 2), posterior), 25.0, 20)
    model = made(warmup=2)
    model._look = lambda: model.posteriors.assign(np.full((N + 1, 2), posterior, "float32"))
    assert_step(model, objective, kr.CE(from_logits=True), x=BOTH, epoch=20)


def test_constant_losses_and_batches_that_do_not_count_are_no_trouble():
    first, second = networks(2)
    for number, network in enumerate((first, second)):
        network.set_weights([np.zeros((4, K)) + 1e-30 * number, np.zeros(K)])
    model = DivideMix(first, N, K, PROBE, warmup=0, second=second)
    model.compile(keras.optimizers.SGD(RATE), kr.CE(from_logits=True))
    weight = (np.arange(N) > 2).astype("float32")  # nothing counts in the first batch of three
    history = model.fit(BOTH, targets(), batch_size=3, epochs=2, sample_weight=weight, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert history.history["labeled"][0] == 1.0
    assert all(np.isfinite(one).all() for one in first.get_weights() + second.get_weights())


def trained(model, start, stop):
    data = {"batch_size": 3, "shuffle": False, "verbose": 0}
    return model.fit(X, targets(), initial_epoch=start, epochs=stop, **data)


def test_a_resumed_run_is_that_of_one_piece(tmp_path):
    def started():
        model = made(warmup=1, agreement_epochs=1, augment=keras.layers.GaussianNoise(0.5, seed=7))
        model.compile(keras.optimizers.SGD(RATE, momentum=0.9), kr.DAL(from_logits=True), metrics=["accuracy"])
        return model

    whole, first, second = started(), started(), started()
    history = trained(whole, 0, 5).history
    assert history["phase"] == [0, 1, 2, 2, 2]
    assert history["lam_u"] == [0.0, 0.0, 0.0, 25 / 16, 50 / 16]
    assert history["labeled"][:2] == [1.0, 1.0]
    assert 0 < history["labeled"][-1] < 1
    trained(first, 0, 3)
    first.save_weights(tmp_path / "all.weights.h5")
    second.load_weights(tmp_path / "all.weights.h5")
    assert np.array_equal(numpy(second.posteriors), numpy(first.posteriors))
    trained(second, 3, 5)
    for one, other in zip(whole.weights, second.weights, strict=True):
        assert np.allclose(numpy(one), numpy(other), rtol=1e-5, atol=1e-6)


def test_the_saved_network_is_what_predict_returns(tmp_path):
    model = made(warmup=0)
    model.compile(keras.optimizers.SGD(RATE), kr.CE(from_logits=True))
    model.fit(BOTH, targets(), verbose=0)
    expected = sum(logits(one.get_weights()) for one in (model.model, model.second)) / 2
    assert np.allclose(model.predict(X, verbose=0), expected, atol=1e-5)
    assert np.allclose(model.predict(BOTH, verbose=0), model.predict(VIEWS[0], verbose=0))
    model.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    assert type(loaded).__module__.startswith("keras.")
    assert np.allclose(loaded.predict(X, verbose=0), expected, atol=1e-5)


@once
def test_metrics_see_the_guesses_for_the_first_view():
    model = made(warmup=0)
    model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True), metrics=["accuracy"])
    found = model.fit(BOTH, targets(), verbose=0).history["accuracy"][0]
    assert np.isclose(found, (logits(WEIGHTS[0], VIEWS[0]).argmax(axis=-1) == Y).mean())


class Batches(keras.utils.PyDataset):
    """(x, {"label", "index"}) in an order of their own."""

    def __init__(self, rows):
        super().__init__()
        self.rows = [rows[:3], rows[3:]]

    def __len__(self):
        return 2

    def __getitem__(self, place):
        rows = self.rows[place]
        return X[rows], {"label": Y[rows], "index": INDEX[rows]}


@once
@pytest.mark.parametrize("make", [Batches, lambda rows: list(map(Batches(rows).__getitem__, range(2)))])
def test_the_probe_may_be_a_data_set(make):
    found = []
    for probe in (PROBE, make(np.arange(N)[::-1])):
        model = made(warmup=0, probe=probe)
        model.compile("sgd", kr.CE(from_logits=True))
        model.begin(0, 1)
        found.append(numpy(model.posteriors))
    assert np.allclose(*found, atol=1e-6)


@once
def test_raw_images_are_prepared_and_their_feed_is_a_probe():
    images = RNG.integers(0, 256, (12, 6, 6, 1)).astype("uint8")
    y = np.arange(12) % K
    front = Preprocessing(ImageRecipe("of tests", (0.5,), (0.25,), "none", shift=2, flip=True))
    layers = [keras.layers.Flatten(), keras.layers.Dense(K)]
    model = keras.Sequential([keras.Input((6, 6, 1), dtype="uint8"), front, *layers])
    feed = kr.data.with_provenance((images, y), batch_size=5, pipeline="device")
    model = DivideMix(model, 12, K, probe=feed, warmup=1)
    model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True))
    history = model.fit(feed, epochs=3, verbose=0).history
    prepared = ((images / 255 - 0.5) / 0.25).reshape(12, -1)
    weights = [one.get_weights() for one in (model.model, model.second)]
    expected = [posteriors(cross_entropy(logits(one, prepared), y)) for one in weights]
    assert np.allclose(numpy(model.posteriors)[:-1], np.stack(expected, axis=-1), atol=1e-3)
    assert history["labeled"][1:] == [model.labeled.mean()] * 2
    assert np.allclose(model.predict(images, verbose=0), sum(logits(one, prepared) for one in weights) / 2, atol=1e-4)


@once
def test_samples_of_the_class_to_ignore_are_no_part_of_the_mixture():
    x, y = PROBE[0], PROBE[1].copy()
    y[2] = -1
    model = made(warmup=0, probe=(x, y))
    model.compile("sgd", kr.CE(from_logits=True, ignore_class=-1))
    model.begin(0, 1)
    rest = np.arange(N) != 2
    expected = posteriors(cross_entropy(logits(WEIGHTS[0], x[rest]), y[rest]))
    assert np.allclose(numpy(model.posteriors)[:-1][rest, 0], expected, atol=1e-4)
    assert not numpy(model.posteriors)[2].any()
    history = model.fit(BOTH, {"label": y[INDEX], "index": INDEX}, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_samples_that_a_feed_leaves_out():
    """Of data that hold some samples back the probe has the others, and no other may be trained on."""
    x, y = PROBE
    rest = np.delete(np.arange(N), [1, 4])
    numbered = {"label": y, "index": np.arange(N)}
    model = made(probe=kr.data.Feed(x, numbered, 4, seed=0, rows=rest).in_order(), warmup=0)
    model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True))
    views = {name: values[np.argsort(INDEX)][rest] for name, values in BOTH.items()}
    history = model.fit(views, {name: values[rest] for name, values in numbered.items()}, verbose=0).history
    expected = posteriors(cross_entropy(logits(WEIGHTS[0], x[rest]), y[rest]))
    assert np.allclose(numpy(model.posteriors)[rest, 0], expected, atol=1e-4)
    labeled, known = model.kept(y)
    assert np.array_equal(np.flatnonzero(known), rest)
    assert not labeled[~known].any()
    assert history["labeled"] == [pytest.approx(labeled[rest].mean())]
    with pytest.raises(ValueError, match="`probe` of DivideMix must be one with every sample that is trained on"):
        model.fit(BOTH, targets(), verbose=0)


def test_batch_normalization_knows_whole_samples():
    """Each view of a step is a batch, and then the mixed ones: they have the mean of both, and vary less."""
    momentum = 0.75

    def normalized(weights):
        inputs = keras.Input(X.shape[1:])
        network = keras.Sequential([inputs, keras.layers.BatchNormalization(momentum=momentum), keras.layers.Dense(K)])
        network.layers[-1].set_weights(weights)
        return network

    first, second = (normalized(one.get_weights()) for one in networks(2))
    model = DivideMix(first, N, K, PROBE, second=second, warmup=0)
    model.compile(keras.optimizers.SGD(0.0), kr.CE(from_logits=True))
    model.fit(BOTH, targets(), batch_size=N, shuffle=False, verbose=0)
    mean, variance = np.zeros(X.shape[1]), np.ones(X.shape[1])
    for batch in VIEWS:
        mean = momentum * mean + (1 - momentum) * batch.mean(axis=0)
        variance = momentum * variance + (1 - momentum) * batch.var(axis=0)
    both = np.concatenate(VIEWS)
    for network in (first, second):
        _, _, found_mean, found_variance = network.layers[0].get_weights()
        assert np.allclose(found_mean, momentum * mean + (1 - momentum) * both.mean(axis=0), atol=1e-5)
        assert (found_variance < momentum * variance + (1 - momentum) * both.var(axis=0)).all()
        assert (found_variance > momentum * variance).all()


@once
def test_refusals(tmp_path):
    x, y = PROBE
    for wrong, words in (
        ((x[:5], y), r"arrays of \[5, 7\] samples"),
        (x, "ndarray"),
        (iter([(x, y)]), "an iterator"),
    ):
        with pytest.raises(ValueError, match=words):
            made(probe=wrong)
    for wrong, words in (
        ((x, {"label": y, "index": np.arange(N) // 2}), "3 samples that never come and 3 that come again"),
        ((x, {"label": y, "index": np.arange(N) + 1}), "Received: probe='sample 7'"),
        ((x, y + 1), r"class ids in \[0, 3\)"),
        ([(x, y)], 'targets without "index"'),
        (Batches(np.arange(3)), "4 samples that never come"),
    ):
        model = made(probe=wrong)
        model.compile("sgd", kr.CE(from_logits=True))
        with pytest.raises(ValueError, match=words):
            model.fit(BOTH, targets(), verbose=0)
    for name, value in {"temperature": 0.0, "threshold": 1.0, "lam_u": -1.0, "warmup": -1, "num_classes": 4}.items():
        with pytest.raises(ValueError, match=f"`{name}` of DivideMix must be"):
            DivideMix(*networks(), **{"num_samples": N, "num_classes": K, "probe": PROBE, name: value})
    model = made()
    model.compile("sgd", kr.CE(from_logits=True))
    with pytest.raises(ValueError, match="needs two views of each sample"):
        model.fit(X, targets(), verbose=0)
    with pytest.raises(ValueError, match="`index` of DivideMix must be given"):
        model.fit(BOTH, Y, verbose=0)
    with pytest.raises(ValueError, match=r"outside \[0, 7\)"):
        model.fit(BOTH, {"label": Y, "index": INDEX + 1}, verbose=0)
    with pytest.raises(ValueError, match="Give SampleWeightLogger a `probe`"):
        model.fit(BOTH, targets(), callbacks=[SampleWeightLogger(tmp_path / "log", num_samples=N)], verbose=0)
