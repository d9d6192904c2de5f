"""All recipes: the settings of `papers/PAPER.toml`, block by block, joined with the cells of `papers/accuracies.csv`
and `papers/attacks.csv`.

A file of settings holds `shared` fields of all rows, named lists of `noises`, named `settings`, and `rows`: blocks of
fields (with `base`, the settings they start from) whose `losses` are trained at each of their `noises`. A loss is a
text, or fields; `each` holds fields of which every value makes a row of its own, `columns` one value for each noise.
Names in braces are filled in. `cells` says which cells are a row's, beyond paper, data set, noise and label: columns of
the table of accuracies and what they should be. `contested` notes go to the rows that fit them.
"""

import csv
import itertools
import tomllib
from dataclasses import replace
from importlib.resources import files

from keras_robust.catalog import CATALOG
from keras_robust.checks import refuse
from keras_robust.noise.grammar import parse
from keras_robust.recipes.cell import Cell
from keras_robust.recipes.rules import PAPERS
from keras_robust.recipes.schema import FIELDS, Recipe, fits

#: Rates that are printed for labels that people gave.
_HUMAN = {
    "aggregate": "0.0903",
    "random1": "0.1723",
    "random2": "0.1812",
    "random3": "0.1764",
    "worst": ["0.4021", "0.4"],
    "cifar100n": ["0.4020", "0.4"],
}
_DRAWN = ("symmetric", "symmetric+true", "pair", "asymmetric")
_FOLDER = files("keras_robust.recipes") / "papers"


def read(paper: str, content: dict, lines: dict, elsewhere: dict, attacks: dict) -> list[Recipe]:
    """The recipes of a paper.

    Args:
        paper: a name of `PAPERS`.
        content: of its file of settings.
        lines: of the table of accuracies, by paper and method.
        elsewhere: lines of accuracies of the same trainings that are not the paper's, by recipe.
        attacks: lines of success rates of backdoors, by recipe.
    """
    rows = []
    for block in content["rows"]:
        shared = (
            {"paper": paper, "network": None, "loss": None} | content["shared"] | _settled(block, content["settings"])
        )
        noises = [noise for name in shared.pop("noises") for noise in content["noises"].get(name, [name])]
        for label, own in shared.pop("losses").items():
            own = {"loss": own} if isinstance(own, str) else own
            for fields, noise in _expanded({**shared, "label": label, **own}, noises):
                row, wanted = _row(fields, noise)
                cells = _cells(row, lines.get((paper, label), ()), wanted)
                cells += tuple(_success(line) for line in attacks.get((row.name,), ()))
                others = _others(elsewhere.get((row.name,), ()))
                notes = (*_notes(row, content["contested"]), *_disagreement(cells), *others)
                rows.append(replace(row, printed=cells, contested=notes))
    return rows


def _lines(name, *columns):
    """The lines of a file, numbered, by what stands in the columns."""
    found = {}
    with (_FOLDER / name).open(encoding="utf-8", newline="") as file:
        for number, line in enumerate(csv.DictReader(file), start=1):
            found.setdefault(tuple(line[column] for column in columns), []).append(line | {"line": number})
    return found


def _settled(block, settings):
    """A block's fields on top of those that it is based on; losses are added to theirs."""
    bases = block.get("base", [])
    fields = {"losses": {}}
    for name in [bases] if isinstance(bases, str) else bases:
        fields = _on_top(fields, _settled(settings[name], settings))
    return _on_top(fields, {name: value for name, value in block.items() if name != "base"})


def _on_top(fields, others):
    return fields | others | {"losses": fields["losses"] | others.get("losses", {})}


def _expanded(fields, noises):
    """The fields of each row, and its noise."""
    each, columns = fields.pop("each", {}), fields.pop("columns", {})
    if uneven := {name: column for name, column in columns.items() if len(column) != len(noises)}:
        refuse("columns", fields["label"], f"lists of {len(noises)}, one value for each noise", uneven)
    for values in itertools.product(*each.values()):
        for place, noise in enumerate(noises):
            column = {name: column[place] for name, column in columns.items()}
            yield {**fields, **dict(zip(each, values, strict=True)), **column}, noise


def _row(fields, noise):
    """The recipe, and what its cells must be besides."""
    noise = None if noise in ("clean", "real") else noise
    wanted = fields.get("cells", {})
    fields = {**fields, "noise": noise, "cells": wanted if isinstance(wanted, list) else [wanted]}
    filled = _filled(fields, fields)
    unknown = [name for name in fields if name not in (*FIELDS, "cells") and f"{{{name}}}" not in str(fields)]
    if unknown:
        raise TypeError(
            f"A recipe has no setting {unknown[0]!r}, and nothing of {fields['label']} is filled in with it."
        )
    exact = filled.get("exact_noise", False) and noise is not None and parse(noise).kind in _DRAWN
    return Recipe(**{name: filled[name] for name in FIELDS if name in filled} | {"exact_noise": exact}), filled["cells"]


def _filled(value, fields):
    match value:
        case str() if "{" in value:
            return value.format(**fields)
        case dict():
            return {name: _filled(one, fields) for name, one in value.items()}
        case list():
            return [_filled(one, fields) for one in value]
    return value


def _cells(row, lines, wanted):
    """Those of the lines that have what is wanted, as cells in the order of `Recipe.printed`."""
    ways = [{"dataset": row.dataset} | _noise_columns(row) | columns for columns in wanted]
    found = [line for line in lines if any(all(fits(line[name], way[name]) for name in way) for way in ways)]
    cells = [_cell(line, row.dataset) for line in found]
    return tuple(sorted(cells, key=lambda cell: (not cell.of_test, cell.evaluated_on != row.dataset)))


def _noise_columns(row):
    if row.backdoor or row.wrong_as_given:
        return {"noise_kind": "backdoor" if row.backdoor else "real"}
    if row.noise is None:
        return {"noise_kind": "clean"}
    noise = parse(row.noise)
    rate = _HUMAN[noise.name] if noise.kind == "human" else f"{noise.rate:g}"
    return {"noise_kind": noise.kind.split("+")[0], "noise_rate": rate}


def _cell(line, dataset):
    return Cell(
        value=float(line["mean"]) if line["mean"] not in ("", "/") else None,
        std=float(line["std"]) if line["std"] else None,
        table=line["table"],
        metric=line["metric"],
        evaluated_on=_evaluated_on(line["dataset"], dataset),
        runs=int(line["runs"]) if line["runs"] else None,
        settings=line["hyperparameters"],
        note=line["note"],
        line=line["line"],
    )


def _success(line):
    return Cell(float(line["mean"]), float(line["std"]), line["table"], line["metric"], runs=3)


def _evaluated_on(printed, dataset):
    """The data set, or the one to test on alone that is printed, with as many classes."""
    K = CATALOG[dataset].num_classes
    tested = (row.name for row in CATALOG.values() if row.test_only and row.stored == printed and row.num_classes == K)
    return next(tested, dataset)


def _notes(row, notes):
    """The notes whose other entries fit the row."""
    for note in notes:
        if row.fits(**{name: value for name, value in note.items() if name != "note"}):
            yield note["note"]


def _others(lines):
    for line in lines:
        yield f"accuracy: {line['mean']}{line['std'] and ' ± '}{line['std']} in {line['where']}"


def _disagreement(cells):
    """A note where the paper prints several numbers for one thing."""
    same = {}
    for cell in cells:
        if cell.of_test and cell.value is not None:
            kind = cell.metric.partition(" accuracy")[0].removeprefix("final ")
            same.setdefault((cell.evaluated_on, kind), []).append(cell)
    for group in same.values():
        values, stds = {cell.value for cell in group}, {cell.std for cell in group} - {None}
        if len(values) > 1 or len(stds) > 1:
            yield f"accuracy: {', '.join(f'{cell} in {cell.table}' for cell in group)}"


def _all():
    lines = _lines("accuracies.csv", "paper", "method")
    others = _lines("elsewhere.csv", "recipe"), _lines("attacks.csv", "recipe")
    for paper in PAPERS:
        content = tomllib.loads((_FOLDER / f"{paper}.toml").read_text(encoding="utf-8"))
        yield from read(paper, content, lines, *others)


RECIPES = tuple(_all())
"""All recipes, paper by paper."""

BY_NAME = {recipe.name: recipe for recipe in RECIPES}
