"""What came out of the runs of a recipe, beside what the paper has."""

import pathlib
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from keras_robust.measures import WORDS, headings, over_seeds
from keras_robust.recipes.obtained import OBTAINED
from keras_robust.recipes.schema import Recipe
from keras_robust.training.folder import write_json, write_rows

# Columns that the names of the runs take, and a number; what a narrow table leaves out first.
_FIRST, _NUMBER = 10, 11
_LEAST = ("precision", "auroc", "mean_of_last_ten", "corrected")


def listing(recipes) -> Table:
    """Recipes as a table for the terminal: name, loss, accuracy of the paper and of our own runs.

    Example:

    >>> keras_robust.recipes.listing(keras_robust.recipes.find(name="anl/mnist/symmetric:0.8/*")).row_count
    14
    """
    table = Table(box=None)
    table.add_column("recipe", no_wrap=True)
    for heading in ("paper, %", "ours, %"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("loss", overflow="fold")
    for recipe in recipes:
        cells = ("-" if cell is None else str(cell) for cell in (recipe.expected, OBTAINED.get(recipe.name)))
        table.add_row(recipe.name, *cells, "; ".join((recipe.loss or "-", *recipe.obstacles)))
    return table


@dataclass(frozen=True)
class Report:
    """Results of a recipe, seed by seed; the files of each are in `folder`/seed-SEED.

    Attributes:
        recipe: as it stands in the table of recipes.
        remarks: in what the runs left the recipe; their accuracies compare with the paper's only if there is none.
        results: seed -> what `measure` gives.
    """

    recipe: Recipe
    folder: pathlib.Path
    remarks: tuple[str, ...]
    results: dict[int, dict]

    def rows(self) -> list[dict]:
        """One row a seed; with several, their mean and standard deviation; the paper's cell, if it was verified."""
        rows = [{"run": f"seed {seed}", **result} for seed, result in self.results.items()]
        if len(rows) > 1:
            found = over_seeds(self.results.values())
            for name, ending in (("mean", ""), ("standard deviation", "_std")):
                rows.append({"run": name, **{key: found[f"{key}{ending}"] for key in self._headings()}})
        if self.recipe.verified:
            rows.append({"run": "paper", "last": self.recipe.expected.value / 100})
            if attack := self.recipe.expected_attack:
                rows[-1]["attack"] = attack.value / 100
        return rows

    def table(self, width: int = 80) -> Table:
        """The rows as a table for a terminal of so many columns, in per cent; a narrow one leaves some measures out."""
        cell = self.recipe.expected
        told = "no accuracy is printed" if cell is None else cell.table
        if cell is not None and cell.evaluated_on != self.recipe.row.name:
            told += f", evaluated on {cell.evaluated_on}"
        title = f"{self.recipe.name} ({', '.join(filter(None, (self.recipe.paper, told)))})"
        told = sorted({result[WORDS] for result in self.results.values() if WORDS in result})
        table = Table(title=escape(title), caption=escape("\n".join(("%", *self.remarks, *told))))
        table.add_column("")
        known = self._headings()
        dropped = _LEAST[: max(0, len(known) - (width - _FIRST) // _NUMBER)]
        shown = [name for name in known if name not in dropped]
        for name in shown:
            table.add_column(known[name], justify="right")
        for row in self.rows():
            values = (row.get(name) for name in shown)
            cells = ["-" if value is None else f"{100 * value:.2f}" for value in values]
            if row["run"] == "paper":
                cells[0] = str(self.recipe.expected)
                if "attack" in row and "attack" in shown:
                    cells[shown.index("attack")] = str(self.recipe.expected_attack)
            table.add_row(row["run"], *cells)
        return table

    def _headings(self):
        return headings(self.results.values())

    def save(self) -> None:
        """Writes results.csv, the rows, and results.json."""
        write_rows(self.folder / "results.csv", self.rows())
        content = {"recipe": self.recipe.to_dict(), "remarks": self.remarks, "results": self.results}
        write_json(self.folder / "results.json", content)
