"""Data sets on disk: tiny trees in the official layouts, and everything that may be wrong with them."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from harness import once_on_jax

from keras_robust import data, noise
from keras_robust.data import folders

pytestmark = once_on_jax


def pixels(dataset, scale=1.0):
    """Mean pixel of each image in [0, 255], its label, and its index where there is one."""
    rows = []
    for images, targets in dataset:
        means = images.numpy().mean(axis=(1, 2)) * scale
        labels = targets["label"] if isinstance(targets, dict) else targets
        indices = targets["index"] if isinstance(targets, dict) else np.zeros(len(means))
        rows += zip(means, labels.numpy(), np.asarray(indices), strict=True)
    return rows


def load(name, folder, **keywords):
    return data.load(name, data_dir=folder, batch_size=4, augment=False, **keywords)


def shown(images, info):
    """Images as they were before they were normalized, in [0, 255]."""
    return 255 * (np.asarray(images) * info.std + info.mean)


@pytest.mark.parametrize("inside", [False, True])
def test_webvision(webvision_tree, inside):
    if inside:
        webvision_tree = webvision_tree.rename(webvision_tree.parent / "webvision").parent
    train, test, info, drawn = load("webvision", webvision_tree, provenance=True)
    assert (info.num_classes, info.train_size, info.test_size, info.complete) == (1000, 12, 4, False)
    assert info.input_shape == (224, 224, 3)
    assert info.class_names[:2] == ("class 0", "class 1")
    assert drawn is None
    assert len(train) == 3
    seen = []
    for images, targets in train:
        assert sorted(targets) == ["index", "label"]
        grays = shown(images, info).mean(axis=(1, 2, 3))
        for gray, label, index in zip(grays, targets["label"].numpy(), targets["index"].numpy(), strict=True):
            assert label == [0, 49, 50, 999][index % 4]
            assert abs(gray - (10 + 20 * index)) < 1.5
            seen.append(index)
    assert sorted(seen) == list(range(12))
    [(images, labels)] = list(test)
    assert labels.numpy().tolist() == [0, 16, 32, 48]
    assert np.allclose(shown(images, info).mean(axis=(1, 2, 3)), [100, 101, 102, 103], atol=1.5)


def test_mini_webvision_is_the_first_fifty_classes(webvision_tree):
    train, _, info, _ = load("mini_webvision", webvision_tree, provenance=True)
    assert (info.num_classes, info.train_size, info.test_size) == (50, 6, 4)
    for images, targets in train:
        index = targets["index"].numpy()
        assert np.array_equal(targets["label"], np.array([0, 49] * 3)[index])
        grays = shown(images, info).mean(axis=(1, 2, 3))
        assert np.allclose(grays, np.array([10, 30, 90, 110, 170, 190])[index], atol=1.5)


@pytest.mark.parametrize(("name", "classes"), [("webvision200", 200), ("webvision400", 400)])
def test_the_first_hundreds_of_webvision(webvision_tree, name, classes):
    train, _, info, _ = load(name, webvision_tree)
    assert (info.num_classes, info.train_size, info.test_size) == (classes, 9, 4)
    assert info.class_names[-1] == f"class {classes - 1}"
    assert sorted(label for _, label, _ in pixels(train)) == [0] * 3 + [49] * 3 + [50] * 3


def test_webvision_of_original_size_and_without_names(webvision_tree):
    (webvision_tree / "val_images_256").rename(webvision_tree / "val_images")
    (webvision_tree / "info" / "synsets.txt").unlink()
    _, test, info, _ = load("webvision", webvision_tree)
    assert info.class_names[998:] == ("998", "999")
    assert sum(len(labels) for _, labels in test) == 4


def test_animal10n_is_ordered_by_number(animal_tree):
    train, test, info, _ = load("animal10n", animal_tree, provenance=True)
    assert (info.num_classes, info.train_size, info.test_size, info.input_shape) == (10, 10, 3, (64, 64, 3))
    assert info.class_names[9] == "guinea pig"
    rows = sorted(pixels(train, 255), key=lambda row: row[2])
    assert [label for _, label, _ in rows] == [(7 * number) % 10 for number in range(10)]
    for mean, label, _ in rows:
        assert np.allclose(mean, 5 + 10 * label, atol=1.5)
    assert [label for _, label, _ in pixels(test)] == [0, 1, 2]


@pytest.mark.parametrize("order", ["big", "little"])
def test_animal10n_in_its_binary_version(binary_animal_tree, order):
    if order == "little":
        for path in binary_animal_tree.iterdir():
            records = np.fromfile(path, folders.RECORD)
            records["label"] = records["label"].view("V4").copy().view(">u4").astype("<u4").view("V4")
            records.tofile(path)
    train, test, info, _ = load("animal10n", binary_animal_tree, provenance=True)
    assert (info.train_size, info.test_size, info.input_shape) == (7, 2, (64, 64, 3))
    rows = pixels(train, 255) + [(mean, label, label) for mean, label, _ in pixels(test, 255)]
    assert sorted(index for *_, index in rows) == list(range(9))
    for mean, label, index in rows:
        assert label == index
        assert np.allclose(mean, [index, index + 1, index + 2], atol=1e-4)


def test_clothing1m(clothing_tree):
    train, test, info, _ = load("clothing1m", clothing_tree, provenance=True)
    assert (info.num_classes, info.train_size, info.test_size) == (14, 8, 3)
    assert info.class_names[13] == "Underwear"
    for images, targets in train:
        grays = shown(images, info).mean(axis=(1, 2, 3))
        assert np.allclose(grays, 20 + 20 * targets["index"].numpy(), atol=1.5)
        assert np.array_equal(targets["label"], targets["index"])
    [(images, labels)] = list(test)
    assert labels.numpy().tolist() == [13, 12, 11]
    assert np.allclose(shown(images, info).mean(axis=(1, 2, 3)), [200, 205, 210], atol=1.5)
    (clothing_tree / "category_names_eng.txt").write_text("".join(f"name {n}\n" for n in range(14)))
    assert load("clothing1m", clothing_tree).info.class_names[3] == "name 3"


@pytest.mark.parametrize("place", ["", "ilsvrc12"])
def test_ilsvrc12_is_tested_on_alone(ilsvrc_tree, place):
    train, test, info, drawn = load("mini_ilsvrc12", ilsvrc_tree / place, provenance=True)
    assert train is None
    assert drawn is None
    assert (info.num_classes, info.train_size, info.test_size, info.complete) == (50, 0, 100, False)
    assert (info.input_shape, info.class_names[49]) == ((224, 224, 3), "n00000490")
    images, labels = (np.concatenate(part) for part in zip(*test.as_numpy_iterator(), strict=True))
    assert labels.tolist() == [label for label in range(50) for _ in range(2)]
    assert np.allclose(shown(images, info).mean(axis=(1, 2, 3)), 2 * labels + np.tile([0, 100], 50), atol=1.5)
    with pytest.raises(ValueError, match="`noise` of load must be None: mini_ilsvrc12 is for testing alone. Received"):
        load("mini_ilsvrc12", ilsvrc_tree, noise="symmetric:0.4")


def test_ilsvrc12_in_the_order_of_webvisions_classes(ilsvrc_tree):
    """WebVision's list says which synset is which class; the order of names, and other folders, do not count."""
    (ilsvrc_tree / "webvision" / "info").mkdir(parents=True)
    order = [*range(49, -1, -1), *range(50, 1000)]
    lines = (f"n{10 * number:08d} class {number}, or so\n" for number in order)
    (ilsvrc_tree / "webvision" / "info" / "synsets.txt").write_text("".join(lines))
    (ilsvrc_tree / "ilsvrc12" / "val" / "n00009990").rmdir()
    _, test, info, _ = load("mini_ilsvrc12", ilsvrc_tree)
    assert (info.class_names[0], info.class_names[49]) == ("class 49", "class 0")
    images, labels = (np.concatenate(part) for part in zip(*test.as_numpy_iterator(), strict=True))
    assert np.allclose(shown(images[::2], info).mean(axis=(1, 2, 3)), 2 * (49 - labels[::2]), atol=1.5)
    with pytest.raises(FileNotFoundError, match="There are no images in .*n00000500"):
        load("ilsvrc12", ilsvrc_tree)


def test_ilsvrc12_in_one_folder(ilsvrc_tree, write_image):
    root = ilsvrc_tree / "flat"
    for number in range(6):
        write_image(root / "val" / f"ILSVRC2012_val_{number:08d}.JPEG", 20 * number, 256, 256)
    labels = [0, 999, 49, 50, 1, 0]
    (root / "val.txt").write_text(
        "".join(f"ILSVRC2012_val_{number:08d}.JPEG {label}\n" for number, label in enumerate(labels))
    )
    _, test, info, _ = load("mini_ilsvrc12", root)
    assert (info.num_classes, info.test_size, info.class_names[:2]) == (50, 4, ("0", "1"))
    [(images, read)] = list(test)
    assert read.numpy().tolist() == [0, 49, 1, 0]
    assert np.allclose(shown(images, info).mean(axis=(1, 2, 3)), [0, 40, 80, 100], atol=1.5)
    assert load("ilsvrc12", root).info.test_size == 6


def test_known_truth_may_be_given(animal_tree):
    given = load("animal10n", animal_tree).train
    labels = np.array([(7 * number) % 10 for number in range(10)])
    assert len(given) == 3
    truth = noise.NoisyLabels(labels, (labels + 1) % 10, 10, None)
    train, _, _, kept = load("animal10n", animal_tree, noise=truth, provenance=True)
    assert kept is truth
    for _, targets in train:
        assert np.array_equal(targets["clean"], (targets["label"].numpy() + 1) % 10)
    with pytest.raises(ValueError, match="animal10n has wrong labels of its own"):
        load("animal10n", animal_tree, noise="symmetric:0.4")
    with pytest.raises(ValueError, match="for each of the 10 training samples of animal10n. It holds 3 labels of 10"):
        load("animal10n", animal_tree, noise=noise.NoisyLabels(labels[:3], labels[:3], 10, None))


# What is done to a tree, and the words of the error that must come.
FAULTS = [
    (
        "webvision_tree",
        "webvision",
        lambda root: (root / "google/q0001/image 4.jpg").unlink(),
        "q0001/image 4.jpg",
        FileNotFoundError,
    ),
    (
        "webvision_tree",
        "webvision",
        lambda root: shutil.rmtree(root / "google/q0002"),
        "6 of the 12 images",
        FileNotFoundError,
    ),
    (
        "webvision_tree",
        "webvision",
        lambda root: (root / "val_images_256/val000003.jpg").unlink(),
        "val000003.jpg",
        FileNotFoundError,
    ),
    (
        "webvision_tree",
        "webvision",
        lambda root: (root / "info/val_filelist.txt").unlink(),
        "info/val_filelist.txt",
        FileNotFoundError,
    ),
    (
        "webvision_tree",
        "webvision",
        lambda root: (root / "info/train_filelist_google.txt").unlink(),
        "holds no web",
        FileNotFoundError,
    ),
    (
        "webvision_tree",
        "webvision",
        lambda root: append(root / "info/train_filelist_google.txt", "a.jpg 1000"),
        "google.txt.*a.jpg 1000",
    ),
    (
        "webvision_tree",
        "mini_webvision",
        lambda root: append(root / "info/val_filelist.txt", "a.jpg 1000"),
        "val_filelist.*a.jpg 1000",
    ),
    (
        "webvision_tree",
        "webvision",
        lambda root: append(root / "info/val_filelist.txt", "a.jpg -1"),
        "val_filelist.txt.*a.jpg -1",
    ),
    (
        "webvision_tree",
        "webvision",
        lambda root: append(root / "info/val_filelist.txt", "a.jpg"),
        "val_filelist.txt.*'a.jpg'",
    ),
    (
        "webvision_tree",
        "webvision",
        lambda root: (root / "info/val_filelist.txt").write_text("\n"),
        "val_filelist.txt names no images",
    ),
    (
        "webvision_tree",
        "webvision",
        lambda root: (root / "info/synsets.txt").write_text("n0 a\n"),
        "synsets.txt must name 1000 classes",
    ),
    (
        "animal_tree",
        "animal10n",
        lambda root: shutil.rmtree(root / "testing"),
        "There is no .*testing",
        FileNotFoundError,
    ),
    (
        "animal_tree",
        "animal10n",
        lambda root: (root / "training/10_7.jpg").touch(),
        "10_7.jpg is not called LABEL_NUMBER.jpg",
    ),
    (
        "animal_tree",
        "animal10n",
        lambda root: (root / "training/notes.txt").touch(),
        "notes.txt is not called LABEL_NUMBER.jpg",
    ),
    ("animal_tree", "animal10n", lambda root: empty(root / "testing"), "testing holds no images"),
    (
        "binary_animal_tree",
        "animal10n",
        lambda root: (root / "test_batch.bin").unlink(),
        "There is no .*test_batch.bin",
        FileNotFoundError,
    ),
    (
        "binary_animal_tree",
        "animal10n",
        lambda root: (root / "data_batch_2.bin").rename(root / "data_batch_3.bin"),
        "There is no .*data_batch_2.bin",
        FileNotFoundError,
    ),
    (
        "binary_animal_tree",
        "animal10n",
        lambda root: append(root / "data_batch_2.bin", "x"),
        "data_batch_2.bin has .* not whole records",
    ),
    (
        "binary_animal_tree",
        "animal10n",
        lambda root: label_record(root / "test_batch.bin", 1, 10),
        "test_batch.bin: .* Record 1 has 10",
    ),
    (
        "ilsvrc_tree",
        "mini_ilsvrc12",
        lambda root: (root / "ilsvrc12/val/n00009990").rmdir(),
        "val must hold 1,000 folders, one for each synset. It holds 999",
    ),
    (
        "ilsvrc_tree",
        "mini_ilsvrc12",
        lambda root: empty(root / "ilsvrc12/val/n00000010"),
        "There are no images in .*n00000010",
        FileNotFoundError,
    ),
    (
        "ilsvrc_tree",
        "mini_ilsvrc12",
        lambda root: (root / "ilsvrc12/val/n00000010/notes.txt").touch(),
        "n00000010/notes.txt is not called NAME.JPEG",
    ),
    (
        "ilsvrc_tree",
        "mini_ilsvrc12",
        lambda root: shutil.rmtree(root / "ilsvrc12"),
        "holds no ilsvrc12: there is no val in it, or in ilsvrc12/ in it",
        FileNotFoundError,
    ),
    (
        "clothing_tree",
        "clothing1m",
        lambda root: (root / "images/1/01/a,b_1.jpg").unlink(),
        "images/1/01/a,b_1.jpg",
        FileNotFoundError,
    ),
    (
        "clothing_tree",
        "clothing1m",
        lambda root: (root / "clean_label_kv.txt").unlink(),
        "clean_label_kv.txt",
        FileNotFoundError,
    ),
    (
        "clothing_tree",
        "clothing1m",
        lambda root: (root / "noisy_train_key_list.txt").unlink(),
        "holds no clothing1m",
        FileNotFoundError,
    ),
    (
        "clothing_tree",
        "clothing1m",
        lambda root: append(root / "clean_label_kv.txt", "a.jpg 14"),
        "clean_label_kv.txt.*'a.jpg 14'",
    ),
    (
        "clothing_tree",
        "clothing1m",
        lambda root: append(root / "clean_label_kv.txt", "images/9/00/c0.jpg 2"),
        "clean_label_kv.txt gives images/9/00/c0.jpg two labels",
    ),
    (
        "clothing_tree",
        "clothing1m",
        lambda root: append(root / "noisy_train_key_list.txt", "images/new.jpg"),
        "noisy_label_kv.txt has no label for 1 of the 9 images that noisy_train_key_list.txt names, .*images/new.jpg",
    ),
    (
        "clothing_tree",
        "clothing1m",
        lambda root: (root / "category_names_eng.txt").write_text("Shirt\n"),
        "category_names_eng.txt must name 14 classes. It names 1",
    ),
]


def append(path, line):
    with open(path, "a") as file:
        file.write(line + "\n")


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def label_record(path, number, label):
    records = np.fromfile(path, folders.RECORD)
    records["label"][number] = np.array(label, ">u4").tobytes()
    records.tofile(path)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault[3][:40])
def test_faults_are_named(fault, request):
    tree, name, spoil, words, kind = (*fault, ValueError)[:5]
    root = request.getfixturevalue(tree)
    load(name, root)
    spoil(root)
    with pytest.raises(kind, match=words):
        load(name, root)


@pytest.mark.parametrize("content", [b"", b"no image", "half", b"\xff\xd8\xff\xe0 a beginning"], ids=repr)
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_broken_image_is_named(clothing_tree, content, split):
    path = clothing_tree / {"train": "images/2/05/a,b_5.jpg", "test": "images/9/01/c1.jpg"}[split]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    dataset = getattr(load("clothing1m", clothing_tree), split)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{path} is not a readable image"):
        list(dataset)


def test_an_image_that_vanishes_is_named(clothing_tree):
    splits = load("clothing1m", clothing_tree)
    assert len(list(splits.train)) == 2
    (clothing_tree / "images/2/05/a,b_5.jpg").unlink()
    with pytest.raises(tf.errors.InvalidArgumentError, match="a,b_5.jpg is not a readable image"):
        list(splits.train)


def test_gray_and_transparent_images_have_three_channels(clothing_tree):
    gray = tf.io.encode_jpeg(np.full((40, 50, 1), 40, np.uint8)).numpy()
    transparent = tf.io.encode_png(np.full((40, 50, 4), 60, np.uint8)).numpy()
    (clothing_tree / "images/1/01/a,b_1.jpg").write_bytes(gray)
    (clothing_tree / "images/2/02/a,b_2.jpg").write_bytes(transparent)
    train, _, info, _ = load("clothing1m", clothing_tree, provenance=True)
    for images, targets in train:
        grays = shown(images, info).mean(axis=(1, 2))
        assert np.allclose(grays, (20 + 20 * targets["index"].numpy())[:, None], atol=1.5)


def test_data_on_disk_needs_a_folder(tmp_path):
    with pytest.raises(ValueError, match="webvision is read from disk: pass the folder that holds it as `data_dir`"):
        data.load("webvision")
    with pytest.raises(FileNotFoundError, match="holds no animal10n: there is no training or data_batch_1.bin"):
        data.load("animal10n", data_dir=tmp_path)


def test_long_lists_are_read_quickly_enough_to_be_checked_whole(tmp_path):
    """Each folder is listed once: not one look at the disk a file."""
    (tmp_path / "images").mkdir()
    for name in "ab":
        (tmp_path / "images" / f"{name}.jpg").touch()
    looks = []
    original = folders.os.listdir
    folders.os.listdir = lambda path: looks.append(path) or original(path)
    try:
        names = ["images/a.jpg", "images/b.jpg"] * 1000
        found, labels = folders._files("list", tmp_path, names, np.zeros(2000, "int32"))
    finally:
        folders.os.listdir = original
    assert len(looks) == 1
    assert len(labels) == 2000
    assert found.paths[:2] == [f"{tmp_path}/images/a.jpg", f"{tmp_path}/images/b.jpg"]
