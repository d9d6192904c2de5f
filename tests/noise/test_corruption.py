"""Labels drawn from transition matrices, their report, and their file."""

import os
import types
import zipfile

import numpy as np
import pytest
from harness import assert_fits
from hypothesis import given
from hypothesis import strategies as st

from keras_robust import noise

LABELS = np.random.default_rng(0).integers(0, 10, 50_000)


MATRICES = {
    "symmetric:0.4": noise.symmetric(10, 0.4),
    "symmetric+true:0.6": noise.symmetric(10, 0.6, include_true=True),
    "pair:0.2": noise.pair_flip(10, 0.2),
    "asymmetric:0.4": noise.asymmetric("cifar10", 0.4),
    "asymmetric.sequential:0.4": noise.asymmetric("cifar10", 0.4, "sequential"),
    "asymmetric.superclass:0.4": noise.asymmetric("cifar100", 0.4),
    "one's own": np.random.default_rng(7).dirichlet(np.full(6, 0.3), size=6),
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("spec", MATRICES)
def test_realized_matrix_fits_the_one_asked_for(spec, seed):
    matrix = MATRICES[spec]
    K = len(matrix)
    labels = np.random.default_rng(10 + seed).integers(0, K, 50_000)
    drawn = noise.corrupt(labels, matrix, seed, spec=spec)
    counts = np.zeros((K, K))
    np.add.at(counts, (labels, drawn.noisy), 1)
    assert_fits(counts, matrix)
    np.testing.assert_allclose(drawn.transition, counts / counts.sum(axis=1, keepdims=True))
    expected_rate = 1 - (np.bincount(labels) * np.diag(matrix)).sum() / 50_000
    assert drawn.rate == pytest.approx(expected_rate, abs=0.01)
    assert drawn.mask.sum() == (drawn.noisy != labels).sum()


@pytest.mark.parametrize("spec", MATRICES)
def test_exact_counts(spec):
    matrix = MATRICES[spec]
    K = len(matrix)
    labels = np.random.default_rng(3).integers(0, K, 50_000)
    drawn = noise.corrupt(labels, matrix, seed=4, exact=True)
    counts = np.zeros((K, K), int)
    np.add.at(counts, (labels, drawn.noisy), 1)
    expected = np.floor(np.bincount(labels)[:, None] * matrix + 1e-9).astype(int)
    np.fill_diagonal(expected, 0)
    np.fill_diagonal(expected, np.bincount(labels) - expected.sum(axis=1))
    np.testing.assert_array_equal(counts, expected)
    assert drawn.exact
    assert np.any(noise.corrupt(labels, matrix, seed=5, exact=True).noisy != drawn.noisy)


def test_exact_counts_at_whole_numbers():
    """100 * 0.29 is 28.999999999999996 in floating point."""
    drawn = noise.corrupt(np.zeros(100, int), noise.pair_flip(2, 0.29), seed=0, exact=True)
    assert drawn.mask.sum() == 29


def test_the_seed_decides_and_the_input_is_left_alone():
    labels = LABELS.copy()
    matrix = noise.symmetric(10, 0.4)
    one, again, other = (noise.corrupt(labels, matrix, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.noisy, again.noisy)
    assert np.any(one.noisy != other.noisy)
    np.testing.assert_array_equal(labels, LABELS)
    labels[:] = 0
    np.testing.assert_array_equal(one.clean, LABELS)


def test_the_global_seed_is_not_touched():
    np.random.seed(0)
    expected = np.random.get_state()[1].copy()
    noise.corrupt(LABELS, noise.symmetric(10, 0.4), seed=3)
    np.testing.assert_array_equal(np.random.get_state()[1], expected)


def test_no_noise_and_classes_without_samples():
    labels = np.array([0, 2, 2])
    clean = noise.corrupt(labels, noise.from_spec(None, 4), seed=0)
    assert clean.rate == 0.0
    np.testing.assert_array_equal(clean.transition, np.eye(4))
    swapped = noise.corrupt(labels, np.eye(4)[[1, 0, 3, 2]], seed=0)
    np.testing.assert_array_equal(swapped.noisy, [1, 3, 3])


@pytest.mark.parametrize(
    ("labels", "matrix", "seed", "name"),
    [
        (LABELS, np.full((10, 10), 0.2), 0, "transition"),
        (LABELS, np.ones((10, 1)), 0, "transition"),
        (LABELS, np.eye(10) * 2 - np.roll(np.eye(10), 1, 0), 0, "transition"),
        (LABELS, np.eye(9), 0, "labels"),
        (LABELS - 1, np.eye(10), 0, "labels"),
        (LABELS.astype(float), np.eye(10), 0, "labels"),
        (np.eye(10, dtype=int), np.eye(10), 0, "labels"),
        (LABELS, np.eye(10), -1, "seed"),
    ],
)
def test_wrong_arguments(labels, matrix, seed, name):
    with pytest.raises(ValueError, match=f"`{name}` of corrupt must be"):
        noise.corrupt(labels, matrix, seed)


@pytest.mark.parametrize("u", [0.0, 1.0 - 2.0**-53])
def test_impossible_classes_are_never_reached(monkeypatch, u):
    """Not by the extremes of the uniform draw either; ten times 0.1 is less than 1 in floating point."""
    extreme = types.SimpleNamespace(random=lambda n: np.full(n, u))
    monkeypatch.setattr(np.random, "default_rng", lambda seed: extreme)
    matrix = np.zeros((12, 12))
    matrix[:, 1:11] = 0.1
    drawn = noise.corrupt(np.array([0, 11]), matrix, seed=0)
    np.testing.assert_array_equal(drawn.noisy, [1, 1] if u == 0 else [10, 10])


def test_ids_in_a_column_are_ids():
    """The form of keras.datasets.cifar10, which losses take."""
    column, matrix = LABELS[:, None].astype("uint8"), noise.symmetric(10, 0.4)
    drawn = noise.corrupt(column, matrix, seed=0)
    assert drawn.noisy.shape == drawn.clean.shape == LABELS.shape
    np.testing.assert_array_equal(drawn.noisy, noise.corrupt(LABELS, matrix, seed=0).noisy)
    np.testing.assert_array_equal(noise.draw("symmetric:0.4", column, 10, seed=0).noisy, drawn.noisy)
    features = np.random.default_rng(0).normal(size=(200, 3))
    by_instance = noise.draw("instance:0.4", column[:200], 10, seed=0, features=features)
    assert by_instance.noisy.shape == (200,)
    poisoned = noise.backdoor(np.zeros((50, 8, 8, 1), "uint8"), column[:50], target=3, n=5)
    assert poisoned.labels.noisy.shape == (50,)
    with pytest.raises(ValueError, match=r"`labels` of corrupt must be integer ids of shape \(n,\) or \(n, 1\)"):
        noise.corrupt(np.stack([LABELS, LABELS], axis=1), matrix, seed=0)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64"])
def test_the_type_of_the_labels_stays(dtype):
    drawn = noise.corrupt(LABELS.astype(dtype), noise.symmetric(10, 0.4), seed=0)
    assert drawn.noisy.dtype == drawn.clean.dtype == np.dtype(dtype)
    np.testing.assert_allclose(np.diag(drawn.transition), 0.6, atol=0.05)


def test_narrow_integers_hold_all_classes():
    drawn = noise.corrupt(np.zeros(5000, "uint8"), noise.symmetric(1000, 1.0), seed=0)
    assert drawn.noisy.max() > 900
    assert noise.corrupt(np.zeros(5, "uint8"), noise.symmetric(256, 1.0), seed=0).noisy.dtype == np.uint8


@given(st.integers(2, 8), st.integers(0, 40), st.integers(0, 2**32), st.booleans())
def test_any_stochastic_matrix_gives_possible_labels(K, n, seed, exact):
    rng = np.random.default_rng(seed)
    matrix = rng.dirichlet(np.full(K, 0.2), size=K) * (rng.random((K, K)) < 0.7) + 1e-3 * np.eye(K)
    matrix /= matrix.sum(axis=1, keepdims=True)
    labels = rng.integers(0, K, n)
    drawn = noise.corrupt(labels, matrix, seed, exact)
    assert np.all(matrix[labels, drawn.noisy] > 0)
    np.testing.assert_allclose(drawn.transition.sum(axis=1), 1.0)
    assert drawn.rate == (np.mean(drawn.noisy != labels) if n else 0.0)


def test_report_says_the_convention_and_what_was_realized():
    drawn = noise.draw("symmetric+true:0.4", LABELS, 10, seed=3)
    report = str(drawn)
    assert report == drawn.report()
    assert "symmetric+true:0.4" in report
    assert "resampled over all K classes" in report
    assert "each label drawn by itself" in report
    assert "seed 3" in report
    assert f"{drawn.mask.sum():,} ({drawn.rate:.2%})" in report
    rows = [line.split() for line in report.splitlines()[-10:]]
    np.testing.assert_allclose(np.array(rows, float)[:, 1:], 100 * drawn.transition, atol=0.0501)
    assert "floor(n_i T_ij)" in str(noise.draw("symmetric:0.4", LABELS, 10, seed=3, exact=True))


def test_report_of_many_classes_shows_the_largest_flips():
    labels = np.random.default_rng(0).integers(0, 100, 5000)
    drawn = noise.draw("asymmetric:0.4", labels, 100, seed=0, dataset="cifar100")
    report = drawn.report()
    assert "asymmetric:0.4, of cifar100" in report
    assert "same true super-class" in report
    flips = drawn.transition * (1 - np.eye(100))
    source, target = np.unravel_index(flips.argmax(), flips.shape)
    assert f"largest flips: {source} -> {target} {100 * flips.max():.1f}" in report
    assert len(report) < 1000
    blocks = noise.draw("asymmetric.blocks:0.4", labels, 100, seed=0, dataset="cifar100").report()
    assert "block of five consecutive ids" in blocks


def test_report_without_a_specification():
    assert "a transition matrix of your own" in noise.corrupt(LABELS, noise.symmetric(10, 0.4), 0).report()
    clean = noise.draw(None, LABELS, 10, 0).report()
    assert "noise       none" in clean
    assert "0 (0.00%)" in clean
    many = noise.draw(None, LABELS, 21, 0).report()
    assert "unchanged: 100.0 on average" in many
    assert "largest" not in many


@pytest.mark.parametrize("exact", [False, True])
def test_saved_labels_come_back(tmp_path, exact):
    drawn = noise.draw("asymmetric:0.4", LABELS.astype("uint8"), 10, 5, exact=exact, dataset="cifar10")
    path = drawn.save(tmp_path / "labels")
    assert [file.name for file in tmp_path.iterdir()] == ["labels"]
    again = noise.NoisyLabels.load(path)
    for name in ("noisy", "clean"):
        np.testing.assert_array_equal(getattr(again, name), getattr(drawn, name))
        assert getattr(again, name).dtype == np.uint8
    assert again.report() == drawn.report()
    assert (again.seed, again.spec, again.exact, again.dataset) == (5, "asymmetric:0.4", exact, "cifar10")
    with np.load(path, allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_saving_over_a_file_is_all_or_nothing(tmp_path, monkeypatch, step):
    path = noise.corrupt(LABELS, noise.symmetric(10, 0.2), 0, spec="the first").save(tmp_path / "labels.npz")

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, step, full_disk)
    with pytest.raises(OSError, match="no space left"):
        noise.corrupt(LABELS, noise.symmetric(10, 0.2), 1, spec="the second").save(path)
    assert noise.NoisyLabels.load(path).spec == "the first"
    assert [file.name for file in tmp_path.iterdir()] == ["labels.npz"]


def test_every_changed_byte_of_a_file_is_noticed_or_harmless(tmp_path):
    drawn = noise.corrupt(np.arange(40) % 4, noise.symmetric(4, 0.5), 0, spec="four")
    content = drawn.save(tmp_path / "labels.npz").read_bytes()
    path, refusals = tmp_path / "changed.npz", []
    changes = [(place, flip) for place in range(len(content)) for flip in (0x15, 0x07)]
    for place, flip in changes:
        path.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
        try:
            again = noise.NoisyLabels.load(path)
        except ValueError as error:
            refusals.append(str(error))
        else:
            np.testing.assert_array_equal(again.noisy, drawn.noisy)
            np.testing.assert_array_equal(again.clean, drawn.clean)
            assert again.report() == drawn.report()
    assert len(refusals) > len(changes) / 2
    assert all(str(path) in message for message in refusals)


def test_a_changed_label_in_an_intact_archive_breaks_the_checksum(tmp_path):
    path = noise.corrupt(LABELS, noise.symmetric(10, 0.2), 0).save(tmp_path / "labels.npz")
    with np.load(path) as archive:
        content = dict(archive)
    content["noisy"][17] += 1
    np.savez(path, **content)
    with pytest.raises(ValueError, match=r"labels\.npz is damaged: its content does not have the checksum"):
        noise.NoisyLabels.load(path)


NONSENSE = {
    "lengths": ({"clean": np.zeros(3, int)}, {}),
    "an id above K": ({"noisy": np.array([0, 1, 2, 3])}, {}),
    "an id below 0": ({"noisy": np.array([0, 1, 2, -1])}, {}),
    "floats": ({"clean": np.zeros(4)}, {}),
    "texts": ({"noisy": np.array(list("abcd"))}, {}),
    "two dimensions": ({"noisy": np.zeros((4, 1), int), "clean": np.zeros((4, 1), int)}, {}),
    "no noisy labels": ({"noisy": None}, {}),
    "another array": ({"third": np.zeros(4)}, {}),
    "no classes": ({}, {"num_classes": None}),
    "half a class": ({}, {"num_classes": 2.5}),
    "a text for K": ({}, {"num_classes": "3"}),
    "a negative seed": ({}, {"seed": -1}),
    "a text for the seed": ({}, {"seed": "0"}),
    "a number for the spec": ({}, {"spec": 5}),
    "a text for exact": ({}, {"exact": "yes"}),
    "a list for the data set": ({}, {"dataset": ["cifar10"]}),
    "another fact": ({}, {"nonsense": 1}),
    "facts that are no dict": ({}, None),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_content_that_makes_no_sense_is_refused_by_name(tmp_path, name):
    """Its checksum is right: it was written so, by another program or by hand."""
    from keras_robust.noise import storage

    arrays, facts = NONSENSE[name]
    arrays = {"noisy": np.array([0, 1, 2, 2]), "clean": np.array([0, 1, 1, 2])} | arrays
    arrays = {key: value for key, value in arrays.items() if value is not None}
    known = {"num_classes": 3, "seed": 0, "spec": None, "exact": False, "dataset": None}
    path = storage.write(tmp_path / "labels.npz", arrays, facts if facts is None else known | facts)
    with pytest.raises(ValueError, match=r"labels\.npz is not a file of saved labels: "):
        noise.NoisyLabels.load(path)


def test_other_files_are_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        noise.NoisyLabels.load(tmp_path / "nowhere.npz")
    np.savez(tmp_path / "other.npz", noisy=LABELS)
    (tmp_path / "text.npz").write_text("noisy, clean")
    np.save(tmp_path / "single.npy", LABELS)
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as archive:
        archive.writestr("checksum.txt", "0")
    np.savez(tmp_path / "pickle.npz", noisy=np.array([{}], dtype=object), checksum="", facts="{}")
    for name in ("other.npz", "text.npz", "single.npy", "zip.npz", "pickle.npz"):
        with pytest.raises(ValueError, match=f"{name} is damaged, or not a file of saved labels"):
            noise.NoisyLabels.load(tmp_path / name)
