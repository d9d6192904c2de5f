"""Wrong labels looked at before training: what they are, how many, and pictures of both."""

import pathlib

import numpy as np

from keras_robust.data import load_noisy
from keras_robust.diagnostics import plots
from keras_robust.noise import NoisyLabels


def report_noise(
    folder, dataset: str, noise: str | None, seed: int = 0, data_dir=None, samples: int = 60
) -> NoisyLabels:
    """Draws wrong labels for a data set and writes them, their report, and pictures of them into a new folder.

    labels.npz (`NoisyLabels.load` reads it), noise.txt (convention, realized rate and matrix), transition.png, and
    mislabeled.png, some of the wrongly labeled images, each with its given label over its clean one.

    Args:
        folder: a new folder.
        dataset: name of a data set of images in memory, "digits", "mnist", "cifar10", "cifar10n", ...
        noise: a noise string such as "human:worst"; None for clean labels.
        seed: seed of the labels and of the choice of images.
        data_dir: folder of the data set, as `data.load` takes it.
        samples: how many images at most.

    Raises:
        ValueError: for an unknown data set or noise.
        FileExistsError: if the folder is there already.

    Example:

    >>> labels = report_noise(tmp_path / "noise", "digits", "pair:0.2")
    >>> sorted(path.name for path in (tmp_path / "noise").iterdir())
    ['labels.npz', 'mislabeled.png', 'noise.txt', 'transition.png']
    """
    arrays, labels = load_noisy(dataset, noise, seed, data_dir)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    labels.save(folder / "labels.npz")
    (folder / "noise.txt").write_text(labels.report() + "\n")
    names, title = arrays.class_names, f"{dataset}, {noise or 'clean labels'}: {labels.rate:.1%} wrong"
    plots.transition_matrix(labels.transition, names, title=title).figure.savefig(folder / "transition.png")
    wrong = np.flatnonzero(labels.mask)
    shown = np.random.default_rng(seed).permutation(wrong)[:samples]
    captions = [f"{names[labels.noisy[i]]}\n({names[labels.clean[i]]})" for i in shown]
    title = f"{title}; given label, (clean label)"
    plots.contact_sheet(arrays.x_train[shown], captions, title=title).figure.savefig(folder / "mislabeled.png")
    return labels
