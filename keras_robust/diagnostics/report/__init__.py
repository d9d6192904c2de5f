"""A run's own page: one HTML file that tells what a run, or several side by side, came to."""

import os
import pathlib

from keras_robust.diagnostics.pages import Html, element, escaped, filled, write_page
from keras_robust.diagnostics.report import together
from keras_robust.diagnostics.report.sections import anchor, check_count, parts, state
from keras_robust.diagnostics.runs import as_run, log_names
from keras_robust.weight_log import logged_epochs

_HERE = pathlib.Path(__file__).parent
_PARTS = ("Measures", "Training", "Margins", "The noise found", "Suspects", "Settings")


def report_page(
    run_or_folder,
    path,
    images=None,
    texts=None,
    class_names=None,
    n: int = 24,
    paths=None,
    dataset: str | None = None,
    data_dir=None,
) -> pathlib.Path:
    """Writes a page about a training run, or about several side by side.

    One HTML file without scripts, server or network, to read, keep and send: what was measured, under the names that
    tables have; the curves of training; margins through training, of clean and wrong labels apart where the clean ones
    are known; the noise found, its estimated transition matrix beside the true one where that is known, how many labels
    are worth a look (`review_count`), and the accuracy on clean labels where it was estimated (`clean_accuracy`); the
    most suspect labels; all settings, with checksums of labels, log and images.

    Of a folder with several runs, as `compare` and `recipes.run` leave it, the page has a table with mean and standard
    deviation over the seeds, the accuracy curves, and each run by itself, to be opened.

    A run that is not finished is shown as far as it has come. The same folder gives the same page, byte by byte.

    Args:
        run_or_folder: a folder of a run or of several, what `open_run` opened, or a `WeightLog`.
        path: the file; or a folder, for report.html in it.
        images, texts, paths, class_names, dataset, data_dir: as `write_suspects` takes them: all samples, by number.
        n: how many suspects of each run.

    Returns:
        The path of the page.

    Raises:
        FileNotFoundError: if the folder holds no run that has logged an epoch, or a data set that was asked for is not
            there. Without the images that the settings name, the page says why it has none.
        ValueError: for a damaged file, naming it, and as `review_page`.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(3, RECORD)
    >>> records["margin"], records["predicted"], records["clean"] = [2.0, -4.5, 1.0], [0, 1, 0], -1
    >>> records["learning_rate"] = 0.1
    >>> write_epoch(tmp_path, 0, records)
    >>> keras_robust.diagnostics.report_page(tmp_path, tmp_path, class_names=["yes", "no"]).name
    'report.html'
    """
    n = check_count(n)
    given = {"images": images, "texts": texts, "class_names": class_names, "paths": paths}
    given |= {"dataset": dataset, "data_dir": data_dir}
    if _holds_several(run_or_folder):
        content = _several(pathlib.Path(run_or_folder), given, n)
    else:
        content = _one(as_run(run_or_folder), given, n)
    return write_page(path, "report.html", filled(_HERE, **content))


def _holds_several(source):
    if not isinstance(source, str | os.PathLike):
        return False
    folder = pathlib.Path(source)
    return not any(logged_epochs(place) for place in (folder, folder / "weights")) and bool(log_names(folder))


def _one(run, given, n):
    title = ", ".join(str(part) for part in (run.data, run.label or run.name) if part) or "Training run"
    links = [(part, anchor(part, "")) for part in _PARTS]
    about = [state(run), _made_with(run)]
    return _content(title, about, links, parts(run, given, n, 2, ""))


def _several(folder, given, n):
    groups, waiting = together.groups_of(folder), together.waiting(folder)
    first, count = groups[0].runs[0], sum(len(group.runs) for group in groups)
    one = len(groups) == 1
    title = ", ".join(filter(None, (first.data, groups[0].label if one else ""))) or "Training runs"
    kinds = "" if one else f"{len(groups)} methods, "
    states = [state(run).split()[0] for group in groups for run in group.runs] + ["unfinished:"] * len(waiting)
    about = [f"{kinds}{count} run{'s' * (count != 1)}", _made_with(first)]
    if "unfinished:" in states:
        about.insert(0, f"unfinished: {states.count('unfinished:')} of {len(states)} runs")
    elif set(states) == {"finished,"}:
        about.insert(0, "finished")
    notes = [element("p", "Mean ± standard deviation over the seeds; the best first.", class_="note")]
    if waiting:
        notes.append(element("p", f"Without an epoch yet: {', '.join(waiting)}.", class_="note"))
    made = {
        "Measures": Html(together.summary(groups) + "".join(notes)),
        "Training": together.curves(groups),
        "Run by run": together.each(groups, given, n),
    }
    links = [(name, anchor(name, "")) for name in made]
    sections = (
        element("section", element("h2", name, id=anchor(name, "")), content, class_="part")
        for name, content in made.items()
    )
    return _content(title, about, links, Html("".join(sections)))


def _made_with(run):
    versions = run.settings.get("versions")
    if not isinstance(versions, dict):
        return None
    known = {"keras_robust": "keras_robust", "keras": "Keras"}
    told = [f"{text} {versions[name]}" for name, text in known.items() if name in versions]
    return ", ".join(told + ([f"on {versions['backend']}"] if "backend" in versions else []))


def _content(title, about, links, main):
    """What the template has places for."""
    state, *rest = filter(None, about)
    kind = "state unfinished" if state.startswith("unfinished") else "state"
    links = [element("a", text, href=f"#{target}") for text, target in links]
    return {
        "TITLE": escaped(title),
        "HEADING": element("h1", title),
        "ABOUT": element("p", element("span", state, class_=kind), *(f" · {part}" for part in rest), class_="about"),
        "LINKS": element("nav", *links, aria_label="Parts of this page"),
        "MAIN": main,
    }
