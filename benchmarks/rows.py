"""How long do whole rows of the recipes take, several at once, and what comes out beside the papers' numbers?

    KERAS_BACKEND=jax python benchmarks/rows.py --out FOLDER --minutes 10 [--data-dir DIR] [--together 5] [ROW ...]

Rows are `keras-robust run ROW --pipeline device`, each in a process of its own, until the minutes are over. Other
settings may stand after a row's name, in quotes where they hold spaces: 'anl/cifar10n/human:worst/ce epochs=2
"algorithm=ELR(beta=0.7, lam=3)"'. What is not done then is stopped, and resumes when this is called again with the
same folder. The first row runs alone for `--alone` seconds, so that its seconds an epoch can be read. FOLDER holds
what `keras-robust run` writes of each row, and a log of what it printed. The last line is JSON; the exit status is 1
if a row failed.
"""

import argparse
import csv
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import time

import measuring

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROWS = (
    *(f"anl/cifar10/symmetric:0.4/{loss}" for loss in ("anl-ce", "ce")),
    *(f"anl/mnist/symmetric:{rate}/{loss}" for rate in (0.8, 0.4) for loss in ("anl-ce", "nce+rce", "gce", "ce")),
    *(f"anl/mnist/symmetric:0.8/{loss}" for loss in ("fl", "mae", "nce+mae")),
    *(f"anl/cifar10/symmetric:0.4/{loss}" for loss in ("nce+rce", "gce")),
)
SEED = 1


class Row:
    """One recipe, with other settings or its own: its process, its folder, and what is in there."""

    def __init__(self, text, options):
        self.text, (self.name, *self.settings) = text, shlex.split(text)
        self.options, self.process = options, None
        self.folder = options.out / re.sub("[^a-z0-9.+-]+", "-", f"{text.lower()}-{options.scale}")
        self.seconds_alone, self._before = None, 0

    def start(self):
        self._before = len(self.history())
        command = [sys.executable, "-m", "keras_robust", "run", self.name, "--pipeline", "device"]
        command += ["--seeds", str(SEED), "--scale", self.options.scale, "--out", str(self.folder)]
        command += ["--data-dir", str(self.options.data_dir)] if self.options.data_dir else []
        command += ["--set", *self.settings] if self.settings else []
        environment = os.environ | {"COLUMNS": "150", "PYTHONUNBUFFERED": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # several share a GPU
        with self.log.open("w") as file:
            # In the group of this process: who stops that stops all of them.
            self.process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
        self.began = time.monotonic()

    @property
    def log(self):
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        self.process.kill()  # it resumes from its last whole epoch
        self.process.wait()

    def was_alone_until_now(self):
        """Notes the seconds an epoch of this call up to now, its first one, with compilation, apart."""
        times = [float(row["seconds"]) for row in self.history()[self._before + 1 :]]
        self.seconds_alone = statistics.median(times) if times else None

    def history(self):
        file = self.folder / f"seed-{SEED}" / "history.csv"
        return list(csv.DictReader(file.read_text().splitlines())) if file.exists() else []

    def told(self):
        """What became of it, for the JSON."""
        from keras_robust import recipes

        history = self.history()
        file = self.folder / f"seed-{SEED}" / "result.json"
        result = json.loads(file.read_text()) if file.exists() else None
        status = "not begun" if self.process is None else "stopped" if result is None else "done"
        if self.process is not None and self.process.returncode not in (0, -9):
            status = f"failed with status {self.process.returncode}: {self.log.read_text()[-1000:]}"
        times = [float(row["seconds"]) for row in history]
        printed = None if self.settings else recipes.get(self.name).expected
        return {
            "row": self.text,
            "status": status,
            "printed": None if printed is None else {"accuracy": printed.value, "table": printed.table},  # in percent
            "result": result,
            "seconds_an_epoch": statistics.median(times[1:] or times) if times else None,
            "seconds_an_epoch_alone": self.seconds_alone,
            "history": history,
        }


def train(rows, options):
    """Trains rows, so many together, until the minutes are over."""
    end, waiting, begun, alone = time.monotonic() + 60 * options.minutes, list(rows), [], None
    while time.monotonic() < end and (waiting or any(row.running for row in begun)):
        if alone is not None and not (alone.running and time.monotonic() < alone.began + options.alone):
            alone.was_alone_until_now()
            alone = None
        together = 1 if alone else options.together
        if waiting and sum(row.running for row in begun) < together:
            begun.append(waiting.pop(0))
            begun[-1].start()
            alone = begun[0] if len(begun) == 1 else None
        time.sleep(0.5)  # one by one: all at once they would read the data at the same time
    if alone is not None:
        alone.was_alone_until_now()
    for row in begun:
        if row.running:
            row.stop()


def table(rows):
    """Markdown of what `told` says of rows."""
    lines = [
        "| recipe | epochs | test accuracy | printed | wrong labels memorized | AUROC | s an epoch | alone |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        result, history, printed = row["result"], row["history"], row["printed"]
        accuracy = result["last"] if result else float(history[-1]["val_accuracy"]) if history else None
        cells = [
            f"{len(history)}" if row["status"] == "done" else f"{len(history)}, {row['status'].partition(':')[0]}",
            _number(accuracy, ".2%"),
            "" if printed is None else f"{_number(printed['accuracy'], '.2f')}% ({printed['table']})",
            _number(result and result["memorized"], ".1%"),
            _number(result and result["auroc"], ".3f"),
            _number(row["seconds_an_epoch"], ".2f"),
            _number(row["seconds_an_epoch_alone"], ".2f"),
        ]
        lines.append(f"| {row['row']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _number(value, form):
    return "" if value is None else f"{value:{form}}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", default=ROWS, metavar="ROW", help="names of recipes, settings after them")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER")
    parser.add_argument("--data-dir", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--together", type=int, default=5, help="rows that run at once")
    parser.add_argument("--alone", type=float, default=45.0, help="seconds that the first row runs alone")
    parser.add_argument("--scale", default="full", help="full, quick or smoke")
    options = parser.parse_args()
    options.out = options.out.absolute()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = [Row(text, options) for text in options.rows]
    train(rows, options)
    told = [row.told() for row in rows]
    print(table(told))
    print(json.dumps({"benchmark": "rows", "rows": told, "together": options.together, **measuring.circumstances()}))
    if failed := [row["row"] for row in told if row["status"].startswith("failed")]:
        raise SystemExit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
