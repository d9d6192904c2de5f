"""One step of SGD of each algorithm on linear networks, and the same in numpy, float64, by differences."""

import keras
import numpy as np
from keras import ops

import keras_robust as kr
from keras_robust import algorithms

N, D, K = 7, 4, 3  # samples, features, classes
RATE = 0.1
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D)).astype("float32")
Y = (np.arange(N) % K).astype("int32")
INDEX = np.array([4, 0, 6, 2, 5, 1, 3], "int32")
#: (kernel, bias) of the first and of the second network.
WEIGHTS = [tuple(RNG.normal(size=shape).astype("float32") for shape in ((D, K), (K,))) for _ in range(2)]


def log_softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def of_label(log_p, y):
    return log_p[np.arange(len(y)), y]


def cross_entropy(z, y):
    return -of_label(log_softmax(z), y)


def anl_ce(z, y, alpha=1.0, beta=1.0, p_min=1e-7):
    """Ye et al. 2023, with the sum of the clamped terms."""
    log_p = log_softmax(z)
    active = of_label(log_p, y) / log_p.sum(axis=-1)
    gaps = np.maximum(log_p, np.log(p_min)) - np.log(p_min)
    return alpha * active + beta * (1 - of_label(gaps, y) / gaps.sum(axis=-1))


def dal(z, y, q=0.6, lam=0.5):
    """Li et al. 2023, with hard bootstrapping."""
    log_p = log_softmax(z)
    gce = (1 - np.exp(q * of_label(log_p, y))) / q
    return gce - lam / (q * np.log(z.shape[-1])) * log_p.max(axis=-1)


#: Loss of the package, and of each sample in numpy.
LOSSES = {
    "CE": (lambda: kr.CE(from_logits=True), cross_entropy),
    "ANLCE": (lambda: kr.ANLCE(from_logits=True), anl_ce),
    "DAL": (lambda: kr.DAL(q=0.6, lam=0.5, from_logits=True), dal),
}


#: Settings with which something happens in each of three epochs: a row for every algorithm.
ALGORITHMS = {
    algorithms.CoTeaching: {"forget_rate": 0.4, "gradual": 2},
    algorithms.CoTeachingPlus: {"forget_rate": 0.4, "gradual": 2, "start": 1},
    algorithms.ELR: {"num_samples": N, "num_classes": K},
    algorithms.JoCoR: {"forget_rate": 0.4, "gradual": 2},
    algorithms.NLNL: {"num_samples": N, "num_classes": K, "draws": 3, "stages": (1, 1, 1)},
    algorithms.SelfAdaptive: {"num_samples": N, "num_classes": K, "start": 1},
    algorithms.SmallLoss: {"forget_rate": 0.4, "gradual": 2},
}


def of_views():
    """The same of those that see a sample twice or mixed, and are tested in files of their own."""
    noise = {"augment": keras.layers.GaussianNoise(0.1, seed=0)}
    samples = {"num_samples": N, "num_classes": K, "probe": (X[np.argsort(INDEX)], Y[np.argsort(INDEX)]), "warmup": 1}
    return {algorithms.GJS: noise, algorithms.Mixup: {}, algorithms.DivideMix: samples | noise}


def algorithm(kind, of=None, **keywords):
    """A new model of a kind, of networks with the weights above or of those that are given."""
    first, *others = networks(kind.networks) if of is None else of
    second = {"second": others[0]} if others else {}
    own = ALGORITHMS[kind] if kind in ALGORITHMS else of_views()[kind]
    return kind(first, **{**own, **second, **keywords})


def network(weights):
    layer = keras.layers.Dense(K)
    model = keras.Sequential([keras.Input((D,)), layer])
    layer.set_weights(weights)
    return model


def networks(count=1):
    """New networks with the weights above."""
    return [network(WEIGHTS[number]) for number in range(count)]


def targets(index=True, clean=False):
    given = {"label": Y}
    if index:
        given["index"] = INDEX
    return given | ({"clean": Y} if clean else {})


def logits(weights, x=X):
    """Of the linear network, float64."""
    kernel, bias = (np.asarray(one, "float64") for one in weights)
    return np.asarray(x, "float64") @ kernel + bias


def gradient(objective, weights, step=1e-6):
    """Of a function of a list of (kernel, bias) in each of its entries, by central differences in float64."""
    weights = [tuple(np.array(one, "float64") for one in pair) for pair in weights]
    found = [tuple(np.zeros_like(one) for one in pair) for pair in weights]
    for pair, slopes in zip(weights, found, strict=True):
        for one, slope in zip(pair, slopes, strict=True):
            for place in np.ndindex(one.shape):
                kept = one[place]
                ends = []
                for sign in (1, -1):
                    one[place] = kept + sign * step
                    ends.append(objective(weights))
                one[place] = kept
                slope[place] = (ends[0] - ends[1]) / (2 * step)
    return found


def assert_step(algorithm, objective, loss, compiled=True, y=None, x=X, sample_weight=None, weights=None, epoch=None):
    """Trains one batch with SGD, and compares loss and weights with those that `objective` has.

    Args:
        objective: (weights of the networks) -> the number that the step makes smaller; what gets no gradient is a
            constant in it.
        epoch: the epoch that the step is in; None: none begins.
    """
    count = algorithm.networks
    before = WEIGHTS[:count] if weights is None else weights
    jit = compiled and keras.backend.backend() != "torch"
    algorithm.compile(keras.optimizers.SGD(RATE), loss, jit_compile=jit, run_eagerly=False)
    if epoch is not None:
        algorithm.begin(epoch, epoch + 1)
    told = algorithm.train_on_batch(x, targets() if y is None else y, sample_weight=sample_weight)
    expected = objective([tuple(np.asarray(one, "float64") for one in pair) for pair in before])
    assert np.isclose(float(told[0] if isinstance(told, list) else told), expected, rtol=1e-5, atol=1e-6)
    slopes = gradient(objective, before)
    for model, pair, slope in zip(
        [algorithm.model, *([algorithm.second] if count == 2 else [])], before, slopes, strict=True
    ):
        for found, one, down in zip(model.get_weights(), pair, slope, strict=True):
            assert np.allclose(found, one - RATE * down, rtol=1e-5, atol=1e-6)


def smallest(values, forget_rate):
    """Places of the smallest values, as many as are kept at a rate in hundredths."""
    count = max(1, (100 - round(100 * forget_rate)) * len(values) // 100)
    return np.argsort(values)[:count]


def assert_resumed_is_whole(started, file):
    """Three epochs at once end as two, and one more by a new model that loads their weights from the file."""
    whole, first, second = started(), started(), started()
    whole.fit(X, Y, batch_size=3, epochs=3, shuffle=False, verbose=0)
    first.fit(X, Y, batch_size=3, epochs=2, shuffle=False, verbose=0)
    first.save_weights(file)
    second.load_weights(file)
    second.fit(X, Y, batch_size=3, epochs=3, initial_epoch=2, shuffle=False, verbose=0)
    for one, other in zip(whole.model.get_weights(), second.model.get_weights(), strict=True):
        assert np.allclose(one, other, rtol=1e-6, atol=1e-7)


def numpy(x):
    return np.asarray(ops.convert_to_numpy(x))
