"""DivideMix: two networks tell each other which labels to believe, and learn the other samples without their labels."""

import math

import keras
import numpy as np
from keras import ops

from keras_robust.algorithms.mixing import Mix, Mixer, floats
from keras_robust.algorithms.mixture import gaussian_mixture, small_loss_posterior
from keras_robust.algorithms.probe import Probe
from keras_robust.algorithms.views import TwoViews
from keras_robust.backend import equals, read_rows, select
from keras_robust.checks import Interval, at_least, greater_than, refuse
from keras_robust.labels import Ids, class_ids, read_labels
from keras_robust.losses import CE
from keras_robust.registration import registered
from keras_robust.sample_numbers import refuse_strays

#: Phases of a training.
WARMUP, AGREEMENT, MIXING = range(3)
_NETWORKS = ("first", "second")
# Epochs over which the weight of the unlabeled samples rises.
_RAMP = 16
# Far below every logarithm of a probability.
_FAR = 1e4
# The posterior of a number out of range, and of one that the probe leaves out.
_NOT_THERE = -1.0


@registered
class DivideMix(TwoViews):
    """Two networks, each of which takes the labels that the other one believes, and mixes all samples.

    1. The first `warmup` epochs, both networks learn by the loss that the model is compiled with, on one view.
    2. Then, for `agreement_epochs` epochs, by cross entropy on the samples whose label each one predicts itself.
    3. From then on, before each epoch, both look at all of `probe`, as in inference. Two normal distributions are
       fitted to the cross entropies of each (`algorithms.mixture`); the posterior w of the one with the smaller mean is
       how far a label is believed. A network keeps the labels with w > threshold of the other one, with targets
       sharpen(w y + (1 - w) p), p its own mean prediction of two views; the other samples get sharpen(mean prediction
       of both networks for both views); sharpen(p) is p^(1/temperature), normalized. All rows of a batch, both views,
       are mixed, lam x + (1 - lam) x', and their targets too: partners by a random permutation, lam = max(l, 1 - l)
       with one l from Beta(alpha, alpha) a step. The objective of a network is

           mean_labeled -sum t log p  +  lam_u mean_unlabeled (p - t)^2  +  KL(uniform || mean p),

       where lam_u rises linearly over 16 epochs from 0. The loss that is logged is the sum of both networks'.

    What differs from the released code: it trains one network after the other, each for an epoch, on 64 labeled and 64
    unlabeled samples a step; here a step takes one batch as it comes, in which the selection of each network says what
    is labeled, and trains both. A batch without labeled samples, or without others, leaves that term out. lam_u rises
    by the epoch, not by the step. Both networks guess as in training, so that batch normalization knows whole samples:
    of mixed ones alone, which vary less, its moving averages would not fit the samples of a test. (There the network
    that is trained guesses so, and the other one as in inference.) For asymmetric noise that code adds a penalty of
    confidence to the warm-up: compile with a `CR`.

    Compiled with `DAL`, and with some agreement_epochs, it is the variant of Li et al. 2023, which does not say how
    many.

    No sample is seen alone: `SampleWeightLogger` needs a `probe`. Metrics of training see the first network's guesses
    for the first view. `lam_u`, `phase` (0, 1, 2) and `labeled`, the share of samples that keep their label, stand in
    the logs.

    Reference: Li et al. 2020, "DivideMix: Learning with Noisy Labels as Semi-supervised Learning". There lam_u is 25 on
    CIFAR-10 with 50% wrong labels and 0 with 20% or asymmetric noise, on CIFAR-100 25 with 20% and 150 with more;
    threshold 0.6 with 90%; 30 epochs of warm-up on CIFAR-100.

    Args:
        model: a network that ends in logits. Its inputs are floats; it may begin with `data.Preprocessing`.
        num_samples: number of training samples, numbered from 0.
        num_classes: K.
        probe: the training data, not augmented: (x, y) by number, or a data set of (x, {"label", "index"}). With
            weights, (x, y, sample_weight), samples of weight 0 are no part of the mixture, whatever their label. A data
            set may lack the samples that it says are its `left_out`, as `data.Feed` does.
        warmup: epochs of warm-up.
        augment: a Keras layer that makes a view of a batch of inputs; None: the views come from the model's
            preprocessing, or with the data, x = {"view_0", "view_1"}.
        temperature: of sharpening, greater than 0 and at most 1.
        alpha: of the Beta distribution, greater than 0.
        lam_u: weight of the unlabeled samples in the end, at least 0.
        threshold: of the posterior, in [0, 1).
        agreement_epochs: epochs of cross entropy on agreeing samples after the warm-up.
        second: the other network; None: a copy with new weights.
        serve: "ensemble", the mean of both networks' logits, or "first".
        seed: of the draws, a whole number.

    Attributes:
        posteriors: of every sample, for each network that has looked, (num_samples + 1, 2); of the last epoch.

    Raises:
        ValueError: from `fit`, for a probe without every sample once, or numbers of samples that are out of range or
            that the probe leaves out.
        ImportError: without scikit-learn.

    Example:

    >>> x, y = np.random.default_rng(0).normal(size=(8, 3)).astype("float32"), np.arange(8) % 2
    >>> network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> noise = keras.layers.GaussianNoise(0.1, seed=0)
    >>> model = keras_robust.algorithms.DivideMix(network, 8, 2, probe=(x, y), warmup=1, augment=noise)
    >>> model.compile("sgd", keras_robust.CE(from_logits=True))
    >>> targets = {"label": y, "index": np.arange(8)}
    >>> history = model.fit(x, targets, batch_size=4, epochs=3, verbose=0)
    >>> history.history["phase"]
    [0, 2, 2]
    """

    remembers = True
    networks = 2
    records = False
    moving = ("lam_u", "phase")

    def __init__(
        self,
        model,
        num_samples,
        num_classes,
        probe,
        warmup=10,
        augment=None,
        temperature=0.5,
        alpha=4.0,
        lam_u=25.0,
        threshold=0.5,
        agreement_epochs=0,
        second=None,
        serve="ensemble",
        seed=0,
        name=None,
    ):
        super().__init__(model, augment, second, serve, name)
        owner, count = type(self).__name__, at_least(1, integer=True)
        gaussian_mixture()
        self.num_samples = count.check(owner, "num_samples", num_samples)
        self.num_classes = count.check(owner, "num_classes", num_classes)
        if model.outputs[0].shape[-1] != self.num_classes:
            refuse(owner, "num_classes", f"{model.outputs[0].shape[-1]}, the outputs of the model", num_classes)
        self.warmup = at_least(0, integer=True).check(owner, "warmup", warmup)
        self.agreement_epochs = at_least(0, integer=True).check(owner, "agreement_epochs", agreement_epochs)
        self.temperature = greater_than(0.0, high=1.0).check(owner, "temperature", temperature)
        self.lam_u = at_least(0.0).check(owner, "lam_u", lam_u)
        self.threshold = Interval(0.0, 1.0, open_high=True).check(owner, "threshold", threshold)
        self._mixer = Mixer(owner, alpha, seed)
        self.alpha, self.seed = self._mixer.alpha, self._mixer.seed
        self._probe, self._probe_checked = Probe(owner, probe, self.num_samples), False
        self.posteriors = self.remember("posteriors", self.num_samples, 2)
        self._strays, self._left_out = self._state("strays", ()), self._state("left_out", ())
        self._known = None  # which samples are part of the mixture
        self._phase = int(self.stage(0, 1)["phase"])

    @property
    def probe(self):
        return self._probe.data

    @property
    def labeled(self) -> np.ndarray:
        """Which samples keep their label, (num_samples, 2), for the first and for the second network."""
        return ops.convert_to_numpy(self.posteriors)[:-1, ::-1] > self.threshold

    def kept(self, given):
        """`labeled`, and the samples that are part of the mixture.

        Raises:
            ValueError: before it has looked at the samples, in the warm-up.
        """
        if not ops.convert_to_numpy(self.posteriors).any():
            raise ValueError("DivideMix has selected nothing yet: it looks at the samples after its warm-up.")
        return self.labeled, np.ones(self.num_samples, bool) if self._known is None else self._known

    def stage(self, epoch, epochs):
        start = self.warmup + self.agreement_epochs
        phase = WARMUP if epoch < self.warmup else AGREEMENT if epoch < start else MIXING
        return {"lam_u": self.lam_u * min(max(epoch - start, 0) / _RAMP, 1.0), "phase": phase}

    def begin_epoch(self, epoch):
        super().begin_epoch(epoch)
        self._mixer.begin(epoch)
        if not self._probe_checked:
            self._probe.check(self.num_classes, self._ignored)
            self._probe_checked = True
        phase = self.stage(epoch, 0)["phase"]
        if phase == MIXING:
            self._look()
        if phase != self._phase:
            self._phase = phase
            if self.train_function is not None:  # another step from here on
                self.train_function = None
                self.make_train_function()

    def end_epoch(self, epoch, logs):
        """Refuses numbers that were out of range, which a compiled step could not."""
        if float(ops.convert_to_numpy(self._strays)):
            refuse_strays("DivideMix", self.num_samples)
        if float(ops.convert_to_numpy(self._left_out)):
            refuse("DivideMix", "probe", "one with every sample that is trained on", "one that leaves out some of them")
        logs["labeled"] = float(self.labeled[self._known].mean()) if self._phase == MIXING else 1.0

    def outputs(self, x):
        """Logits of both networks; from phase 2 on those of the mixed samples, with the guesses and the mix."""
        networks = dict(zip(_NETWORKS, (self._network, self.second), strict=True))
        if self._phase != MIXING:
            [view] = self.views(x, count=1)
            return {name: network(view, training=True) for name, network in networks.items()}
        views = floats("DivideMix", self.views(x))
        rows = keras.tree.map_structure(lambda *view: ops.concatenate(view, axis=0), *views)
        guesses = {
            name: [ops.stop_gradient(network(view, training=True)) for view in views]
            for name, network in networks.items()
        }
        mix = self._mixer.draw(ops.shape(keras.tree.flatten(rows)[0])[0])
        mix = mix._replace(lam=ops.maximum(mix.lam, 1.0 - mix.lam))
        mixed = keras.tree.map_structure(mix.of, rows)
        logits = {name: network(mixed, training=True) for name, network in networks.items()}
        return {**logits, "guesses": guesses, **mix._asdict()}

    def prediction(self, outputs):
        if isinstance(outputs, dict) and "guesses" in outputs:
            return outputs["guesses"]["first"][0]
        return super().prediction(outputs)

    def objective(self, x, provenance, outputs, sample_weight):
        label, rows = provenance.label, self.rows(provenance, self.num_samples)
        self._strays.assign(self._strays + ops.sum(ops.cast(equals(rows, self.num_samples), "float32")))
        match self._phase:
            case 0:
                return sum(self.loss(label, outputs[name], sample_weight) for name in _NETWORKS)
            case 1:
                return sum(self._on_agreeing(label, outputs[name], sample_weight) for name in _NETWORKS)
        posteriors = read_rows(self.posteriors, rows)
        self._left_out.assign(self._left_out + ops.sum(ops.cast(posteriors < 0.0, "float32")))
        return self._on_mixed(label, posteriors, outputs, sample_weight)

    def _on_agreeing(self, label, logits, sample_weight):
        """Cross entropy of the samples whose label is predicted."""
        agrees = ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), class_ids(label, logits))
        chosen = ops.logical_and(agrees, self.counts(label, logits, sample_weight))
        cross_entropy = CE(from_logits=True, ignore_class=self._ignored)
        return cross_entropy(label, logits, self.mean_of(chosen, label, logits, sample_weight))

    def _on_mixed(self, label, posteriors, outputs, sample_weight):
        guesses = {name: _probabilities(outputs["guesses"][name]) for name in _NETWORKS}
        everyone = self._sharpened((guesses["first"] + guesses["second"]) / 2.0)
        seen = self.prediction(outputs)
        counts, y = self.counts(label, seen, sample_weight), self._one_hot(label, seen)
        mix, total = Mix(outputs["lam"], outputs["partner"]), 0.0
        for own, name in enumerate(_NETWORKS):
            w = posteriors[:, 1 - own, None]
            labeled = ops.logical_and(counts, w[:, 0] > self.threshold)
            believed = self._sharpened(w * y + (1.0 - w) * guesses[name])
            target = select(labeled[:, None], believed, everyone)
            target = mix.of(ops.concatenate([target, target], axis=0))
            log_p = ops.log_softmax(ops.cast(outputs[name], "float32"))
            unlabeled = ops.logical_and(counts, ops.logical_not(labeled))
            for chosen, values, factor in (
                (labeled, -ops.sum(target * log_p, axis=-1), 1.0),
                (unlabeled, ops.mean(ops.square(ops.exp(log_p) - target), axis=-1), self.number("lam_u")),
            ):
                weight = self.mean_of(chosen, label, seen, sample_weight)
                total = total + factor * self.mean(_mean_of_views(values), label, seen, weight)
            total = total + _kl_of_uniform(log_p, ops.concatenate([counts, counts], axis=0))
        return total

    def _sharpened(self, p):
        p = p ** (1.0 / self.temperature)
        return p / ops.sum(p, axis=-1, keepdims=True)

    def _one_hot(self, label, logits):
        read = read_labels(label, logits, self._ignored, "float32")
        return ops.one_hot(read.ids, self.num_classes) if isinstance(read, Ids) else read.targets

    def _look(self):
        """Sets the posteriors by a look at every sample."""
        losses, known = np.zeros((self.num_samples, 2)), np.zeros(self.num_samples, bool)
        posteriors = np.full((self.num_samples + 1, 2), _NOT_THERE, "float32")
        for x, label, index, counts in self._probe:
            images = x if self._front is None else self._front(x, training=False)
            known[index] = counts if self._ignored is None else counts & (label != self._ignored)
            posteriors[index] = 0.0
            label = np.where(known[index], label, 0)
            for one, network in enumerate((self._network, self.second)):
                z = np.asarray(network.predict_on_batch(images), "float64")
                losses[index, one] = np.logaddexp.reduce(z, axis=-1) - z[np.arange(len(z)), label]
        for one in range(2):
            posteriors[:-1][known, one] = small_loss_posterior(losses[known, one])
        self.posteriors.assign(posteriors)
        self._known = known

    def get_config(self):
        """As of any algorithm, but without `probe`: training data are no part of a configuration."""
        config = super().get_config()
        del config["probe"]
        return config

    @classmethod
    def from_config(cls, config):
        """A model of a configuration, to which the probe is added.

        Raises:
            ValueError: for a configuration without "probe".
        """
        if "probe" not in config:
            rule = 'added to its configuration, which holds no training data: from_config({**config, "probe": (x, y)})'
            refuse("DivideMix", "probe", rule, sorted(config))
        return super().from_config(config)

    @property
    def _ignored(self):
        return getattr(getattr(self, "loss", None), "ignore_class", None)


def _probabilities(views):
    """The mean prediction of two views, from their logits."""
    first, second = (ops.softmax(ops.cast(view, "float32")) for view in views)
    return (first + second) / 2.0


def _mean_of_views(values):
    """The mean over both views of each sample, (batch,), of values (2 batch,)."""
    first, second = ops.split(values, 2, axis=0)
    return (first + second) / 2.0


def _kl_of_uniform(log_p, counts):
    """KL(uniform || mean p over the rows that count), without a probability that underflows; 0 if none counts."""
    classes, n = log_p.shape[-1], ops.sum(ops.cast(counts, "float32"))
    log_p = select(counts[:, None], log_p, log_p - _FAR)
    log_mean = ops.logsumexp(log_p, axis=0) - ops.log(ops.maximum(n, ops.ones_like(n)))
    return ops.cast(n > 0, "float32") * -(ops.mean(log_mean) + math.log(classes))
