"""The page on which a person decides on suspects: one HTML file, which opens from the disk without a network."""

import base64
import hashlib
import json
import pathlib

import numpy as np

from keras_robust.checks import refuse
from keras_robust.class_names import names_by_id
from keras_robust.diagnostics.runs import as_run
from keras_robust.diagnostics.samples import data_url, samples_of_run
from keras_robust.diagnostics.suspects import suspect_table
from keras_robust.files import whole

_HERE = pathlib.Path(__file__).parent
_SCRIPTS = ("decisions.js", "cards.js", "page.js")
# Points of the small curve of a card.
_POINTS = 60


def review_page(
    log_or_run,
    path,
    images=None,
    texts=None,
    class_names=None,
    n: int | None = 500,
    paths=None,
    dataset: str | None = None,
    data_dir=None,
) -> pathlib.Path:
    """Writes a page on which a person goes through the suspects: each is kept, corrected or dropped.

    One HTML file without a server or a network. A card for each suspect has its picture or text, the given label and
    what the model believes, and its margin over the epochs. Mouse or one key decides: K keeps the label, B takes the
    believed one, C another class, D drops the sample, U undoes. What is decided stays in the browser, under the
    checksum of the log, until corrections.csv is downloaded; the page loads such a file back. It has the columns
    sample, given, corrected (class ids) and decision (keep, fix or drop), and no row for who is undecided.

    Pictures have at most 96 pixels a side, and take at most 60 MB for 10,000 suspects. Texts are cut after 1,000
    characters.

    Args:
        log_or_run: a `WeightLog`, what `open_run` opened, or the folder of either.
        path: the file; or a folder, for review.html in it.
        images, texts, paths, class_names, dataset, data_dir: as `write_suspects` takes them: all samples, by number.
        n: how many suspects, those of lowest mean margin; None: all samples.

    Returns:
        The path of the page.

    Raises:
        ValueError: for another number of images, texts, paths than of samples, too few names, images whose white
            could only be guessed, or a file that is not an image; for a log of positions.
        FileNotFoundError: if the data set is not there.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(3, RECORD)
    >>> records["margin"], records["predicted"], records["clean"] = [2.0, -4.5, 1.0], [0, 1, 0], -1
    >>> write_epoch(tmp_path, 0, records)
    >>> texts = ["good film", "so bad", "fine"]
    >>> keras_robust.diagnostics.review_page(tmp_path, tmp_path, texts=texts, class_names=["yes", "no"]).name
    'review.html'
    """
    run, path = as_run(log_or_run), pathlib.Path(path)
    shown, names = samples_of_run("review_page", run, images, texts, paths, class_names, dataset, data_dir)
    page = _page(_content(run, shown, names, n))
    path = path / "review.html" if path.is_dir() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as draft:
        draft.write_text(page, encoding="ascii", newline="\n")
    return path


def _content(run, shown, names, n):
    """What the page knows, one list for each column of the cards."""
    log = run.log
    if log.positions:
        rule = "a log with one record a sample, for a decision is about a sample"
        refuse("review_page", "log_or_run", rule, f"one of positions {log.positions}, {log.path}")
    classes = 1 + max(int(max(records["label"].max(), records["predicted"].max())) for records in log)
    names = names_by_id("review_page", range(classes) if names is None else names, classes, more=True)
    suspects = suspect_table(log, n)
    numbers = [one.sample for one in suspects]
    curves = _curves(log, numbers)
    finite = np.append(curves[np.isfinite(curves)], 0.0)
    content = {
        "title": f"Labels to review: {run.title}" if run.title else "Labels to review",
        "about": f"The {len(suspects):,} most suspect of {np.count_nonzero(log.labels >= 0):,} labels, "
        f"by their mean margin over {len(log.epochs)} logged epochs",
        "checksum": log.checksum(),
        "size": log.num_samples,
        "classes": names,
        "range": [round(float(finite.min()), 1), round(float(finite.max()), 1)],
        "sample": numbers,
        "given": [one.given for one in suspects],
        "believed": [one.believed for one in suspects],
        "margin": [round(one.mean_margin, 2) for one in suspects],
        "curve": [[round(float(m), 1) if np.isfinite(m) else None for m in curve] for curve in curves],
        "text": None if shown.texts is None else [shown.text(number) for number in numbers],
        "path": None if shown.paths is None else [shown.paths[number] for number in numbers],
        "image": None,
        "small": None,
    }
    if shown.images is not None:
        pictures = [shown.picture(number) for number in numbers]
        content["image"] = [data_url(picture) for picture in pictures]
        content["small"] = [int(max(picture.size) < 48) for picture in pictures]
    return content


def _curves(log, numbers):
    """Margins (samples, points) over the epochs, at most `_POINTS` of them; NaN where a sample was not seen."""
    places = np.unique(np.linspace(0, len(log.epochs) - 1, min(_POINTS, len(log.epochs))).round().astype(int))
    epochs = [log.epoch(log.epochs[place])[numbers] for place in places]
    curves = [np.where(records["label"] >= 0, records["margin"], np.nan) for records in epochs]
    return np.stack(curves, axis=1).astype("float64")


def _page(content):
    """The template with style, script and content in it. Nothing but these runs: the page's own policy says so."""
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = "\n".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    script = f'"use strict";\n{{\nconst data = JSON.parse(document.getElementById("data").textContent);\n{script}}}\n'
    script = script.encode("ascii", "backslashreplace").decode()
    policy = f"style-src {_digest(style)}; script-src {_digest(script)}"
    page = (_HERE / "page.html").read_text(encoding="utf-8").encode("ascii", "xmlcharrefreplace").decode()
    # The content last: nothing in it is taken for a place of the template.
    for name, text in {"POLICY": policy, "CSS": style, "JS": script, "DATA": in_script(content)}.items():
        page = page.replace(f"{{{{{name}}}}}", text)
    return page


def in_script(content) -> str:
    """JSON that cannot end the script element it stands in, whatever is written in it.

    Example:

    >>> in_script("</script>")
    '"\\\\u003c/script\\\\u003e"'
    """
    text = json.dumps(content, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _digest(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
