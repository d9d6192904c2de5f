"""A run's own page: what it says, of one run and of several, and that it says it the same way again."""

import html.parser
import json
import shutil

import numpy as np
import pytest
from harness import assert_refused_in_one_line, once_on_jax

from keras_robust import cli, diagnostics
from keras_robust.data.image_folders import Listing
from keras_robust.diagnostics.report import together
from keras_robust.digests import digest
from keras_robust.measures import measure
from keras_robust.weight_log import RECORD, WeightLog, write_epoch

pytestmark = once_on_jax
HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{MAIN}}&lt;", "dog"]


class Page(html.parser.HTMLParser):
    """The elements of a page, (tag, attributes), its text, and the rows of its tables."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.open, self.words, self.rows = [], [], [], []
        self.source = path.read_text(encoding="ascii")
        self.feed(self.source)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("img", "meta"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.words.append(data)
        if {"th", "td"} & set(self.open):
            self.rows[-1][-1] += data

    @property
    def text(self):
        return " ".join("".join(self.words).split())

    def all(self, tag, **attributes):
        return [found for name, found in self.elements if name == tag and attributes.items() <= found.items()]

    def row(self, name):
        (found,) = (row[1:] for row in self.rows if row[0] == name)
        return found


def page_of(source, *arguments, **keywords):
    return Page(diagnostics.report_page(source, *arguments, **keywords))


def test_a_run(run_folder, tmp_path):
    log = diagnostics.open_run(run_folder).log
    page = page_of(run_folder, tmp_path, n=5)
    assert page.all("h1")
    assert "digits, pair:0.3, GCE()" in page.text
    assert page.row("test accuracy, last epoch") == ["90.0%"]
    assert page.row("mean of last ten epochs") == ["75.0%"]
    assert page.row("AUROC of suspects") == [f"{100 * log.detection().auroc:.1f}%"]
    assert page.row("4") == ["5.5", "\u22125.5"]  # mean margins after the last epoch: 5 + (n - 1) / 2n
    assert page.row("loss") == ["GCE()"]
    assert page.row("not set") == ["data_dir"]
    assert page.row("checksum of the log") == [log.checksum()]
    labels = diagnostics.open_run(run_folder).labels()
    assert page.row("checksum of the given labels") == [digest([labels])]  # as `export.origin` has it
    rate = f"{100 * log.wrong.mean():.1f}%"
    estimated = f"{100 * diagnostics.estimated_transition(log).rate:.1f}%"
    assert f"Share of wrong labels, estimated {estimated}".replace(" ", "") in page.text.replace(" ", "")
    assert f"In truth: {rate} of the labels are wrong" in page.text
    count, share, precision = diagnostics.review_count(log)
    assert f"{count} labels ({100 * share:.1f}%), of which {100 * precision[count - 1]:.1f}% are expected" in page.text
    assert "not estimated: no labels were held out" in page.text
    pictures = page.all("img")
    assert len(pictures) == 5 + 5  # curves, rate, margins, two matrices; and the suspects
    assert all(one["alt"] and one["src"].startswith("data:image/") for one in pictures)
    suspects = log.suspects(5)
    assert [one["alt"] for one in pictures[-5:]] == [f"sample {number}" for number in suspects]
    assert len(page.all("li", **{"data-label": "wrong"})) == 5
    assert f"keras-robust review {run_folder}" in page.text


def test_nothing_is_loaded_and_no_script_runs(run_folder, tmp_path):
    page = page_of(run_folder, tmp_path, n=3)
    assert not page.all("script") + page.all("link") + page.all("iframe")
    (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert all(one["href"].startswith("#") for one in page.all("a"))
    targets = {found["id"] for _, found in page.elements if "id" in found}
    assert {one["href"][1:] for one in page.all("a")} <= targets
    levels = [int(tag[1]) for tag, _ in page.elements if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert max(np.diff(levels)) <= 1


def test_the_same_run_gives_the_same_page(comparison_folder, tmp_path):
    run = comparison_folder / "CE-seed0"
    pages = [diagnostics.report_page(run, tmp_path / f"{name}.html", images=np.zeros((40, 8, 8))) for name in "ab"]
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_what_is_hostile_is_text(tmp_path):
    records = np.zeros(8, RECORD)
    records["label"], records["predicted"], records["clean"] = np.arange(8) % 4, (np.arange(8) + 1) % 4, -1
    records["margin"], records["learning_rate"] = -2.0, 0.1
    write_epoch(tmp_path / "weights", 0, records)
    (tmp_path / "settings.json").write_text(json.dumps({"loss": HOSTILE[0], "noise": HOSTILE[1], HOSTILE[2]: "x"}))
    page = page_of(tmp_path, tmp_path, texts=HOSTILE * 2, class_names=HOSTILE, n=4)
    assert not page.all("script")
    assert not page.all("img", src="x")
    for text in HOSTILE:
        assert text in page.text
    assert page.row(HOSTILE[2]) == ["x"]
    assert len(page.all("main")) == 1


def test_a_log_without_clean_labels(write_log, tmp_path):
    labels = np.arange(40) % 4
    write_log(tmp_path / "log", labels, np.where(labels == 0, 1, labels))
    page = page_of(WeightLog(tmp_path / "log"), tmp_path / "page.html", n=2)
    assert "4 epochs logged" in page.text
    assert page.row("1")[0].startswith("1.")  # one column, of all labels
    assert "Neither a test accuracy nor clean labels are known" in page.text
    assert "No pictures: the run names no data set" in page.text
    assert "In truth" not in page.text
    assert not page.all("li", **{"data-label": "wrong"})
    assert len(page.all("img")) == 3  # rate, margins, one matrix


def test_a_run_that_is_not_finished_and_one_that_is(run_folder, tmp_path):
    settings = json.loads((run_folder / "settings.json").read_text()) | {"epochs": 60, "validation_labels": "noisy"}
    (run_folder / "settings.json").write_text(json.dumps(settings))
    page = page_of(run_folder, tmp_path, n=0)
    assert "unfinished: 4 of 60 epochs" in page.text
    assert page.row("test accuracy, last epoch") == ["90.0%"]
    assert "not estimated yet" in page.text
    run = diagnostics.open_run(run_folder)
    estimated = {"estimated": 0.9, "estimated_low": 0.8, "estimated_high": 1.0}
    found = measure(list(run.history), run.log) | {"last": 0.5} | estimated
    (run_folder / "result.json").write_text(json.dumps(found))
    page = page_of(run_folder, tmp_path, n=0)
    assert "finished, 60 epochs" in page.text
    assert "unfinished" not in page.text
    assert page.row("test accuracy, last epoch") == ["50.0%"]
    assert page.row("clean accuracy, estimated") == ["90.0% (80.0% to 100.0%)"]
    (run_folder / "result.json").write_text("[1")
    with pytest.raises(ValueError, match="result.json is damaged"):
        diagnostics.report_page(run_folder, tmp_path)


def test_a_comparison(comparison_folder, tmp_path):
    (comparison_folder / "GCE-seed0").mkdir()
    (comparison_folder / "GCE-seed0" / "settings.json").write_text("{}")
    settings = {"dataset": "digits", "noise": "symmetric:0.1", "epochs": 4, "seed": 1}
    (comparison_folder / "CE-seed1" / "settings.json").write_text(json.dumps(settings))
    page = page_of(comparison_folder, tmp_path, n=2, dataset="none")
    assert "unfinished: 2 of 5 runs" in page.text
    assert "Without an epoch yet: GCE-seed0" in page.text
    assert [row[0] for row in page.rows[1:3]] == ["ANLCE-alpha-5-beta-5", "CE"]  # the best first
    assert page.rows[0][1:4] == ["seeds", "test accuracy, last epoch", "mean of last ten epochs"]
    assert page.rows[1][1:4] == ["2", "63.0 ± 0.0%", "61.5 ± 0.0%"]
    assert page.rows[2][2] == "53.0 ± 0.0%"
    assert [len(page.all(tag)) for tag in ("details", "h3", "h2")] == [4, 4, 3]
    assert len(page.all("li")) == 4 * 2
    titles = [found["id"] for tag, found in page.elements if tag == "h4"]
    assert len(set(titles)) == len(titles) == 4 * 6
    shorter = (comparison_folder / "CE-seed1" / "history.csv").read_text().splitlines()[:-1]
    (comparison_folder / "CE-seed1" / "history.csv").write_text("\n".join(shorter))
    (comparison_folder / "CE-seed1" / "weights" / "epoch-00003.npy").unlink()
    assert "CE 50.0% to 52.0%" in together.curves(together.groups_of(comparison_folder))


def test_seeds_of_a_recipe(run_folder, tmp_path):
    for seed in (1, 2):
        shutil.copytree(run_folder, tmp_path / "recipe" / f"seed-{seed}")
    page = page_of(tmp_path / "recipe", tmp_path, n=1)
    assert page.all("h1")
    assert page.rows[1][:3] == ["GCE()", "2", "90.0 ± 0.0%"]
    assert "digits, pair:0.3, GCE()" in page.text


def test_pictures_that_are_not_there_are_told_of(comparison_folder, tmp_path):
    run = comparison_folder / "CE-seed0"
    page = page_of(run, tmp_path, n=2)  # 40 samples, and digits has 1,438
    assert "No pictures: The log in" in page.text
    with pytest.raises(ValueError, match="they do not belong together"):
        diagnostics.report_page(run, tmp_path, dataset="digits")
    images = np.zeros((40, 8, 8, 1))
    assert 'alt="sample' in page_of(run, tmp_path, images=images, n=2).source
    for n in (-1, True, 2.0):
        with pytest.raises(ValueError, match="`n` of report_page must be"):
            diagnostics.report_page(run, tmp_path, n=n)


def test_images_that_are_gone_are_told_of(tmp_path):
    root, log = tmp_path / "photos", tmp_path / "run"
    records = np.zeros(3, RECORD)
    records["clean"] = -1
    write_epoch(log, 0, records)
    Listing(str(root), ["a/1.png", "a/2.png", "b/1.png"], np.array([0, 0, 1]), ["a", "b"]).write(log / "images.csv")
    settings = {"data_dir": str(root), "dataset": {"name": "photos", "classes": ["cat", "dog"]}}
    (log / "settings.json").write_text(json.dumps(settings))
    for there, words in ((False, "photos any more. Where are they now"), (True, "There is no image")):
        if there:
            root.mkdir()
        page = page_of(log, tmp_path)
        assert "No pictures: " in page.text
        assert words in page.text
        assert "cat" in page.text  # names of classes are there all the same
        with pytest.raises(FileNotFoundError, match=words):
            diagnostics.report_page(log, tmp_path, data_dir=root)


@pytest.mark.parametrize(("count", "label"), [(0, 0), (3, -1), (3, 2**20)])
def test_logs_of_which_no_noise_can_be_estimated(count, label, tmp_path):
    records = np.zeros(count, RECORD)
    records["label"] = records["clean"] = label
    records["predicted"] = min(label, 0)
    write_epoch(tmp_path, 0, records)
    page = page_of(tmp_path, tmp_path)
    assert "not estimated: " in page.text
    assert ("at most 10,000" in page.text) is (label > 0)
    diagnostics.review_page(tmp_path, tmp_path)
    assert diagnostics.believed_labels(WeightLog(tmp_path)).tolist() == records["predicted"].tolist()
    with pytest.raises(ValueError, match="`log_or_run` of as_run must be"):
        diagnostics.report_page(None, tmp_path)


def test_command(comparison_folder, tmp_path, capsys):
    assert cli.main(["report", str(comparison_folder), "--log", "CE-seed0", "--n", "1"]) == 0
    assert "report.html: open it in a browser" in capsys.readouterr().out
    assert len(Page(comparison_folder / "CE-seed0" / "report.html").all("li")) == 1
    for seed in ("CE-seed1", "ANLCE-alpha-5-beta-5-seed0", "ANLCE-alpha-5-beta-5-seed1"):
        shutil.rmtree(comparison_folder / seed)
    command = ["report", str(comparison_folder), "--out", str(tmp_path / "all.html"), "--dataset", "none"]
    assert cli.main(command) == 0
    assert len(Page(tmp_path / "all.html").all("details")) == 1
    assert_refused_in_one_line(["report", str(tmp_path)], "holds no weight log", capsys)
    assert_refused_in_one_line(["report", str(tmp_path / "x")], "There is no folder", capsys)
