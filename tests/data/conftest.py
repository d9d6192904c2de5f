"""Tiny data sets in the official layouts, written to a temporary folder."""

import numpy as np
import pytest


def _write(path, pixels):
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tf.io.encode_jpeg(pixels, quality=100).numpy())


@pytest.fixture
def write_image():
    """write_image(path, gray, height, width): a JPEG of one gray level, by which it is known again."""

    def write(path, gray, height=40, width=50):
        _write(path, np.full((height, width, 3), gray, np.uint8))

    return write


@pytest.fixture
def webvision_tree(tmp_path, write_image):
    """12 training images of classes 0, 49, 50 and 999 with gray levels 10, 30, 50, ..., 4 validation images."""
    root = tmp_path / "web"
    labels = [0, 49, 50, 999] * 3
    lines = []
    for number, label in enumerate(labels):
        name = f"google/q{number % 2 + 1:04d}/image {number}.jpg"
        write_image(root / name, 10 + 20 * number, 256, 300)
        lines.append(f"{name} {label}\n")
    (root / "info").mkdir()
    (root / "info" / "train_filelist_google.txt").write_text("".join(lines))
    (root / "info" / "val_filelist.txt").write_text("".join(f"val{n:06d}.jpg {n * 16}\n" for n in range(4)))
    for number in range(4):
        write_image(root / "val_images_256" / f"val{number:06d}.jpg", 100 + number, 256, 256)
    synsets = (f"n{number:08d} class {number}, also called otherwise\n" for number in range(1000))
    (root / "info" / "synsets.txt").write_text("".join(synsets))
    return root


@pytest.fixture
def ilsvrc_tree(tmp_path, write_image):
    """ilsvrc12/val with a folder for each of 1,000 synsets; in each of the first 50 an image of gray level 2 * label
    and one of 100 more.
    """
    root = tmp_path / "stored"
    for label in range(1000):
        folder = root / "ilsvrc12" / "val" / f"n{10 * label:08d}"
        folder.mkdir(parents=True)
        for number in range(2 if label < 50 else 0):
            write_image(folder / f"ILSVRC2012_val_{number}.JPEG", 2 * label + 100 * number, 256, 256)
    return root


@pytest.fixture
def animal_tree(tmp_path, write_image):
    """10 training images whose gray level is 5 + 10 * label, not in the order of their names, 3 test images."""
    root = tmp_path / "animals"
    for number in range(10):
        write_image(
            root / "training" / f"{(7 * number) % 10}_{number * 1111}.jpg", 5 + 10 * ((7 * number) % 10), 64, 64
        )
    for number in range(3):
        write_image(root / "testing" / f"{number}_{50000 + number}.jpg", 5 + 10 * number, 64, 64)
    return root


@pytest.fixture
def binary_animal_tree(tmp_path):
    """Two training files of 4 and 3 records and a test file of 2; red, green and blue of record i are i, i+1, i+2."""
    root = tmp_path / "binary"
    root.mkdir()
    first = 0
    for name, count in (("data_batch_1", 4), ("data_batch_2", 3), ("test_batch", 2)):
        content = b""
        for number in range(first, first + count):
            channels = np.repeat(np.arange(number, number + 3, dtype=np.uint8), 64 * 64)
            content += number.to_bytes(4, "big") + (number % 10).to_bytes(4, "big") + channels.tobytes()
        (root / f"{name}.bin").write_bytes(content)
        first += count
    return root


@pytest.fixture
def clothing_tree(tmp_path, write_image):
    """8 noisy training images with gray levels 20, 40, ..., 3 clean test images; lists that hold more than is used."""
    root = tmp_path / "clothes"
    noisy = [f"images/{n % 3}/{n:02d}/a,b_{n}.jpg" for n in range(8)]
    clean = [f"images/9/{n:02d}/c{n}.jpg" for n in range(4)]
    for number, name in enumerate(noisy):
        write_image(root / name, 20 * number + 20)
    for number, name in enumerate(clean):
        write_image(root / name, 200 + 5 * number)
    (root / "noisy_train_key_list.txt").write_text("\n".join(noisy) + "\n")
    (root / "noisy_label_kv.txt").write_text("".join(f"{name} {n}\n" for n, name in enumerate([*noisy, clean[3]])))
    (root / "clean_test_key_list.txt").write_text("\n".join(clean[:3]) + "\n")
    (root / "clean_label_kv.txt").write_text("".join(f"{name} {13 - n}\n" for n, name in enumerate(clean)))
    return root
