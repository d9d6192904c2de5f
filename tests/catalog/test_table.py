"""Every row of the catalog is whole, and what reads it takes exactly the rows that it should."""

import ast
import pathlib

import numpy as np
import pytest
from harness import once

from keras_robust import comparison, data, models, noise, recipes
from keras_robust.catalog import CATALOG
from keras_robust.data.reading import READERS
from keras_robust.data.sources import IN_MEMORY
from keras_robust.noise.human import HUMAN

pytestmark = once

ROWS = CATALOG.values()
each = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
#: Data sets by what is to be had of them, written down a second time.
PLAIN = {"digits", "mnist", "fashion_mnist", "cifar10", "cifar100"}
UNDER_PEOPLES_LABELS = {"cifar10n", "cifar100n"}
WRONG_AS_GIVEN = {"webvision", "mini_webvision", "webvision200", "webvision400", "animal10n", "clothing1m"}
TO_TEST_ON = {"ilsvrc12", "mini_ilsvrc12"}


def taken(call, *words):
    """The names of all rows for which a call does not say that it takes others, and what it says of an unknown one."""
    with pytest.raises(ValueError, match="must be one of '.*'. Received: .*='nonsense'") as refused:
        call("nonsense")
    known = str(refused.value).split("must be one of ")[1].split(". Received")[0]
    names = set()
    for name in CATALOG:
        try:
            call(name)
        except ValueError as error:
            if "must be one of" in str(error):
                continue
        except FileNotFoundError:
            pass
        names.add(name)
    assert known == ", ".join(repr(name) for name in CATALOG if name in names)
    return names


def test_names():
    assert next(iter(CATALOG)) == "digits"
    assert set(CATALOG) == PLAIN | UNDER_PEOPLES_LABELS | WRONG_AS_GIVEN | TO_TEST_ON
    assert all(name == row.name for name, row in CATALOG.items())
    assert {row.name for row in ROWS if row.wrong_as_given} == WRONG_AS_GIVEN
    assert {row.name for row in ROWS if row.test_only} == TO_TEST_ON


def test_who_takes_which_rows(tmp_path, monkeypatch):
    def load(name):
        return data.load(name, data_dir=tmp_path)

    def stopped(*arguments, **settings):
        raise FileNotFoundError

    trained_on = PLAIN | UNDER_PEOPLES_LABELS | WRONG_AS_GIVEN
    assert taken(load) == set(CATALOG)
    assert taken(data.generated) == set(CATALOG)
    assert taken(lambda name: data.gallery(name, tmp_path)) == trained_on
    assert taken(lambda name: data.load_arrays(name, tmp_path)) == PLAIN
    assert taken(lambda name: data.load_noisy(name, data_dir=tmp_path)) == PLAIN | UNDER_PEOPLES_LABELS
    assert taken(lambda name: noise.asymmetric(name, 0.4)) == PLAIN | UNDER_PEOPLES_LABELS
    monkeypatch.setattr(comparison, "train_grid", stopped)
    assert taken(lambda name: comparison.compare(tmp_path, name, None)) == PLAIN | UNDER_PEOPLES_LABELS
    changed = recipes.get("anl/mnist/symmetric:0.8/ce").changed
    assert taken(lambda name: changed(dataset=name, noise=None, augmentation=None)) == trained_on


def test_no_other_file_has_a_table_of_data_sets():
    """Names of readers aside, and recipes and figures, each of which is of a data set."""
    package, naming = pathlib.Path(data.__file__).parents[1], {}
    for path in package.rglob("*.py"):
        if path.parent.name not in ("catalog", "recipes", "figures"):
            texts = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
            if named := (CATALOG.keys() - READERS.keys()) & texts:
                naming[path.relative_to(package).as_posix()] = named
    files = {"cifar10", "cifar100"}  # what those of their official archives are called
    assert naming == {"noise/human.py": UNDER_PEOPLES_LABELS, "data/archives.py": files}


@each
def test_a_row_agrees_with_itself(row):
    assert row.num_classes == len(row.class_names) == len(set(row.class_names)) > 1
    assert row.train_size is None or row.train_size >= row.num_classes or row.test_only
    assert row.test_size >= row.num_classes
    assert not (row.wrong_as_given and (row.similar or row.network or row.human))
    assert row.network is None or callable(getattr(models, row.network))
    assert row.image_shape is None or len(row.image_shape) == 3


@each
def test_similar_classes_are_others_of_the_data_set(row):
    for variant, pairs in row.similar.items():
        assert {type(i) for pair in pairs for i in pair} == {int}
        assert all(0 <= i < row.num_classes for pair in pairs for i in pair)
        assert all(source != target for source, target in pairs)
        assert len({source for source, _ in pairs}) == len(pairs)
        matrix = noise.asymmetric(row.name, 0.25, variant)
        assert matrix.shape == (row.num_classes, row.num_classes)
        assert {source for source, _ in pairs} == set(np.flatnonzero(matrix.diagonal() < 1).tolist())


@each
def test_image_recipes_fit_the_images(row):
    names = [recipe.name for recipe in row.recipes]
    assert len(set(names)) == len(names) > 0
    assert set(names) <= {"plain", "anl", "dal", "logit_bias", "dividemix"}
    for recipe in row.recipes:
        channels = 3 if row.image_shape is None else row.image_shape[-1]
        assert len(recipe.mean) == len(recipe.std) == channels
        assert all(0 <= mean < 1 for mean in recipe.mean)
        assert all(0 < std <= 1 for std in recipe.std)
        assert recipe.source
        assert recipe.crop in ("center", "random", "resized")
        cut = row.reader not in IN_MEMORY
        assert (recipe.size is not None) == (recipe.resize is not None) == cut
        assert not cut or recipe.size <= recipe.resize


@each
def test_images_are_read_and_may_be_those_of_another_row(row):
    assert row.reader in READERS
    own = CATALOG[row.stored]
    assert own.images_of is None
    assert (own.reader, own.image_shape) == (row.reader, row.image_shape)
    assert row.num_classes <= own.num_classes
    if row.human is None:
        assert (row.name == own.name) == (row.num_classes == own.num_classes)
    else:
        assert (row.classes, row.train_size, row.test_size) == (own.classes, own.train_size, own.test_size)
        assert HUMAN[row.human.removeprefix("human:")].dataset == row.name


def test_every_reader_reads_a_row():
    of_folders = {"images"}  # of rows that `data.own_images` makes
    assert {row.reader for row in ROWS} | of_folders == READERS.keys()


@each
def test_generated_images_load_as_the_data_set(row):
    arrays = data.generated(row.name, train_size=4, test_size=3)
    own_labels = noise.NoisyLabels(arrays.y_train, arrays.y_train, row.num_classes, None)
    train, test, info, _ = data.load(
        row.name, own_labels if row.human else None, batch_size=2, arrays=arrays, augment=False
    )
    assert info.class_names == arrays.class_names == row.class_names
    assert info.num_classes == row.num_classes
    assert info.input_shape == arrays.input_shape == (row.image_shape or (64, 64, 3))
    assert (train is None) == row.test_only
    assert info.train_size == (0 if row.test_only else 4)
    assert not info.complete
    assert sum(len(labels) for _, labels in test) == 3
