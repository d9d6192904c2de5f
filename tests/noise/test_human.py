"""Labels of people: the right label for the right image, from every file that holds them."""

import sys

import numpy as np
import pytest
from harness import once, real_data

from keras_robust import noise
from keras_robust.noise.human import CLEAN, HUMAN

pytestmark = once

N = 200
RNG = np.random.default_rng(0)
PUBLISHED = {"clean_label": RNG.integers(0, 10, N)} | {
    name: RNG.integers(0, 10, N)
    for name in ("aggre_label", "worse_label", "random_label1", "random_label2", "random_label3")
}
PUBLISHED100 = {"clean_label": RNG.integers(0, 100, N), "noisy_label": RNG.integers(0, 100, N)}
TFDS_NAMES = {"clean_label": "label", "noisy_label": "noise_label"}


@pytest.fixture
def folder(tmp_path):
    """Both label files as npz, under their usual names."""
    short = {"clean_label": "clean", "noisy_label": "noisy"}
    ten = {short.get(name, name.replace("_label", "")): labels for name, labels in PUBLISHED.items()}
    np.savez(tmp_path / "cifar10n_labels.npz", **ten)
    np.savez(tmp_path / "cifar100n_labels.npz", **{short[name]: labels for name, labels in PUBLISHED100.items()})
    return tmp_path


def expected(name):
    arrays = PUBLISHED100 if name == "cifar100n" else PUBLISHED
    return arrays["clean_label"], arrays[HUMAN[name].columns[1]]


def assert_read(name, path):
    clean, noisy = expected(name)
    drawn = noise.human(name, path)
    np.testing.assert_array_equal(drawn.noisy, noisy)
    np.testing.assert_array_equal(drawn.clean, clean)
    assert drawn.seed is None
    assert drawn.spec == f"human:{name}"
    assert drawn.num_classes == (100 if name == "cifar100n" else 10)


@pytest.mark.parametrize("name", HUMAN)
def test_npz(folder, name):
    assert_read(name, folder)
    assert_read(name, folder / f"cifar{100 if name == 'cifar100n' else 10}n_labels.npz")


@pytest.mark.parametrize("name", HUMAN)
def test_published_files(tmp_path, name):
    torch = pytest.importorskip("torch")
    torch.save(PUBLISHED, tmp_path / "CIFAR-10_human.pt")
    torch.save(PUBLISHED100, tmp_path / "CIFAR-100_human.pt")
    assert_read(name, str(tmp_path))
    assert_read(name, tmp_path / f"CIFAR-{100 if name == 'cifar100n' else 10}_human.pt")


@pytest.mark.parametrize("name", ["worst", "random3", "cifar100n"])
def test_tfds_records_in_any_order(tmp_path, name):
    tfds = pytest.importorskip("tensorflow_datasets")
    write_records(tfds, tmp_path, name, np.random.default_rng(1).permutation(N))
    assert_read(name, tmp_path)


def test_tfds_records_with_a_gap_are_refused(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    write_records(tfds, tmp_path, "worst", np.arange(1, N))
    with pytest.raises(ValueError, match=f"{tmp_path}: the ids of cifar10_n are not 0 to {N - 2}"):
        noise.human("worst", tmp_path)


def test_tfds_records_that_are_not_prepared_are_refused(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    (tmp_path / "cifar10_n").mkdir()
    with pytest.raises(FileNotFoundError, match=f"{tmp_path} holds no prepared TFDS records of cifar10_n"):
        noise.human("worst", tmp_path)


def test_tfds_records_without_tfds(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    (tmp_path / "cifar10_n").mkdir()
    with pytest.raises(ImportError, match=r"pip install -e '\.\[tfds\]' in the clone"):
        noise.human("worst", tmp_path)


def write_records(tfds, folder, name, order):
    """A prepared data set as the builder of TFDS writes it, with its features."""
    builder = tfds.builder(HUMAN[name].builder, data_dir=str(folder))
    builder.data_path.mkdir(parents=True)
    arrays = PUBLISHED100 if name == "cifar100n" else PUBLISHED
    writer = tfds.core.SequentialWriter(builder.info, max_examples_per_shard=N)
    writer.initialize_splits(["train"])
    for i in order:
        record = dict.fromkeys(builder.info.features, 0) | {
            TFDS_NAMES.get(key, key): int(labels[i]) for key, labels in arrays.items()
        }
        record |= {"id": f"train_{i:05d}", "image": np.zeros((32, 32, 3), "uint8")}
        writer.add_examples({"train": [record]})
    writer.close_all()


def test_labels_are_joined_by_number(folder):
    clean, noisy = expected("worst")
    order = np.random.default_rng(2).permutation(N)[:50]
    for ids in (order, [f"train_{i:05d}" for i in order], np.array([f"train_{i:05d}".encode() for i in order])):
        drawn = noise.human("worst", folder, ids, clean[order].astype("int32"))
        np.testing.assert_array_equal(drawn.noisy, noisy[order])
        np.testing.assert_array_equal(drawn.clean, clean[order])
        assert drawn.noisy.dtype == drawn.clean.dtype == np.int32


def test_a_wrong_join_is_noticed(folder):
    clean, _ = expected("worst")
    with pytest.raises(ValueError, match=r"1\d\d of 200 clean labels differ .*cifar10n_labels.npz, the first at posi"):
        noise.human("worst", folder, np.arange(N)[::-1], clean)
    with pytest.raises(ValueError, match="1 of 200 clean labels differ .*, the first at position 17"):
        noise.human("worst", folder, labels=np.where(np.arange(N) == 17, (clean + 1) % 10, clean))
    with pytest.raises(ValueError, match=r"`labels` of human must be one for each of 200 images, or `ids` must name"):
        noise.human("worst", folder, labels=clean[:50])
    with pytest.raises(ValueError, match=r"`labels` of human must be one for each of 3 images\. Received"):
        noise.human("worst", folder, ids=[0, 1, 2], labels=clean[:50])


def test_ids_that_cannot_be_joined(folder):
    for ids in ([0, N], [-1], [[0, 1]]):
        with pytest.raises(ValueError, match=rf"`ids` of human must be of shape \(n,\), with numbers in \[0, {N}\)"):
            noise.human("worst", folder, ids)
    with pytest.raises(ValueError, match=r"Received: 'bos_taurus_s_000507\.png'"):
        noise.human("cifar100n", folder, ["bos_taurus_s_000507.png"])


def test_the_license_is_printed_once_a_file(folder, capsys):
    noise.human("worst", folder)
    noise.human("random1", folder)
    assert capsys.readouterr().out.count("CC BY-NC 4.0") == 1


def test_missing_and_unfit_files(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match="labels.npz"):
        noise.human("worst", tmp_path / "labels.npz")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileNotFoundError, match=r"empty holds no human labels: looked for cifar10n_labels\.npz, CIFAR"):
        noise.human("worst", empty)
    with pytest.raises(ValueError, match=r"cifar100n_labels\.npz has no labels 'worse' or 'worse_label', only 'clean'"):
        noise.human("worst", folder / "cifar100n_labels.npz")
    with pytest.raises(ValueError, match="`name` of human must be one of 'aggregate', 'random1'"):
        noise.human("worse", folder)
    for wrong in ({"worse": [0, 10]}, {"worse": [0, -1]}, {"worse": [0]}, {"worse": [[0, 1]], "clean": [[0, 1]]}):
        np.savez(tmp_path / "unfit.npz", **({"clean": [0, 1]} | wrong))
        with pytest.raises(ValueError, match=r"unfit\.npz does not hold a clean and a noisy label of 10 classes"):
            noise.human("worst", tmp_path / "unfit.npz")


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("aggregate", 9.01),
        ("random1", 17.23),
        ("random2", 18.12),
        ("random3", 17.64),
        ("worst", 40.21),
        ("cifar100n", 40.20),
    ],
)
def test_realized_rates_of_the_real_labels(name, rate):
    drawn = noise.human(name, real_data("noisy_labels"))
    assert round(100 * drawn.rate, 2) == rate
    assert len(drawn.noisy) == 50_000


def test_worst_is_one_of_the_three_annotators():
    path = real_data("noisy_labels")
    worst, *three = (noise.human(name, path).noisy for name in ("worst", "random1", "random2", "random3"))
    assert np.all(np.any([worst == one for one in three], axis=0))
    assert CLEAN[0] == "clean"


def test_real_labels_join_the_real_images_of_tfds():
    tfds = pytest.importorskip("tensorflow_datasets")
    records = tfds.load(
        "cifar10",
        split="train[:2000]",
        data_dir=str(real_data("tfds")),
        download=False,
        decoders=tfds.decode.PartialDecoding({"id": True, "label": True}),
    )
    batch = next(iter(tfds.as_numpy(records.batch(2000))))
    labels = batch["label"]
    drawn = noise.human("worst", real_data("noisy_labels"), batch["id"], labels)
    assert 0.35 < drawn.rate < 0.45
    with pytest.raises(ValueError, match="of 2,000 clean labels differ"):
        noise.human("worst", real_data("noisy_labels"), np.roll(batch["id"], 1), labels)
