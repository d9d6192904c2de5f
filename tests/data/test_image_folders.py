"""A user's own folder of images as a data set: what is in it, what size, and what is refused."""

import os

import numpy as np
import pytest
from harness import once
from PIL import Image

from keras_robust import data, recipes
from keras_robust.catalog import Dataset, row_of
from keras_robust.comparison import contender
from keras_robust.data import image_folders
from keras_robust.data.image_folders import Listing, listed, read_images, refuse_changed

pytestmark = once
RNG = np.random.default_rng(0)


@pytest.fixture
def pets(tmp_path):
    """Five images of two classes, of three sizes and two modes, one deeper."""
    root = tmp_path / "pets"
    sizes = {"cat/a.png": (20, 12), "cat/b.jpg": (12, 12), "dog/a.png": (12, 30), "dog/x/c.gif": (12, 12)}
    for name, (width, height) in {**sizes, "dog/x/d.png": (6, 7)}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (height, width, 3), "uint8")).save(root / name)
    Image.open(root / "dog/a.png").convert("L").save(root / "dog/a.png")
    return root


def test_a_row_is_made_of_a_folder(pets):
    row = data.own_images(pets)
    assert (row.name, row.classes, row.train_size, row.untested) == ("pets", ("cat", "dog"), 5, True)
    assert (row.recipes[0].size, row.network, row.wrong_as_given) == (12, "cnn2", True)
    arrays = read_images(row, pets, False)
    assert arrays.x_train.shape == (5, 12, 12, 3)
    assert arrays.y_train.tolist() == [0, 0, 1, 1, 1]
    wide = np.asarray(Image.open(pets / "cat/a.png"))  # the square in its middle
    np.testing.assert_array_equal(arrays.x_train[0], wide[:, 4:16])
    unit = arrays.x_train / 255.0
    assert row.recipes[0].mean == tuple(unit.mean((0, 1, 2)).round(3))
    assert row.recipes[0].std == tuple(unit.std((0, 1, 2)).round(3))
    recipe = contender("CE").recipe(dataset=row, network="cnn2", epochs=1, validation=0.5, validation_labels="noisy")
    again = recipes.Recipe.from_dict(recipe.to_dict())
    assert again == recipe
    assert isinstance(again.row, Dataset)
    assert row_of(row) is row


@pytest.mark.parametrize(("size", "network"), [(23, "cnn2"), (24, "cnn4"), (32, "cnn8"), (64, "resnet18")])
def test_the_size_chooses_the_network(pets, size, network):
    row = data.own_images(pets, {1: "Hund", 0: "Katze"}, image_size=size)
    assert (row.network, row.recipes[0].resize, row.classes) == (network, size, ("Katze", "Hund"))
    assert data.own_images(pets, image_size=size, network="mlp1024").network == "mlp1024"


def test_large_images_are_brought_to_64_pixels_and_small_ones_to_8(tmp_path):
    for side, expected in ((300, 64), (3, 8)):
        for name in ("a", "b"):
            (tmp_path / str(side) / name).mkdir(parents=True)
            Image.new("RGB", (side, side + 40), "red").save(tmp_path / str(side) / name / "1.png")
        row = data.own_images(tmp_path / str(side))
        assert row.recipes[0].size == expected
        assert row.recipes[0].std == (1.0, 1.0, 1.0)  # images of one color are not divided by 0


def test_images_that_do_not_fit_in_memory_stay_in_their_files(pets, monkeypatch):
    row = data.own_images(pets)
    monkeypatch.setattr(image_folders, "LARGEST", 2000)
    found = read_images(row, pets, False)
    assert found.x_train.paths == listed(pets).files.paths
    arrays = recipes.probing.tested_on_held_out(found, found.y_train, np.array([1, 3]))
    assert [os.path.basename(path) for path in arrays.x_test.paths] == ["b.jpg", "c.gif"]
    assert arrays.y_test.tolist() == [0, 1]


def test_what_is_no_data_set_is_refused(pets, tmp_path):
    with pytest.raises(ValueError, match="at least two. Received: .*cat, whose 2 images lie in no class folder"):
        data.own_images(pets / "cat")
    with pytest.raises(ValueError, match="with the single class folder 'x'"):
        data.own_images(pets / "dog")
    (pets / "emu").mkdir()
    (pets / "emu" / "readme.txt").write_text("none yet")
    with pytest.raises(ValueError, match="where there is no image in: emu"):
        data.own_images(pets)
    (tmp_path / "empty").mkdir()
    for folder, words in ((tmp_path / "empty", "There is no image in"), (tmp_path / "none", "There is no folder")):
        with pytest.raises(FileNotFoundError, match=words):
            data.own_images(folder)
    Image.new("RGB", (8, 8)).save(pets / "emu" / "1.png")
    row = data.own_images(pets)
    with pytest.raises(ValueError, match="`arrays` of load must be given with test images: pets has none"):
        data.load(row, data_dir=pets, pipeline="device")


def test_unreadable_images_are_listed(pets):
    row = data.own_images(pets)
    whole = (pets / "cat" / "a.png").read_bytes()
    (pets / "cat" / "a.png").write_bytes(whole[: len(whole) // 2])
    (pets / "dog" / "a.png").write_text("no image")
    with pytest.raises(ValueError, match="2 of 5 images cannot be read: .*cat/a.png is not .*; .*dog/a.png is not"):
        read_images(row, pets, False)


def test_a_listing_is_read_as_it_was_written_and_finds_what_changed(pets, tmp_path):
    (pets / "cat" / 'new\nline, "x".png').write_bytes((pets / "cat" / "a.png").read_bytes())
    before = listed(pets)
    before.write(tmp_path / "images.csv")
    again = Listing.read(tmp_path / "images.csv", pets)
    assert (again.paths, again.folders, again.digest()) == (before.paths, before.folders, before.digest())
    refuse_changed(tmp_path / "images.csv", pets)
    row = data.own_images(pets)
    (pets / "cat" / "a.png").rename(pets / "dog" / "b.png")
    with pytest.raises(ValueError, match=r"is not as it was .* \(1 added: dog/b.png; 1 gone: cat/a.png\)"):
        refuse_changed(tmp_path / "images.csv", pets)
    with pytest.raises(ValueError, match="does not hold the images that this data set was made of"):
        read_images(row, pets, False)
    content = (tmp_path / "images.csv").read_text()
    for damaged in (content[:-9], content.replace("\n1,", "\n2,", 1), content.replace("label", "class", 1), ""):
        (tmp_path / "images.csv").write_text(damaged)
        with pytest.raises(ValueError, match="images.csv is damaged"):
            Listing.read(tmp_path / "images.csv", pets)
