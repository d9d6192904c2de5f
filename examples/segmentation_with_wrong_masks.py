"""Which masks are wrong? Train a segmentation network, log every image, and read off the most suspect masks.

Generated images hold a bright disc or a dark square on noisy ground. A fifth of the masks belongs to another image, or
calls the shape by the other class. Borders of shapes are 255 and do not count. One record an image, means over its
pixels, ranks the masks; with one record a pixel, so does the mean of the 20 worst pixels of each.

On JAX 62% of the 40 masks of lowest mean are wrong, 100% of those by the worst pixels, and 99% of the 500 most suspect
pixels. Takes about 25 seconds on two CPU cores. EXAMPLE_EPOCHS shortens it.
"""

import os
import tempfile

import keras
import numpy as np

import keras_robust as kr

EPOCHS = int(os.environ.get("EXAMPLE_EPOCHS", 30))
N, SIDE, IGNORED = 200, 16, 255
rng = np.random.default_rng(0)


def drawn():
    """An image (SIDE, SIDE, 1) and its mask: 0 ground, 1 disc, 2 square, 255 the border between."""
    (y, x), (row, column), radius = np.mgrid[:SIDE, :SIDE], rng.integers(5, SIDE - 5, 2), rng.integers(3, 6)
    shape = rng.integers(1, 3)
    away = np.hypot(y - row, x - column) if shape == 1 else np.maximum(abs(y - row), abs(x - column))
    mask = np.where(away < radius, shape, 0)
    image = np.array([0.0, 0.6, -0.6])[mask] + rng.normal(0.0, 0.3, (SIDE, SIDE))
    return image[..., None].astype("float32"), np.where(abs(away - radius) < 0.7, IGNORED, mask)


images, true_masks = map(np.array, zip(*(drawn() for _ in range(N)), strict=True))
masks, wrong = true_masks.copy(), rng.choice(N, N // 5, replace=False)
swapped, moved = wrong[: N // 10], wrong[N // 10 :]
masks[swapped] = np.select([masks[swapped] == 1, masks[swapped] == 2], [2, 1], masks[swapped])
masks[moved] = true_masks[np.roll(moved, 1)]

keras.utils.set_random_seed(0)
layers = [keras.layers.Conv2D(16, 3, padding="same", activation="relu") for _ in range(3)]
model = kr.ProvenanceModel(
    keras.Sequential([keras.Input((SIDE, SIDE, 1)), *layers, keras.layers.Conv2D(3, 1)])  # logits for each pixel
)
model.compile(keras.optimizers.Adam(3e-3), kr.GCE(0.3, from_logits=True, ignore_class=IGNORED))
of_images = kr.callbacks.SampleWeightLogger(tempfile.mkdtemp(), num_samples=N)
of_pixels = kr.callbacks.SampleWeightLogger(tempfile.mkdtemp(), num_samples=N, positions=True, every=5)
targets = {"label": masks, "index": np.arange(N)}
model.fit(images, targets, batch_size=10, epochs=EPOCHS, verbose=0, callbacks=[of_images, of_pixels])

log = of_pixels.log()
lowest = np.sort(log.mean_margin().reshape(N, -1))[:, :20].mean(axis=1)  # NaN, of ignored pixels, comes last
for name, order in (("mean over its pixels", of_images.log().suspects()), ("20 worst pixels", np.argsort(lowest))):
    found = np.isin(order[: len(wrong)], wrong).mean()
    print(f"by the {name}: {found:.0%} of the {len(wrong)} most suspect masks are wrong; by chance 20%")
truly = (masks != true_masks).reshape(-1)
print(f"{truly[log.suspects(500)].mean():.0%} of the 500 most suspect pixels are wrong; by chance {truly.mean():.0%}")
for one in kr.diagnostics.suspect_table(log, 3, class_names=["ground", "disc", "square"]):
    print(f"image {one.sample}, pixel {one.position}: {one.given_name} -> {one.believed_name}")
