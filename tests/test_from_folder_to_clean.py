"""The story of somebody with a folder of images and not one clean label, from the folder to a better model."""

import csv
import os
import pathlib

import keras
import numpy as np
import pytest
from harness import assert_refused_in_one_line, once
from PIL import Image
from sklearn.datasets import load_digits

from keras_robust import cli, data, diagnostics
from keras_robust.training import jobs
from keras_robust.training.folder import HistoryFile
from keras_robust.training.judging import CAUTION, Judged

pytestmark = once
N = 600
# What file systems take, and tables, terminals and pictures stumble over; in the order of the digits.
NAMES = ["0", "1 one", "2 [b]", "3 $x_{$", '4,"four"', "5 é", "6 a$b$c", "7\nseven", "8 " + os.fsdecode(b"\xff"), "9 -"]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """The folder of a comparison that was stopped in its third epoch and called again; and of its images."""
    root = tmp_path_factory.mktemp("story")
    pixels, clean = (column[:N] for column in load_digits(return_X_y=True))
    rng = np.random.default_rng(0)
    wrong = rng.permutation(N)[: round(0.215 * N)]
    given = clean.copy()
    given[wrong] = (clean[wrong] + rng.integers(1, 10, len(wrong))) % 10
    for number, (image, label) in enumerate(zip(pixels, given, strict=True)):
        place = root / "photos" / NAMES[label] / f"{number:04d}-{clean[number]}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image.reshape(8, 8) * 255 / 16).round().astype("uint8")).save(place)
    command = ["compare", "--images", str(root / "photos"), "--losses", "CE", "GCE(q=4)", "--epochs", "5"]

    class Stopped(HistoryFile):
        def on_train_batch_end(self, batch, logs=None):
            if len(self.rows) == 2:
                raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "HistoryFile", Stopped)
        with pytest.raises(SystemExit, match="130"):
            cli.main([*command, "--out", str(root / "run")])
    assert list((root / "run").rglob("checkpoint-00002*"))
    return root, command


def digits_of(paths):
    """The true class of each image, which its file name tells."""
    return np.array([int(pathlib.Path(path).stem.rpartition("-")[2][:1]) for path in paths])


def rows_of(path):
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def test_from_a_folder_to_corrected_folders_and_a_new_training(story, capsys, monkeypatch):
    root, command = story
    monkeypatch.setenv("COLUMNS", "200")
    run, photos = root / "run", root / "photos"
    before = {path: path.stat().st_mtime_ns for path in photos.rglob("*.png")}
    assert cli.main([*command, "--out", str(run)]) == 0  # goes on where it was stopped
    printed = capsys.readouterr().out
    assert f"{N} images of 10 classes in {photos}, brought to 8 x 8 pixels, for cnn2" in printed.replace("\n", "")
    assert "photos, labels as given" in printed
    assert f"T is itself estimated, from CE-seed0's held-out predictions; {CAUTION}" in " ".join(printed.split())
    rows = rows_of(run / "table.csv")
    assert [row["loss"] for row in rows] == ["CE()", "GCE(q=4)"]  # ranked without a clean label in sight
    assert "last" not in rows[0]  # there are no clean labels to test on
    assert "held_out_agreement" in rows_of(run / "runs.csv")[0]
    of_run = run / "CE-seed0"
    judged = [Judged.load(run / name) for name in ("CE-seed0", "GCE-q-4-seed0")]
    for row, one in zip(rows, judged, strict=True):  # both with the T of the first
        found = diagnostics.clean_accuracy(one.predicted, one.given, judged[0].transition)
        assert float(row["estimated"]) == pytest.approx(found.estimate)
    held_out = np.load(of_run / "held_out.npy")
    assert len(held_out) == N // 5

    # Every image is logged, those that are held out too, and has its path and names.
    log = diagnostics.open_run(of_run).log
    images = rows_of(of_run / "images.csv")
    assert [row["folder"] for row in images] == [NAMES[label] for label in log.labels]
    assert len(log.epochs) == 5
    assert np.all(log.labels >= 0)
    network = keras.models.load_model(of_run / "model.keras")
    files = [photos / images[sample]["path"] for sample in held_out]
    raw = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    outputs = keras.ops.convert_to_numpy(network.predict_on_batch(raw))
    np.testing.assert_array_equal(outputs.argmax(axis=1), log.epoch(4)["predicted"][held_out])
    np.testing.assert_array_equal(judged[0].predicted, log.epoch(4)["predicted"][held_out])

    assert cli.main(["suspects", str(run), "--log", "CE-seed0", "--n", "30", "--believed", "80"]) == 0
    assert "the 80 most suspect, as corrections, without a reviewer" in capsys.readouterr().out
    suspects = rows_of(of_run / "suspects.csv")
    assert {row["path"] for row in suspects} <= {str(photos / row["path"]) for row in images}
    assert all(row["path"].startswith(str(photos / NAMES[int(row["given"])])) for row in suspects)
    truth = digits_of([row["path"] for row in suspects])
    assert np.mean(truth != [int(row["given"]) for row in suspects]) > 0.8
    assert (of_run / "suspects.png").exists()
    assert cli.main(["review", str(run), "--log", "CE-seed0", "--n", "5"]) == 0
    assert "3 $x" in (of_run / "review.html").read_text()

    decided = str(of_run / "believed.csv")
    clean = ["clean", str(run), "--log", "CE-seed0", "--corrections", decided, "--folders", str(root / "clean")]
    corrected = diagnostics.Corrections.read(decided).apply(log.labels).labels
    moved = np.sum(corrected != log.labels)
    (photos / images[0]["path"]).rename(root / "gone.png")
    assert_refused_in_one_line(clean, "1 of 600 images are missing, the first: ", capsys)
    assert not (of_run / "corrected.npz").exists()
    (root / "gone.png").rename(photos / images[0]["path"])
    assert cli.main(clean) == 0
    assert f"{N} images, {moved} of them into another class folder; 0 dropped" in capsys.readouterr().out
    again = [*clean[:-1], str(root / "more")]
    assert_refused_in_one_line(again, "corrected.npz is there already", capsys)
    assert not (root / "more").exists()
    assert {path: path.stat().st_mtime_ns for path in photos.rglob("*.png")} == before
    shares = []
    for folder in (photos, root / "clean"):
        paths, labels, folders = data.folders.image_files(folder)
        assert folders == NAMES
        shares.append(np.mean(digits_of(paths) != labels))
    assert shares[1] < shares[0] - 0.1

    assert cli.main(["retrain", str(run), "--log", "CE-seed0", "--corrections", decided]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "before" in printed
    assert "clean accuracy, estimated" in printed
    again = diagnostics.open_run(of_run / "retrained")
    np.testing.assert_array_equal(again.log.labels, corrected)
    # Held-out labels are those that came: what was trained on corrections is not tested on them.
    np.testing.assert_array_equal(Judged.load(again.folder).given, judged[0].given)
    assert again.images().paths == [row["path"] for row in images]

    # The folder has to stay as it was.
    extra = photos / NAMES[1] / "new.png"
    extra.write_bytes(files[0].read_bytes())
    words = "is not as it was when the run in"
    assert_refused_in_one_line([*command, "--out", str(run)], words, capsys)
    retrain = ["retrain", str(run), "--log", "CE-seed0", "--corrections", decided, "--name", "later"]
    assert_refused_in_one_line(retrain, "1 added: 1 one/new.png", capsys)
    extra.rename(root / "new.png")
    assert_refused_in_one_line([*command, "--image-size", "10", "--out", str(run)], "size: 8 there, 10 now", capsys)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--noise", "pair:0.2"], "--noise does not go with --images"),
        (["--dataset", "digits"], "--dataset does not go with --images"),
        (["--validation", "0"], "`validation` of Recipe must be greater than 0 for photos, which has no test images"),
        (["--validation", "0.0001"], "`validation` of Recipe must be a share of 600 training images"),
        (["--network", "cnn3"], "`network` of Recipe must be one of"),
        (["--class-names", "a", "b"], "`class_names` of own_images must be a list of 10 names"),
        (["--image-size", "3"], "`image_size` of own_images must be"),
    ],
)
def test_arguments_that_do_not_go_with_images(story, arguments, words, tmp_path, capsys):
    _, command = story
    assert_refused_in_one_line([*command, *arguments, "--out", str(tmp_path / "new")], words, capsys)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("argument", ["--image-size", "--network", "--class-names"])
def test_arguments_that_do_not_go_without_images(argument, tmp_path, capsys):
    command = ["compare", argument, "8", "--out", str(tmp_path / "new")]
    assert_refused_in_one_line(command, f"{argument} goes with --images", capsys)
    assert not (tmp_path / "new").exists()


def test_without_an_estimate_the_report_says_why_and_images_may_stay_on_disk(story, tmp_path, monkeypatch, capsys):
    def estimate(*_):
        raise ImportError("Noise is estimated with cleanlab, which is not installed.")

    _, command = story
    monkeypatch.setattr("keras_robust.noise.estimate", estimate)
    monkeypatch.setattr("keras_robust.data.image_folders.LARGEST", 1000)
    command[command.index("--epochs") + 1] = "1"
    names = [f"class {digit}" for digit in range(10)]
    assert cli.main([*command, "--class-names", *names, "--out", str(tmp_path / "run")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "accuracy on clean labels is not estimated: Noise is estimated with cleanlab" in printed
    run = diagnostics.open_run(tmp_path / "run", "CE-seed0")
    assert run.class_names == tuple(names)
    for given in ({"images": command[2]}, {"texts": ["text"] * N}):
        first = diagnostics.write_suspects(run, tmp_path, n=1, with_duplicates=False, **given).suspects[0]
        assert first.given_name == names[first.given]
    decided = diagnostics.Corrections([first.sample], [first.given], [10], ["fix"])
    with pytest.raises(ValueError, match="`corrected` of apply must be class ids below 10"):
        diagnostics.clean_labels(run.folder, decided, tmp_path / "labels.npz")
