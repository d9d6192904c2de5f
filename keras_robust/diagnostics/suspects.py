"""Which labels are most likely wrong: as a table, and as pictures for the one who has to decide."""

import csv
import dataclasses
import os
import pathlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from keras_robust.checks import refuse
from keras_robust.class_names import names_by_id
from keras_robust.data.folders import Files
from keras_robust.diagnostics import plots
from keras_robust.diagnostics.believed import believed_labels
from keras_robust.diagnostics.plots.pixels import drawable
from keras_robust.diagnostics.repeated import Duplicates, duplicates
from keras_robust.diagnostics.runs import LoggedRun, as_run
from keras_robust.diagnostics.samples import samples_of_run
from keras_robust.files import whole
from keras_robust.weight_log import WeightLog

# Rows that `print` shows.
_PRINTED = 10


@dataclass(frozen=True)
class Suspect:
    """A sample whose label is likely wrong. Class ids are -1, and names "", where they are not known.

    Attributes:
        rank: 1 for the most suspect.
        sample: its number.
        given, given_name: the label that it has.
        believed, believed_name: the class that the model predicted in most of the logged epochs.
        predicted, predicted_name: the class that it predicted in the last of them.
        clean, clean_name: the clean label.
        mean_margin: mean margin of the given label over the logged epochs; the lower, the more suspect.
        last_margin: its margin in the last of them.
        last_weight: implicit weight there: how much the loss still believed it.
        epochs_against: share of the logged epochs in which another class than the given one was predicted.
        path, text: its file and its text; "" where they are not known.
        position: where in the sample, (row, column) for example; () where a sample has one record.
    """

    rank: int
    sample: int
    given: int
    given_name: str
    believed: int
    believed_name: str
    predicted: int
    predicted_name: str
    clean: int
    clean_name: str
    mean_margin: float
    last_margin: float
    last_weight: float
    epochs_against: float
    path: str = ""
    text: str = ""
    position: tuple[int, ...] = ()

    @property
    def wrong(self) -> bool | None:
        """Whether the label is truly wrong; None if nobody knows."""
        return None if self.clean < 0 else self.clean != self.given


def suspect_table(log: WeightLog, n: int | None = 100, class_names=None, paths=None, texts=None) -> list[Suspect]:
    """The n samples of lowest mean margin over the logged epochs, the most suspect first.

    Of a log of positions (pixels, time steps, yes/no outputs) they are positions of samples, which `position` names.
    Samples that the log never saw are left out. With several logs of one data set, those of robust losses rank best.

    Args:
        log: the log of a training run.
        n: how many at most; None: all samples.
        class_names: a name for each class, a list, an array, a Series or a dict {id: name}; by default its id.
        paths, texts: of all samples, by number; or None.

    Raises:
        ValueError: if there are fewer names than classes, or they have no order.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(2, RECORD)
    >>> records["margin"], records["label"], records["predicted"], records["clean"] = [3.0, -2.0], 1, [1, 0], -1
    >>> write_epoch(tmp_path, 0, records)
    >>> (suspect,) = keras_robust.diagnostics.suspect_table(keras_robust.diagnostics.WeightLog(tmp_path), n=1)
    >>> suspect.sample, suspect.given, suspect.believed, suspect.mean_margin, suspect.wrong
    (1, 1, 0, -2.0, None)
    """
    labels, clean, margins = log.labels, log.clean, log.mean_margin()
    order = log.suspects(None if n is None else min(n, log.num_records))
    order = order[labels[order] >= 0]
    believed, (predicted, against, last_margin, last_weight) = believed_labels(log, order), _last(log, order)
    known = np.full(len(order), -1) if clean is None else clean[order]
    ids = {"given": labels[order], "believed": believed, "predicted": predicted, "clean": known}
    classes = 1 + max((int(values.max(initial=-1)) for values in ids.values()), default=-1)
    names = range(classes) if class_names is None else class_names
    names = names_by_id("suspect_table", names, classes, more=True)
    samples, positions = log.place(order)
    columns = {"rank": np.arange(1, len(order) + 1), "sample": samples}
    for field, values in ids.items():
        columns[field] = values
        columns[f"{field}_name"] = [names[k] if k >= 0 else "" for k in values]
    columns |= {"mean_margin": margins[order], "last_margin": last_margin, "last_weight": last_weight}
    columns["epochs_against"] = against
    for field, values in (("path", paths), ("text", texts)):
        columns[field] = [""] * len(order) if values is None else [values[sample] for sample in samples]
    columns["position"] = list(map(tuple, positions.tolist()))
    rows = zip(*(_plain(values) for values in columns.values()), strict=True)
    return [Suspect(**dict(zip(columns, row, strict=True))) for row in rows]


def suspect_sheet(suspects: list[Suspect], images, title: str | None = None):
    """Pictures of the suspects in their order, each with its given label and what the model believes.

    Args:
        suspects: rows of `suspect_table`.
        images: their images in the same order, as `plots.contact_sheet` takes them.
        title: title of the picture.

    Returns:
        The matplotlib Axes.

    Raises:
        ValueError: for images that are not one a suspect, or of which nobody can tell what is white.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(2, RECORD)
    >>> records["margin"], records["label"], records["predicted"], records["clean"] = [3.0, -2.0], 1, [1, 0], -1
    >>> write_epoch(tmp_path, 0, records)
    >>> suspects = keras_robust.diagnostics.suspect_table(keras_robust.diagnostics.WeightLog(tmp_path), n=1)
    >>> ax = keras_robust.diagnostics.suspect_sheet(suspects, images=np.zeros((1, 8, 8, 1)))
    >>> ax.texts[0].get_text()
    '1 → 0\\n#1'
    """
    images, captions = drawable("suspect_sheet", images), []
    if len(images) != len(suspects):
        refuse("suspect_sheet", "images", f"one for each of the {len(suspects)} suspects", f"{len(images)} images")
    for one in suspects:
        given, believed = _short(one.given_name), _short(one.believed_name)
        parts = [f"{given} → {believed}"] if len(given + believed) <= 8 else [given, f"→ {believed}"]
        where = f" at {', '.join(map(str, one.position))}" if one.position else ""
        parts += [f"#{one.sample}{where}"] + ["(label is right)"] * (one.wrong is False)
        captions.append("\n".join(parts))
    return plots.contact_sheet(images, captions, title=title)


class SuspectReport(NamedTuple):
    """What `write_suspects` wrote.

    Attributes:
        run: the run that it is about.
        suspects: the rows.
        table: path of suspects.csv.
        sheet: path of suspects.png, or None without images.
        duplicates: groups of exact duplicates with different labels, which duplicates.csv lists where there are some;
            None where nobody looked.
    """

    run: LoggedRun
    suspects: list[Suspect]
    table: pathlib.Path
    sheet: pathlib.Path | None
    duplicates: list[Duplicates] | None = None

    def __str__(self):
        header = ("rank", "sample", "given", "believed", "mean margin")
        cells = []
        for one in self.suspects[:_PRINTED]:
            where = " at " + ",".join(map(str, one.position)) if one.position else ""
            margin = f"{one.mean_margin:.2f}"
            cells.append((str(one.rank), f"{one.sample}{where}", one.given_name, one.believed_name, margin))
        widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
        lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in (header, *cells)]
        if len(self.suspects) > _PRINTED:
            lines.append("...")
        if self.run.log.clean is not None:
            lines.append(f"all labels by mean margin: AUROC {self.run.log.detection().auroc:.4f}")
        sheet = (
            ", suspects.png"
            if self.sheet
            else "; no pictures, for no data set is named (--dataset) and no images are given (--images)"
        )
        written = f"Written to {self.table.parent}: {self.table.name}{sheet}"
        if self.duplicates:
            count = len(self.duplicates)
            written += (
                f", duplicates.csv: {count:,} group{'s' * (count != 1)} of exact duplicates with different labels"
            )
        return "\n".join([_title(self.run, self.suspects).replace("\n", "; "), *lines, written])


def write_suspects(
    log_or_run,
    folder,
    images=None,
    texts=None,
    paths=None,
    class_names=None,
    n: int = 100,
    dataset: str | None = None,
    data_dir=None,
    with_duplicates: bool = True,
) -> SuspectReport:
    """Writes suspects.csv, and suspects.png where the images are known, for a training run.

    Exact duplicates whose labels differ, one of which at least is wrong, stand in duplicates.csv, with the columns
    group, sample, given, given_name, path and text; images are compared, or texts where there are none.

    The table has a row for each `Suspect`, with names, path and text; the picture shows the samples in the same order.
    images, texts and paths cover the whole data set, by sample number: not the suspects alone.

    Args:
        log_or_run: a `WeightLog`, what `open_run` opened, or the folder of either.
        folder: where to write, made where it is missing.
        images: an array (n, height, width) or (n, height, width, channels), uint8, or floats from 0 to 1 or to 255; a
            list of paths; or a folder of images, taken in the order of `keras.utils.image_dataset_from_directory` with
            shuffle=False. None: the images of the run's data set, where it has one.
        texts: a list of texts, or a DataFrame, whose rows are shown.
        paths: of the samples' files; None: those of the images, where these are files.
        class_names: a name for each class, a list, an array, a Series or a dict {id: name}; None: the folders' names.
        n: how many.
        dataset: name of the data set; None: the run's own, "none": no images and no names of classes.
        data_dir: folder of the data set; None: the run's own.
        with_duplicates: whether to look for duplicates, which reads all images; files, where several have one size.

    Returns:
        `SuspectReport`; `print` shows the first rows.

    Raises:
        ValueError: for a data set that is not the run's, or that is unknown; for another number of images, texts or
            paths than of samples; for images whose white could only be guessed.
        FileNotFoundError: if the data set is not there.

    Example:

    >>> from keras_robust.weight_log import RECORD, write_epoch
    >>> records = np.zeros(3, RECORD)
    >>> records["margin"], records["predicted"], records["clean"] = [2.0, -4.5, 1.0], [0, 1, 0], -1
    >>> write_epoch(tmp_path, 0, records)
    >>> log, files = keras_robust.diagnostics.WeightLog(tmp_path), ["a.png", "b.png", "c.png"]
    >>> names = {0: "cat", 1: "dog"}
    >>> found = keras_robust.diagnostics.write_suspects(log, tmp_path, paths=files, class_names=names, n=1)
    >>> found.suspects[0].path
    'b.png'
    >>> print(found)
    the 1 most suspect of 3 labels; given label → what the model believes
    rank  sample  given  believed  mean margin
       1       1    cat       dog        -4.50
    Written to ...: suspects.csv; no pictures, ...
    """
    run, out = as_run(log_or_run), pathlib.Path(folder)
    shown, names = samples_of_run("write_suspects", run, images, texts, paths, class_names, dataset, data_dir)
    suspects = suspect_table(run.log, n, names, shown.paths, shown.texts)
    sheet = None
    if shown.images is not None:
        pictures = shown.squares([one.sample for one in suspects])
        sheet = suspect_sheet(suspects, pictures, _title(run, suspects))
    contradicting = _contradicting(run, shown) if with_duplicates else None
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "suspects.csv", suspects)
    if sheet is not None:
        sheet.figure.savefig(out / "suspects.png")
    (out / "duplicates.csv").unlink(missing_ok=True)
    if contradicting:
        _write_duplicates(out / "duplicates.csv", contradicting, names, shown)
    sheet = None if sheet is None else out / "suspects.png"
    return SuspectReport(run, suspects, out / "suspects.csv", sheet, contradicting)


def _last(log, order):
    """Of the last epoch that saw each sample: prediction, margin, weight; and the share of epochs against its label."""
    predicted, seen, against = np.full(len(order), -1), np.zeros(len(order)), np.zeros(len(order))
    margin, weight = np.full(len(order), np.nan), np.full(len(order), np.nan)
    for records in log:
        those = records[order]
        known = those["label"] >= 0
        seen += known
        against += known & (those["predicted"] != those["label"])
        predicted = np.where(known, those["predicted"], predicted)
        margin, weight = np.where(known, those["margin"], margin), np.where(known, those["weight"], weight)
    return predicted, against / np.maximum(seen, 1), margin, weight


def _contradicting(run, shown):
    """Exact duplicates with different labels; None where nobody knows what samples are, or they have many labels."""
    content = shown.texts if shown.images is None else shown.images
    if content is None and shown.paths is not None and all(map(os.path.isfile, shown.paths)):
        content = Files(shown.paths)
    if content is None or run.log.positions:
        return None
    groups = []
    for samples, labels in duplicates(content, run.labels()):
        known = [(sample, label) for sample, label in zip(samples, labels, strict=True) if label >= 0]
        if len({label for _, label in known}) > 1:
            groups.append(Duplicates(*zip(*known, strict=True)))
    return groups


def _write_duplicates(path, groups, names, shown):
    classes = 1 + max(max(group.labels) for group in groups)
    names = names_by_id("write_suspects", range(classes) if names is None else names, classes, more=True)
    rows = []
    for number, group in enumerate(groups, start=1):
        for sample, label in zip(*group, strict=True):
            told = ["" if known is None else known[sample] for known in (shown.paths, shown.texts)]
            rows.append([number, sample, label, names[label], *told])
    _write_rows(path, ("group", "sample", "given", "given_name", "path", "text"), rows)


def _write(path, suspects):
    fields = [field.name for field in dataclasses.fields(Suspect)]
    _write_rows(path, fields, ([_printed(getattr(one, field)) for field in fields] for one in suspects))


def _write_rows(path, head, rows):
    with whole(path) as draft, open(draft, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)


def _printed(value):
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "" if value == -1 and isinstance(value, int) else value


def _title(run, suspects):
    seen = np.count_nonzero(run.log.labels >= 0)
    title = f"the {len(suspects)} most suspect of {seen:,} labels"
    title = f"{run.title}: {title}" if run.title else title
    wrong = [one.wrong for one in suspects]
    if suspects and None not in wrong:
        title += f", of which {sum(wrong)} are truly wrong"
    return f"{title}\ngiven label → what the model believes"


def _plain(values):
    return values.tolist() if isinstance(values, np.ndarray) else values


def _short(name):
    return name if len(name) <= 14 else f"{name[:13]}…"
