"""A product of losses and noises on one data set, with the table that goes with it."""

from dataclasses import dataclass, field, replace

from keras_robust.checks import refuse
from keras_robust.recipes.schema import Cell, Recipe

UNVERIFIED = "its accuracy could not be verified"


@dataclass(frozen=True)
class Printed:
    """A table of accuracies as it is printed.

    Attributes:
        table: its name.
        source: where it was read.
        noises: noise strings of its columns.
        rows: label of the loss -> "90.36±0.03 75.90±0.28 ..." by column; "-" where there is none.
        runs: runs behind each cell, or None.
    """

    table: str
    source: str
    noises: tuple
    rows: dict
    runs: int | None = None
    cells: dict = field(init=False)

    def __post_init__(self):
        cells = {}
        for label, line in self.rows.items():
            printed = line.split()
            if len(printed) != len(self.noises):
                refuse("Printed", "rows", f"{len(self.noises)} cells for each loss", f"{label}: {line}")
            cells |= {
                (label, noise): self._cell(text)
                for noise, text in zip(self.noises, printed, strict=True)
                if text != "-"
            }
        object.__setattr__(self, "cells", cells)

    def _cell(self, text):
        mean, _, std = text.partition("±")
        return Cell(float(mean), float(std) if std else None, self.source, self.runs)


def grid(base: dict, losses: dict, noises, tables: tuple = (), **settings) -> list[Recipe]:
    """Every loss at every noise, each with its cell of the first table that has one.

    Args:
        base: fields that all rows share.
        losses: label -> text of the loss, or a dict of the fields that go with it.
        noises: noise strings, None for no noise.
        tables: `Printed` tables, where to look for the accuracy.
        settings: further fields that all rows share.
    """
    rows = []
    for label, own in losses.items():
        own = {"loss": own} if isinstance(own, str) else own
        shared = {**base, **settings, "label": label, **own}
        for noise in noises:
            exact = shared.get("exact_noise", False) and noise is not None
            rows.append(_with_cell(Recipe(**{**shared, "noise": noise, "exact_noise": exact}), tables))
    return rows


def _with_cell(row, tables):
    for printed in tables:
        cell = printed.cells.get((row.label, row.noise))
        if cell is not None:
            return replace(row, expected=cell, table=printed.table)
    return replace(row, source=f"{row.source}; {UNVERIFIED}")
