"""The page on which a person decides on suspects: one HTML file, which opens from the disk without a network."""

import pathlib

import numpy as np

from keras_robust.checks import refuse
from keras_robust.diagnostics.pages import cards_of, filled, in_script, write_page
from keras_robust.diagnostics.runs import as_run
from keras_robust.diagnostics.samples import samples_of_run

_HERE = pathlib.Path(__file__).parent
_SCRIPTS = ("decisions.js", "cards.js", "page.js")


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
    run = as_run(log_or_run)
    if run.log.positions:
        rule = "a log with one record a sample, for a decision is about a sample"
        refuse("review_page", "log_or_run", rule, f"one of positions {run.log.positions}, {run.log.path}")
    shown, names = samples_of_run("review_page", run, images, texts, paths, class_names, dataset, data_dir)
    content = _content(run, cards_of("review_page", run, shown, names, n))
    return write_page(path, "review.html", filled(_HERE, _SCRIPTS, DATA=in_script(content)))


def _content(run, cards):
    """What the page knows, one list for each column of the cards."""
    log, suspects = run.log, cards.suspects
    return {
        "title": f"Labels to review: {run.title}" if run.title else "Labels to review",
        "about": f"The {len(suspects):,} most suspect of {np.count_nonzero(log.labels >= 0):,} labels, "
        f"by their mean margin over {len(log.epochs)} logged epochs",
        "checksum": log.checksum(),
        "size": log.num_samples,
        "classes": cards.names,
        "range": [round(border, 1) for border in cards.range],
        "sample": [one.sample for one in suspects],
        "given": [one.given for one in suspects],
        "believed": [one.believed for one in suspects],
        "margin": [round(one.mean_margin, 2) for one in suspects],
        "curve": [[round(float(m), 1) if np.isfinite(m) else None for m in curve] for curve in cards.curves],
        "text": cards.texts,
        "path": cards.paths,
        "image": cards.images,
        "small": None if cards.small is None else [int(small) for small in cards.small],
    }
