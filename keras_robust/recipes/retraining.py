"""A run trained again on corrected labels: what the correction brought."""

import hashlib
import json
import pathlib
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from keras_robust.checks import refuse
from keras_robust.data.image_folders import LISTING, refuse_changed
from keras_robust.diagnostics.cleaning import wrong_shares
from keras_robust.diagnostics.corrections import Corrected, as_corrections
from keras_robust.diagnostics.runs import open_run
from keras_robust.measures import WORDS, headings
from keras_robust.recipes.planning import Conditions
from keras_robust.recipes.schema import FIELDS, Recipe
from keras_robust.training import train_all
from keras_robust.training.folder import SETTINGS, read_json, write_json
from keras_robust.training.judging import Judged, with_one_transition

_DROPPED = "dropped.npy"


@dataclass(frozen=True)
class Retrained:
    """A run before and after its labels were corrected.

    Attributes:
        folder: of the run after.
        corrected: the labels that it was trained on.
        before, after: what `training.measure` gives; "wrong" is the share of wrong labels trained on, None where nobody
            knows.
    """

    folder: pathlib.Path
    corrected: Corrected
    before: dict
    after: dict

    def table(self, width: int = 80) -> Table:
        """Both runs side by side, in per cent: a row a measure."""
        told = "\n".join(filter(None, (self.corrected.report, self.after.get(WORDS))))
        table = Table(title=escape(f"{self.folder.parent} on corrected labels"), caption=escape(told))
        for heading in ("%", "before", "after"):
            table.add_column(heading, justify="left" if heading == "%" else "right")
        rows = {"wrong": "wrong labels trained on"}
        rows |= {name: " ".join(heading.split()) for name, heading in headings([self.before, self.after]).items()}
        for name, heading in rows.items():
            values = [result.get(name) for result in (self.before, self.after)]
            if values != [None, None]:
                table.add_row(heading, *("-" if value is None else f"{100 * value:.2f}" for value in values))
        return table


def retrain(
    folder,
    corrections,
    log: str | None = None,
    name: str = "retrained",
    data_dir=None,
    pretrained=None,
    console: Console | None = None,
) -> Retrained:
    """Trains a run again, as it was trained but on corrected labels, into a folder inside its own.

    Settings, seed and pipeline are those of the run, from its settings.json; samples that are dropped are not trained
    on. What was stopped resumes when it is called again, and what is done is read. The new folder is one of a run: its
    suspects can be reviewed, and it can be corrected and trained again.

    Args:
        folder: folder of a run that `recipes.run` or `compare` trained to its end, or one that holds several.
        corrections: `Corrections`, or the path of corrections.csv.
        log: which of several runs.
        name: of the new folder.
        data_dir: folder of the data set; None: the run's own.
        pretrained: file of the weights that the run started from, if it did.
        console: where progress goes; the terminal by default.

    Raises:
        ValueError: for corrections of another data set, to a class that is not there, or that leave nothing; for a
            folder whose run the runner did not train, or not to its end.
        FileExistsError: if the new folder holds a run with other corrections.
        FileNotFoundError: where the run, or its data, is missing.
    """
    own = "retrain"
    run = open_run(folder, log)
    if not isinstance(name, str) or pathlib.Path(name).name != name or name in ("", ".", "..", "weights"):
        refuse(own, "name", "the name of a new folder inside the run's own", name)
    if not (run.folder / "result.json").is_file() or "scale" not in run.settings:
        rule = "one that `keras-robust run` or `compare` trained to its end (with settings.json and result.json)"
        refuse(own, "folder", rule, str(run.folder))
    recipe = _recipe(run)
    if recipe.pretrained and pretrained is None and run.settings["scale"] != "smoke":
        refuse(own, "pretrained", "the file of weights that this run started from", None)
    before = run.labels()
    corrected = as_corrections(corrections).apply(before, recipe.row.num_classes)
    drop = corrected.drop | _listed_in(run.folder / _DROPPED, len(before))
    if (drop | _listed_in(run.folder / "held_out.npy", len(before))).all():
        refuse(own, "corrections", "such that some samples are left to train on", f"{drop.sum():,} dropped")
    corrected = corrected._replace(drop=drop)
    data_dir = run.settings.get("data_dir") if data_dir is None else data_dir
    if recipe.row.files:
        refuse_changed(run.folder / LISTING, data_dir)
    here = Conditions(run.settings["scale"], data_dir, run.settings.get("pipeline"), pretrained)
    job = here.job(recipe, name, f"{recipe.label} on corrected labels", run.settings["seed"], corrected)
    settings = {**job.settings, "corrections": _digest(corrected)}
    shared = read_json(run.folder / SETTINGS)
    (after,) = train_all(run.folder, shared, [replace(job, settings=settings)], console)
    with open(run.folder / name / _DROPPED, "wb") as file:
        np.save(file, np.flatnonzero(drop))
    first = read_json(run.folder / "result.json")
    both = {"the run before": Judged.load(run.folder), "the run after": Judged.load(run.folder / name)}
    if None not in both.values() and not both["the run before"].known:
        found, _ = with_one_transition(both)
        first, after = first | found["the run before"], after | found["the run after"]
    if shares := wrong_shares(run.log.clean, before, corrected):
        first["wrong"], after["wrong"] = shares
    result = Retrained(run.folder / name, corrected, first, after)
    write_json(run.folder / name / "before.json", first)
    return result


def _recipe(run):
    """The recipe of a run, as its settings have it."""
    fields = {name: value for name, value in run.settings.items() if name in FIELDS}
    try:
        return Recipe.from_dict({"source": "retrain", **fields})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{run.folder / SETTINGS} is not that of a recipe: {error}") from None


def _listed_in(file, count):
    """Boolean (count,): the samples whose positions a file lists, which an earlier correction or the run left out."""
    listed = np.zeros(count, bool)
    if file.is_file():
        listed[np.load(file, allow_pickle=False)] = True
    return listed


def _digest(corrected):
    told = json.dumps([corrected.labels.tolist(), np.flatnonzero(corrected.drop).tolist()])
    return hashlib.sha256(told.encode()).hexdigest()
