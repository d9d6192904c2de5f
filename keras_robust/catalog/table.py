"""The data sets, a row each. What is known of a data set stands here and nowhere else."""

from dataclasses import replace

from keras_robust.catalog import classes
from keras_robust.catalog.schema import Dataset, ImageRecipe
from keras_robust.checks import OneOf

_ANL = "released code of Ye et al. 2023"
_DAL = "released code of Li et al. 2023"
_LOGIT_BIAS = "Staats et al. 2023, appendix 1"
_DIVIDEMIX = "released code of DivideMix (Li et al. 2020)"

_RGB10 = {"mean": (0.4914, 0.4822, 0.4465), "shift": 4, "flip": True}
_RGB100 = {"mean": (0.5071, 0.4865, 0.4409), "std": (0.2673, 0.2564, 0.2762), "shift": 4, "flip": True}
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "resize": 256, "flip": True}
_PLAIN_IMAGENET = {name: _IMAGENET[name] for name in ("mean", "std")}
_WEB = ImageRecipe("anl", source=_ANL, size=224, crop="resized", jitter=(0.4, 0.4, 0.4, 0.2), **_IMAGENET)
_MINI_WEB = (
    replace(_WEB, source=f"{_ANL} and of Li et al. 2023"),
    ImageRecipe("dividemix", source=_DIVIDEMIX, size=227, crop="random", **_IMAGENET),
)

_CIFAR10 = Dataset(
    name="cifar10",
    classes=classes.CIFAR10,
    train_size=50_000,
    test_size=10_000,
    reader="archive",
    recipes=(
        ImageRecipe("anl", std=(0.2470, 0.2435, 0.2616), source=_ANL, **_RGB10),
        ImageRecipe("dal", std=(0.2023, 0.1994, 0.2010), source=_DAL, **_RGB10),
        ImageRecipe("logit_bias", source=_LOGIT_BIAS, shift=4, flip=True, **_PLAIN_IMAGENET),
        ImageRecipe("plain", source=_LOGIT_BIAS, **_PLAIN_IMAGENET),
    ),
    image_shape=(32, 32, 3),
    similar={"clean": classes.SIMILAR_CIFAR10, "sequential": classes.SIMILAR_CIFAR10},
    network="cnn8",
)
_CIFAR100 = Dataset(
    name="cifar100",
    classes=classes.CIFAR100,
    train_size=50_000,
    test_size=10_000,
    reader="archive",
    recipes=(
        ImageRecipe("anl", rotation=20, source=_ANL, **_RGB100),
        ImageRecipe(
            "dal", source=_DAL, **_RGB100 | {"mean": (0.5071, 0.4867, 0.4408), "std": (0.2675, 0.2565, 0.2761)}
        ),
        ImageRecipe(
            "logit_bias",
            mean=(0.507, 0.487, 0.441),
            std=(0.267, 0.256, 0.276),
            source=_LOGIT_BIAS,
            shift=4,
            flip=True,
            rotation=15,
        ),
    ),
    image_shape=(32, 32, 3),
    similar={"superclass": classes.CIFAR100_IN_SUPERCLASSES, "blocks": classes.CIFAR100_IN_BLOCKS},
    network="resnet34",
)
_WEBVISION = Dataset(
    name="webvision",
    classes=1000,
    train_size=980_449,
    test_size=50_000,
    reader="webvision",
    recipes=(_WEB,),
    wrong_as_given=True,
)
_ILSVRC12 = Dataset(
    name="ilsvrc12",
    classes=1000,
    train_size=0,
    test_size=50_000,
    reader="ilsvrc12",
    recipes=_MINI_WEB,
)

_ANIMALS = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "resize": 64, "size": 64}
_CLOTHES = {"mean": (0.6959, 0.6537, 0.6371), "resize": 256, "size": 224, "flip": True}

_ROWS = (
    Dataset(
        name="digits",
        classes=classes.DIGITS,
        train_size=1_438,
        test_size=359,
        reader="digits",
        recipes=(ImageRecipe("plain", (0.0,), (1.0,), "pixels as they are"),),
        image_shape=(8, 8, 1),
        similar={"clean": classes.SIMILAR_DIGITS},
        network="cnn2",
    ),
    Dataset(
        name="mnist",
        classes=classes.DIGITS,
        train_size=60_000,
        test_size=10_000,
        reader="archive",
        recipes=(ImageRecipe("anl", (0.1307,), (0.3081,), _ANL),),
        image_shape=(28, 28, 1),
        similar={"clean": classes.SIMILAR_DIGITS},
        network="cnn4",
    ),
    Dataset(
        name="fashion_mnist",
        classes=classes.FASHION,
        train_size=60_000,
        test_size=10_000,
        reader="archive",
        recipes=(
            ImageRecipe("plain", (0.2860,), (0.3530,), "mean and deviation of the training pixels"),
            ImageRecipe("logit_bias", (0.2860,), (0.3530,), _LOGIT_BIAS, shift=4, flip=True),
        ),
        image_shape=(28, 28, 1),
        similar={"clean": classes.SIMILAR_FASHION},
        network="cnn4",
    ),
    _CIFAR10,
    _CIFAR100,
    # Wei et al. 2022: the same images under the labels that people gave them.
    replace(_CIFAR10, name="cifar10n", images_of="cifar10", human="human:worst"),
    replace(_CIFAR100, name="cifar100n", images_of="cifar100", human="human:cifar100n"),
    # Li et al. 2017; its first 50 classes are the "mini" setting of Jiang et al. 2018, 200 and 400 those of Ou & Zhang.
    _WEBVISION,
    replace(
        _WEBVISION,
        name="mini_webvision",
        images_of="webvision",
        classes=50,
        train_size=65_944,
        test_size=2_500,
        recipes=_MINI_WEB,
    ),
    replace(_WEBVISION, name="webvision200", images_of="webvision", classes=200, train_size=None, test_size=10_000),
    replace(_WEBVISION, name="webvision400", images_of="webvision", classes=400, train_size=None, test_size=20_000),
    Dataset(
        name="animal10n",
        classes=classes.ANIMALS,
        train_size=50_000,
        test_size=5_000,
        reader="animal10n",
        recipes=(
            ImageRecipe("plain", source="Song et al. 2019 (SELFIE): none", **_ANIMALS),
            ImageRecipe("anl", source="Ye et al. 2023, appendix D.5, which has no mean", flip=True, **_ANIMALS),
        ),
        image_shape=(64, 64, 3),
        wrong_as_given=True,
    ),
    Dataset(
        name="clothing1m",
        classes=classes.CLOTHES,
        train_size=1_000_000,
        test_size=10_526,
        reader="clothing1m",
        recipes=(
            ImageRecipe("dividemix", std=(0.3113, 0.3192, 0.3214), source=_DIVIDEMIX, crop="random", **_CLOTHES),
            ImageRecipe(
                "anl", std=(1.0,) * 3, source=f"Ye et al. 2023, appendix D.5; the mean: {_DIVIDEMIX}", **_CLOTHES
            ),
        ),
        wrong_as_given=True,
    ),
    # What networks that were trained on WebVision, or on its first 50 classes, are tested on as well.
    _ILSVRC12,
    replace(_ILSVRC12, name="mini_ilsvrc12", images_of="ilsvrc12", classes=50, test_size=2_500),
)

CATALOG = {row.name: row for row in _ROWS}
"""The data sets by name."""


def row_of(dataset: str | Dataset, owner: str = "row_of", name: str = "dataset", known=tuple(CATALOG)) -> Dataset:
    """The row of a data set: that of a name, or the row itself, such as `data.own_images` makes of a folder.

    Args:
        dataset: a name, or a row.
        owner, name: who asks, and for which argument, for the error.
        known: the names that are taken.

    Raises:
        ValueError: for an unknown name.

    Example:

    >>> row_of("digits").num_classes
    10
    """
    return dataset if isinstance(dataset, Dataset) else CATALOG[OneOf(known).check(owner, name, dataset)]
