"""Noise strings: every kind, from the string to the labels."""

import numpy as np
import pytest
from harness import assert_fits, real_data

from keras_robust import noise
from keras_robust.noise.grammar import KINDS, convention, parse

LABELS = np.random.default_rng(0).integers(0, 10, 50_000)
LABELS100 = np.random.default_rng(1).integers(0, 100, 50_000)
# Noise string, data set, the same matrix in code, words that the report must hold.
MATRICES = [
    ("symmetric:0.4", None, noise.symmetric(10, 0.4), "one of the K - 1 other classes"),
    ("symmetric+true:0.4", None, noise.symmetric(10, 0.4, include_true=True), "over all K classes"),
    ("pair:0.2", None, noise.pair_flip(10, 0.2), "class i becomes i + 1"),
    ("asymmetric:0.3", "mnist", noise.asymmetric("mnist", 0.3), "drawn from the clean labels"),
    ("asymmetric:0.3", "digits", noise.asymmetric("mnist", 0.3), "drawn from the clean labels"),
    ("asymmetric:0.3", "fashion_mnist", noise.asymmetric("fashion_mnist", 0.3), "drawn from the clean labels"),
    ("asymmetric.clean:0.4", "cifar10", noise.asymmetric("cifar10", 0.4), "drawn from the clean labels"),
    (
        "asymmetric.sequential:0.4",
        "cifar10",
        noise.asymmetric("cifar10", 0.4, "sequential"),
        "one pair after the other",
    ),
    ("asymmetric:0.3", "cifar100", noise.asymmetric("cifar100", 0.3), "same true super-class"),
    ("asymmetric.superclass:0.3", "cifar100", noise.asymmetric("cifar100", 0.3), "same true super-class"),
    ("asymmetric.blocks:0.3", "cifar100n", noise.asymmetric("cifar100", 0.3, "blocks"), "five consecutive ids"),
    (None, None, np.eye(10), "none"),
]
PER_SAMPLE = ("instance:0.4", "human:worst")


def test_every_kind_has_a_row():
    kinds = {parse(spec).kind for spec, *_ in MATRICES if spec} | {parse(spec).kind for spec in PER_SAMPLE}
    assert kinds == KINDS.keys()
    variants = {parse(spec).variant for spec, *_ in MATRICES if spec}
    assert variants == {variant for kind in KINDS.values() for variant in kind.variants or (None,)}


@pytest.mark.parametrize(("spec", "dataset", "matrix", "words"), MATRICES)
def test_noise_with_a_matrix(spec, dataset, matrix, words):
    K = len(matrix)
    np.testing.assert_array_equal(noise.from_spec(spec, K, dataset=dataset), matrix)
    labels = LABELS if K == 10 else LABELS100
    drawn = noise.draw(spec, labels, K, 5, dataset=dataset, features=None, ids=np.arange(50_000), path="nowhere")
    np.testing.assert_array_equal(drawn.noisy, noise.corrupt(labels, matrix, 5).noisy)
    counts = np.zeros((K, K))
    np.add.at(counts, (labels, drawn.noisy), 1)
    assert_fits(counts, matrix)
    assert drawn.spec == spec
    assert words in drawn.report()
    exact = noise.draw(spec, labels, K, 5, exact=True, dataset=dataset)
    np.testing.assert_array_equal(exact.noisy, noise.corrupt(labels, matrix, 5, exact=True).noisy)


def test_instance_dependent_noise():
    features = np.random.default_rng(2).normal(size=(50_000, 2, 3))
    drawn = noise.draw("instance:0.4", LABELS, 10, 5, features=features)
    np.testing.assert_array_equal(drawn.noisy, noise.instance_dependent(features, LABELS, 0.4, 10, 5).noisy)
    assert "Xia et al. 2020" in drawn.report()
    with pytest.raises(ValueError, match="Noise 'instance:0.4' needs `features`"):
        noise.draw("instance:0.4", LABELS, 10, 5)


def test_human_noise(tmp_path):
    np.savez(tmp_path / "cifar10n_labels.npz", clean=LABELS[:100], worse=LABELS[100:200])
    drawn = noise.draw("human:worst", LABELS[:100], 10, 5, path=tmp_path)
    np.testing.assert_array_equal(drawn.noisy, LABELS[100:200])
    assert "Wei et al. 2022" in drawn.report()
    joined = noise.draw("human:worst", LABELS[[7, 3]], 10, 5, path=tmp_path, ids=["train_00007", "train_00003"])
    np.testing.assert_array_equal(joined.noisy, LABELS[[107, 103]])
    with pytest.raises(ValueError, match="2 of 2 clean labels differ"):
        noise.draw("human:worst", (LABELS[[7, 3]] + 1) % 10, 10, 5, path=tmp_path, ids=[7, 3])
    with pytest.raises(ValueError, match="Noise 'human:worst' needs `path`"):
        noise.draw("human:worst", LABELS[:100], 10, 5)
    with pytest.raises(ValueError, match="Noise 'human:cifar100n' has 100 classes. Received: 10 classes"):
        noise.draw("human:cifar100n", LABELS[:100], 10, 5, path=tmp_path)
    with pytest.raises(ValueError, match="`name` of human must be one of 'aggregate'"):
        noise.draw("human:worse", LABELS[:100], 10, 5, path=tmp_path)


@pytest.mark.parametrize("spec", PER_SAMPLE)
def test_noise_without_a_matrix(spec):
    with pytest.raises(ValueError, match=f"Noise '{spec}' depends on the samples and has no transition matrix"):
        noise.from_spec(spec, 10)
    with pytest.raises(ValueError, match=f"Exact counts need a transition matrix, which noise '{spec}' does not have"):
        noise.draw(spec, LABELS, 10, 5, exact=True, features=LABELS[:, None], path="nowhere")


@pytest.mark.parametrize(
    "spec",
    [
        *("symetric:0.4", "symmetric", "symmetric:", "symmetric:lots", "", "0.4", ":0.4", "none", 0.4),
        *("symmetric:0.4:exact", "symmetric.blocks:0.4", "symmetric.:0.4", "symmetric+:0.4", "asymmetric.nonsense:0.4"),
        *("asymmetric.:0.3", "human", "human:", "human.worst:0.4", "instance.clean:0.4"),
    ],
)
def test_wrong_specifications_list_the_known_ones(spec):
    with pytest.raises(ValueError, match=r'Noise must be None or one of "symmetric:RATE", "symmetric\+true:RATE"'):
        noise.from_spec(spec, 10)
    with pytest.raises(ValueError, match=r'"asymmetric.blocks:RATE", "instance:RATE", "human:NAME", with a rate in'):
        noise.draw(spec, LABELS, 10, 0)
    assert convention(spec) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("symmetric:1.2", 10), "`rate` of symmetric must be at least 0 and at most 1. Received: rate=1.2"),
        (("symmetric:nan", 10), "`rate` of symmetric"),
        (("asymmetric:-0.1", 10, "cifar10"), "`rate` of asymmetric"),
        (("asymmetric:0.3", 10), "Noise 'asymmetric:0.3' needs `dataset`"),
        (("asymmetric:0.3", 10, "svhn"), "`dataset` of asymmetric must be one of"),
        (("asymmetric:0.3", 10, "cifar100"), "Noise 'asymmetric:0.3' of 'cifar100' has 100 classes. Received: 10"),
        (("asymmetric.blocks:0.3", 10, "cifar10"), "`variant` of asymmetric must be 'clean' or 'sequential'"),
        (("symmetric:0.3", 1), "`K` of from_spec"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        noise.from_spec(*arguments)


def test_wrong_seed_and_labels_of_draw():
    with pytest.raises(ValueError, match="`seed` of draw"):
        noise.draw("symmetric:0.4", LABELS, 10, -1)
    with pytest.raises(ValueError, match="`labels` of corrupt"):
        noise.draw("symmetric:0.4", LABELS, 5, 0)


@pytest.mark.parametrize(
    ("key", "matrix"),
    [
        *((f"cifar10_symmetric_{rate}", noise.symmetric(10, rate / 100, include_true=True)) for rate in (20, 40, 60)),
        *((f"cifar100_symmetric_{rate}", noise.symmetric(100, rate / 100, include_true=True)) for rate in (20, 40)),
        *((f"cifar10_asymmetric_{rate}", noise.asymmetric("cifar10", rate / 100)) for rate in (20, 40)),
        *((f"cifar100_asymmetric_{rate}", noise.asymmetric("cifar100", rate / 100)) for rate in (20, 40)),
    ],
)
def test_published_labels_of_dal_follow_these_conventions(key, matrix):
    noisy = np.load(real_data("noisy_labels", "dal_labels.npz"))[key]
    clean = np.load(real_data("noisy_labels", f"{key.split('_')[0]}n_labels.npz"))["clean"]
    counts = np.zeros(matrix.shape)
    np.add.at(counts, (clean, noisy), 1)
    assert_fits(counts, matrix)
