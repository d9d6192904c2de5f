"""How many images a second does the input pipeline alone deliver on two cores? The bar: 5,000 of CIFAR-10, augmented.

    KERAS_BACKEND=jax python benchmarks/pipeline.py [--data-dir FOLDER] [--epochs 3]

One epoch of warm-up is not counted. Beside the time: that every epoch held every sample once, in a new order. Without a
folder with CIFAR-10, images of random pixels take its place. Takes about a minute; the last line is JSON.
"""

import argparse
import itertools
import json
import pathlib
import tempfile
import time

import measuring

measuring.keep_to_cores(2)

import numpy as np
import tensorflow as tf

import keras_robust as kr

PIPELINES = {
    "cifar10, as it is": ("cifar10", False),
    "cifar10, flip and padded crop": ("cifar10", True),
    "cifar100, rotation as well": ("cifar100", True),
}


def random_images(folder):
    """Archives of random pixels, as large as CIFAR."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (50_000, 32, 32, 3), np.uint8)
    for name, K in (("cifar10", 10), ("cifar100", 100)):
        y = np.arange(50_000) % K
        np.savez(folder / f"{name}.npz", x_train=x, y_train=y, x_test=x[:10_000], y_test=y[:10_000])
    return folder


def images_on_disk(folder, count=512):
    """A mini WebVision of images of 256 x 340 pixels."""
    rng = np.random.default_rng(0)
    (folder / "google").mkdir()
    (folder / "val_images_256").mkdir()
    (folder / "info").mkdir()
    coarse = tf.image.resize(rng.integers(0, 256, (16, 24, 32, 3)).astype("float32"), (256, 340), method="bicubic")
    files = [tf.io.encode_jpeg(tf.cast(tf.clip_by_value(image, 0, 255), tf.uint8)).numpy() for image in coarse]
    for number in range(count):
        (folder / "google" / f"{number}.jpg").write_bytes(files[number % len(files)])
    (folder / "val_images_256" / "0.jpg").write_bytes(files[0])
    lines = "".join(f"google/{number}.jpg {number % 50}\n" for number in range(count))
    (folder / "info" / "train_filelist_google.txt").write_text(lines)
    (folder / "info" / "val_filelist.txt").write_text("0.jpg 0\n")
    return folder


def rate(train, size, epochs):
    """Images a second in each epoch after the first, and whether all epochs were whole and in orders of their own."""
    rates, orders = [], []
    for _ in range(epochs + 1):
        start = time.perf_counter()
        order = np.concatenate([targets["index"].numpy() for _, targets in train])
        rates.append(size / (time.perf_counter() - start))
        orders.append(order)
    whole = all(np.array_equal(np.sort(order), np.arange(size)) for order in orders)
    return rates[1:], whole and not any(np.array_equal(a, b) for a, b in itertools.pairwise(orders))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", help="folder that holds CIFAR-10 and CIFAR-100 (default: random pixels)")
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    circumstances, results = measuring.circumstances("tensorflow"), {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        data_dir = options.data_dir or random_images(folder)
        loads = {name: (dataset, data_dir, augment) for name, (dataset, augment) in PIPELINES.items()}
        disk = images_on_disk(folder)
        loads["mini_webvision from disk, cut at the center"] = ("mini_webvision", disk, False)
        loads["mini_webvision from disk, flip and jitter"] = ("mini_webvision", disk, True)
        for name, (dataset, source, augment) in loads.items():
            train, _, info, _ = kr.data.load(dataset, data_dir=source, augment=augment, provenance=True)
            rates, correct = rate(train, info.train_size, options.epochs)
            results[name] = {"images_per_second": [round(one) for one in rates], "every_sample_once": correct}
            print(f"{name:48s} {np.median(rates):8,.0f} images/s   {'whole' if correct else 'WRONG'}")
    print(
        json.dumps(
            {
                "benchmark": "pipeline",
                "results": results,
                "real_images": options.data_dir is not None,
                **circumstances,
            }
        )
    )


if __name__ == "__main__":
    main()
