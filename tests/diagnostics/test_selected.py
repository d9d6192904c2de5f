"""What an algorithm selected, class by class."""

import warnings

import keras
import numpy as np
import pytest
from harness import once

import keras_robust as kr
from keras_robust.diagnostics import selection

pytestmark = once

GIVEN = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 4])
CLEAN = np.array([0, 0, 1, 1, 2, 2, 2, 0, -1, 4])
KEPT = np.array([1, 1, 1, 0, 1, 1, 0, 0, 1, 1], bool)


def test_counts_precision_and_recall():
    found = selection(KEPT, GIVEN, CLEAN)
    assert found.given.tolist() == [3, 2, 4, 0, 1]
    assert found.kept.tolist() == [3, 1, 2, 0, 1]
    assert found.kept_right.tolist() == [2, 0, 1, 0, 1]
    right = CLEAN == GIVEN
    assert found.precision == right[KEPT].mean()
    assert found.recall == KEPT[right].mean()
    assert found.share == KEPT.mean()
    assert found.lost == []
    assert str(found).splitlines()[2].split() == ["1", "2", "1", "50.0%", "0.0%", "0.0%"]
    assert str(found).splitlines()[-1].split() == ["all", "10", "7", "70.0%", "57.1%", "66.7%"]


def test_without_clean_labels_nothing_is_said_of_them():
    found = selection(KEPT, GIVEN)
    assert found.precision is None
    assert found.recall is None
    assert "precision" not in str(found)


def test_a_lost_class_is_named():
    with pytest.warns(UserWarning, match=r"No sample of the classes \[1, 4\] was selected"):
        found = selection(KEPT & (GIVEN != 1) & (GIVEN != 4), GIVEN, CLEAN)
    assert found.lost == [1, 4]
    assert "nan" in str(found)


def test_refusals():
    for arguments, words in (
        ((KEPT.astype(float), GIVEN), "`selected` of selection must be boolean"),
        ((KEPT[:3], GIVEN), "`selected` of selection must be boolean of shape"),
        ((KEPT, GIVEN, CLEAN[:3]), "`clean` of selection"),
        ((KEPT, GIVEN * 0.5), "`given` of selection must be class ids"),
        ((KEPT, GIVEN - 1), "class ids of at least 0"),
    ):
        with pytest.raises(ValueError, match=words):
            kr.diagnostics.selection(*arguments)


N, K = 12, 3
LABELS = np.arange(N) % K
TRUE = np.where(np.arange(N) % 5 == 0, (LABELS + 1) % K, LABELS)
X = np.eye(N, 6, dtype="float32") + 0.1 * np.random.default_rng(0).normal(size=(N, 6)).astype("float32")


def trained(kind, rate=0.0, epochs=1, rows=slice(None), **keywords):
    """An algorithm around networks of known weights, and these networks."""
    networks = []
    for seed in range(kind.networks):
        keras.utils.set_random_seed(seed)
        networks.append(keras.Sequential([keras.Input((6,)), keras.layers.Dense(K)]))
    second = {"second": networks[1]} if len(networks) == 2 else {}
    model = kind(networks[0], num_samples=N, **second, **keywords)
    model.compile(keras.optimizers.SGD(rate), kr.CE(from_logits=True))
    targets = {"label": LABELS[rows], "index": np.arange(N)[rows]}
    model.fit(X[rows], targets, batch_size=N, epochs=epochs, shuffle=False, verbose=0)
    return model, networks


def losses(network):
    z = network.predict(X, verbose=0).astype("float64")
    return np.logaddexp.reduce(z, axis=-1) - z[np.arange(N), LABELS]


def assert_table(found, kept, given=LABELS, clean=TRUE):
    expected = selection(kept, given, clean)
    assert all(np.array_equal(*both) for both in zip(found, expected, strict=True))


def divergence(networks):
    p, q = (keras.ops.convert_to_numpy(keras.ops.log_softmax(one.predict(X, verbose=0))) for one in networks)
    return ((np.exp(p) - np.exp(q)) * (p - q)).sum(axis=-1)


@pytest.mark.parametrize("kind", [kr.algorithms.SmallLoss, kr.algorithms.CoTeaching, kr.algorithms.JoCoR])
@pytest.mark.filterwarnings("ignore:No sample of the classes")
def test_a_ranking_algorithm_tells_what_it_kept(kind):
    model, networks = trained(kind, forget_rate=0.5, gradual=0)
    values = [losses(network) for network in networks]
    if kind is kr.algorithms.JoCoR:
        values = [0.1 * sum(values) + 0.9 * divergence(networks)]
    kept = [np.isin(np.arange(N), np.argsort(one)[: N // 2]) for one in values[::-1]]
    for network, expected in enumerate(kept):
        assert_table(selection(model, LABELS, TRUE, network), expected)
    if len(kept) == 2:
        assert (kept[0] != kept[1]).any()
    with pytest.raises(ValueError, match="`network` of selection must be"):
        selection(model, LABELS, network=len(kept))


def test_samples_that_were_not_seen_are_no_part_of_it():
    model, [network] = trained(kr.algorithms.SmallLoss, forget_rate=0.5, gradual=0, rows=slice(3, None))
    kept = np.argsort(losses(network)[3:])[:4] + 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = selection(model, LABELS, TRUE)
        assert_table(found, np.isin(np.arange(N), kept)[3:], LABELS[3:], TRUE[3:])
    assert found.given.sum() == N - 3


@pytest.mark.filterwarnings("ignore:No sample of the classes")
@pytest.mark.parametrize("kind", [kr.algorithms.ELR, kr.algorithms.SelfAdaptive])
def test_a_memory_tells_which_labels_it_holds_right(kind):
    adapts = kind is kr.algorithms.SelfAdaptive
    model, [network] = trained(kind, num_classes=K, **({"start": 0, "alpha": 0.1} if adapts else {}))
    z = network.predict(X, verbose=0).astype("float64")
    p = np.exp(z - np.logaddexp.reduce(z, axis=-1)[:, None])
    held = 0.1 * np.eye(K)[LABELS] + 0.9 * p if adapts else p
    kept = held.argmax(axis=-1) == LABELS
    assert 0 < kept.sum() < N
    assert_table(selection(model, LABELS, TRUE), kept)


def test_nlnl_and_divide_mix_tell_theirs():
    model, [network] = trained(kr.algorithms.NLNL, num_classes=K, epochs=2, stages=(1, 1, 0))
    assert_table(selection(model, LABELS, TRUE), np.exp(-losses(network)) > 1 / K)
    noise = {"probe": (X, LABELS), "augment": keras.layers.GaussianNoise(0.1, seed=0), "num_classes": K}
    model, _ = trained(kr.algorithms.DivideMix, warmup=0, **noise)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for network in (0, 1):
            assert_table(selection(model, LABELS, TRUE, network), model.labeled[:, network])
    model, _ = trained(kr.algorithms.DivideMix, warmup=2, **noise)
    with pytest.raises(ValueError, match="DivideMix has selected nothing yet"):
        selection(model, LABELS)


def test_a_class_that_is_no_longer_selected_is_named():
    model, _ = trained(kr.algorithms.SmallLoss, forget_rate=0.9, gradual=0)
    with pytest.warns(UserWarning, match="No sample of the classes"):
        selection(model, LABELS)


def test_algorithms_that_have_nothing_to_tell():
    network = keras.Sequential([keras.Input((6,)), keras.layers.Dense(K)])
    for model, given, words in (
        (kr.algorithms.Mixup(network), LABELS, "`selected` of selection must be .* an algorithm that selects"),
        (
            kr.algorithms.SmallLoss(network, 0.2),
            LABELS,
            "SmallLoss remembers which samples it kept .* num_samples=None",
        ),
        (kr.algorithms.ELR(network, N, K), LABELS, "`selected` of selection must be .* train it first"),
        (kr.algorithms.ELR(network, N, K), LABELS[:5], r"`given` of selection must be of shape \(12,\)"),
    ):
        with pytest.raises(ValueError, match=words):
            selection(model, given)
    model = kr.algorithms.SmallLoss(network, 0.2, num_samples=N)
    model.compile("sgd", kr.CE(from_logits=True))
    with pytest.raises(ValueError, match="`index` of SmallLoss must be given"):
        model.fit(X, LABELS, verbose=0)
    with pytest.raises(ValueError, match=r"outside \[0, 12\)"):
        model.fit(X, {"label": LABELS, "index": np.arange(N) + 1}, verbose=0)
