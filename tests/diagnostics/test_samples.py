"""A user's own images, texts and files in tables, sheets and pages."""

import base64
import csv
import io
import json
import re

import keras
import numpy as np
import pandas as pd
import pytest
from harness import once
from PIL import Image

from keras_robust import cli, diagnostics
from keras_robust.data.folders import image_files
from keras_robust.diagnostics.samples import LARGEST, SIDE, data_url, samples_of

pytestmark = once
COLORS = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Six PNG files in the class folders b and a, one of them deeper, beside what is no image of a class."""
    root = tmp_path / "images"
    names = ["a/1.png", "a/10.PNG", "a/2.png", "a/in/0.png", "b/x y.png", "b/é.png"]
    for name, pixels in zip(names, COLORS, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / name)
    for other in ("readme.txt", "beside.png", "a/notes.csv", ".hidden/0.png"):
        (root / other).parent.mkdir(exist_ok=True)
        (root / other).write_bytes((root / names[0]).read_bytes())
    return root


@pytest.fixture
def log(tmp_path, write_log):
    """Six samples of classes 0, 0, 0, 0, 1, 1; 3 and 5 are believed to be the other."""
    write_log(tmp_path / "log", [0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0])
    return diagnostics.WeightLog(tmp_path / "log")


def rows_of(report):
    with open(report.table, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def content_of(page):
    """What a page knows."""
    text = page.read_text()
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1])


def pixels_of(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))


def test_a_folder_has_the_order_that_keras_gives_it(folder, tmp_path_factory):
    paths, labels, names = image_files(folder)
    theirs = keras.utils.image_dataset_from_directory(folder, shuffle=False, verbose=False)
    assert paths == theirs.file_paths
    assert (names, labels.tolist()) == (theirs.class_names, [0, 0, 0, 0, 1, 1])
    flat = image_files(folder / "b")
    assert ([path.rpartition("/")[2] for path in flat[0]], flat[1:]) == (["x y.png", "é.png"], (None, []))
    with pytest.raises(FileNotFoundError, match="There is no image in"):
        image_files(tmp_path_factory.mktemp("empty"))
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        image_files(folder / "c")


FORMS = {
    "uint8": COLORS,
    "shares": COLORS / 255,
    "levels": COLORS.astype("float32"),
    "list": list(COLORS),
    "tensor": keras.ops.convert_to_tensor(COLORS),
}


@pytest.mark.parametrize("form", FORMS)
def test_images_as_people_have_them(form, log, tmp_path):
    found = diagnostics.write_suspects(log, tmp_path, images=FORMS[form], class_names=["no", "yes"], n=2)
    assert [(one.sample, one.given_name, one.believed_name) for one in found.suspects] == [
        (5, "yes", "no"),
        (3, "no", "yes"),
    ]
    assert found.sheet.exists()
    content = content_of(diagnostics.review_page(log, tmp_path / "page.html", images=FORMS[form], n=2))
    np.testing.assert_array_equal(pixels_of(content["image"][0]), COLORS[5])
    np.testing.assert_array_equal(pixels_of(content["image"][1]), COLORS[3])


def test_the_white_of_a_dark_suspect_is_seen_in_all_images(log, tmp_path):
    """0.8 of 255 would be white if only the suspects were looked at."""
    images = np.zeros((6, 2, 2))
    images[0], images[5] = 200.0, 0.8
    content = content_of(diagnostics.review_page(log, tmp_path / "page.html", images=images, n=1))
    assert pixels_of(content["image"][0]).max() == 1
    with pytest.raises(ValueError, match="`images` of review_page must be uint8, floats from 0 to 1.*from 0 to 16"):
        diagnostics.review_page(log, tmp_path / "page.html", images=images * 0.08)


def test_files_keep_their_paths(folder, log, tmp_path):
    paths = image_files(folder)[0]
    for images in (folder, str(folder), paths, np.array(paths), pd.Series(paths, index=list("fedcba"))):
        found = diagnostics.write_suspects(log, tmp_path / "out", images=images, n=2)
        assert [row["path"] for row in rows_of(found)] == [paths[5], paths[3]]
        assert found.sheet.exists()
    assert [row["given_name"] for row in rows_of(diagnostics.write_suspects(log, tmp_path, folder, n=2))] == ["b", "a"]
    page = diagnostics.review_page(tmp_path / "log", tmp_path / "new" / "page.html", folder, n=2)
    content = content_of(page)
    assert content["path"] == [paths[5], paths[3]]
    assert content["classes"] == ["a", "b"]
    assert content["checksum"] == log.checksum()
    assert content["curve"][0] == pytest.approx([-2.8, -3.8, -4.8, -5.8])
    np.testing.assert_array_equal(pixels_of(content["image"][1]), COLORS[3])
    (folder / "b" / "é.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="é.png is not a readable image"):
        diagnostics.review_page(log, tmp_path / "page.html", folder)


def test_texts_and_rows(log, tmp_path):
    frame = pd.DataFrame({"age": range(6), "job": list("abcdef")}, index=range(6, 0, -1))
    found = diagnostics.write_suspects(log, tmp_path, texts=frame, paths=list("uvwxyz"), n=1)
    assert (rows_of(found)[0]["text"], rows_of(found)[0]["path"], found.sheet) == ("age: 5\njob: f", "z", None)
    names = pd.Series({1: "one", 0: "zero"})
    page = diagnostics.review_page(log, tmp_path, texts=["t" * 5000] * 6, class_names=names, n=None)
    content = content_of(page)
    assert page.name == "review.html"
    assert content["text"] == ["t" * 1000 + "…"] * 6
    assert (content["classes"], content["image"], content["path"]) == (["zero", "one"], None, None)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        (
            {"images": COLORS[:5]},
            "`images` of write_suspects must be one for each of the 6 samples.*5 images",
        ),
        ({"texts": ["a"] * 7}, "`texts` of write_suspects must be one for each of the 6 samples of the log.*7 texts"),
        ({"paths": ["a"]}, "`paths` of write_suspects must be one for each of the 6 samples"),
        ({"texts": "a text"}, "`texts` of write_suspects must be a list of texts, or a DataFrame"),
        ({"images": COLORS[0]}, "`images` of write_suspects must be one for each"),
        (
            {"images": iter(COLORS)},
            "`images` of write_suspects must be an array of images, a list of paths",
        ),
        ({"class_names": ["a"]}, "`class_names` of suspect_table must be a list of at least 2 names"),
        ({"class_names": {"a": 0, "b": 1}}, "this one has ids by name, turn it round"),
    ],
)
def test_refusals(keywords, words, log, tmp_path):
    with pytest.raises(ValueError, match=words):
        diagnostics.write_suspects(log, tmp_path / "out", **keywords)
    assert not (tmp_path / "out").exists()


def test_thumbnails_are_small():
    """At most 96 pixels and 3,600 bytes even for noise, so that 10,000 take less than 60 MB with all the rest."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 300, 200, 3), dtype=np.uint8)
    picture = samples_of("test", 2, noise).picture(1)
    assert picture.size == (64, SIDE)
    url = data_url(picture)
    assert len(base64.b64decode(url.split(",")[1])) <= LARGEST
    assert 10_000 * len(url) < 50e6
    gray = samples_of("test", 1, np.full((1, 4, 4, 1), 0.5)).picture(0)
    assert (gray.mode, gray.size, gray.getpixel((0, 0))) == ("L", (4, 4), 128)
    clear = np.zeros((1, 4, 4, 4), np.uint8)
    assert samples_of("test", 1, clear).picture(0).getpixel((0, 0)) == (255, 255, 255)


def test_a_photo_stands_upright(tmp_path):
    image = Image.new("RGB", (40, 20), "white")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(tmp_path / "photo.jpg", exif=exif)
    assert samples_of("test", 1, [tmp_path / "photo.jpg"]).picture(0).size == (20, 40)


def test_commands(folder, log, tmp_path, capsys):
    command = ["suspects", str(log.path), "--images", str(folder), "--class-names", "cat", "dog", "--n", "2"]
    assert cli.main([*command, "--out", str(tmp_path / "out")]) == 0
    assert "suspects.csv, suspects.png" in capsys.readouterr().out
    (first, _) = list(csv.DictReader((tmp_path / "out" / "suspects.csv").read_text(encoding="utf-8").splitlines()))
    assert (first["path"], first["given_name"]) == (image_files(folder)[0][5], "dog")
    page = tmp_path / "pages" / "mine.html"
    assert cli.main(["review", str(log.path), "--images", str(folder), "--out", str(page)]) == 0
    assert str(page) in capsys.readouterr().out
    assert len(content_of(page)["sample"]) == 6


def test_the_page_of_a_run_on_a_known_data_set(run_folder):
    assert cli.main(["review", str(run_folder), "--n", "3"]) == 0
    content = content_of(run_folder / "review.html")
    assert content["title"] == "Labels to review: digits, pair:0.3, GCE()"
    assert (len(content["image"]), content["small"], content["path"]) == (3, [1] * 3, None)


def test_a_log_is_known_by_its_checksum(tmp_path, write_log):
    checksums = set()
    for name, labels in (("a", [0, 1, 1]), ("b", [0, 1, 1]), ("c", [0, 1, 0])):
        write_log(tmp_path / name, labels, [0, 1, 0])
        checksums.add(diagnostics.WeightLog(tmp_path / name).checksum())
    assert len(checksums) == 2
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in checksums)
