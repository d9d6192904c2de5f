"""Is it right and fast on a GPU? Reference values, algorithms, benchmarks and whole rows, each in its own process.

    python benchmarks/gpu.py --out FOLDER [--steps reference loss_in_fit] [--limits reference=120] [--rehearse]
    python benchmarks/gpu.py --out FOLDER --steps rows --minutes 9 --data-dir DIR [--rows anl/mnist/symmetric:0.8/ce]

A step that fails or outlasts its limit in seconds is told, and the next one goes on; the exit status is 1 then. FOLDER
gets `gpu.json`, the results, and `gpu.md`, rows beside the papers' numbers, both written anew after every step (results
of steps that are not run again stay), and `gpu.log`, all that was printed. Rows that were stopped resume in the same
FOLDER. `--rehearse` takes the least of every step, rows in two steps on generated images, on any machine.
"""

import argparse
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import NamedTuple

from rows import ROWS, table

ROOT = pathlib.Path(__file__).resolve().parents[1]
BACKENDS = ("torch", "jax")
REHEARSED = ("anl/mnist/symmetric:0.8/anl-ce", "anl/mnist/symmetric:0.8/ce")
SLACK = 60  # seconds that rows may take to begin and to end
LAST_WORDS = 10  # seconds for what is stopped to say them


class Step(NamedTuple):
    """Commands that run at once, by name: (backend, arguments of Python); and the seconds that they may take."""

    commands: dict
    limit: float


def steps_of(options):
    """All steps by name, in the order in which they run."""
    few = options.rehearse
    tests = ["-m", "pytest", "-p", "no:cacheprovider", "-W", "default", "--numprocesses", str(options.workers)]
    reference = [*tests, "tests/losses/test_oracle.py", *(["-k", "NCEandMAE"] if few else [])]
    exact = [*tests, "tests/losses/test_rows.py", "tests/losses/test_digits.py", *(["-k", "NCEandMAE"] if few else [])]
    algorithms = [*tests, "tests/algorithms", "-k", "gjs" if few else "not pipelines"]  # those need TensorFlow
    classes = ["--classes", *(["10"] if few else map(str, options.classes))]
    brief = ["--seconds", "0.1" if few else "2"]

    def on(names, script, *arguments):
        return {f"{script}, {name}": (name, [f"benchmarks/{script}.py", *arguments]) for name in names}

    tried = ["--steps", "2"] if few else []
    loss_step = ["--bare", "--entries", "4096" if few else str(2**24), "--losses", "GCE", "NCE", "DAL", "ANLCE"]
    loss_step += ["--cores", str(os.cpu_count()), *classes, *brief]
    fit = [*tried, *(["--rounds", "1", "--samples", "1000", "--batch", "8"] if few else ["--steps", "20"])]
    steps = {
        "reference": Step({f"reference, {name}": (name, reference) for name in BACKENDS}, 120),
        "exact": Step({f"exact, {name}": (name, exact) for name in BACKENDS}, 120),
        "algorithms": Step({f"algorithms, {name}": (name, algorithms) for name in BACKENDS}, 120),
        "host_syncs": Step(on(("torch",), "host_syncs"), 60),
    }
    feeding = ["--network", "cnn2", *tried, "--seconds", "0.1"] if few else ["--seconds", "5", "--steps", "20"]
    for script, arguments in (
        ("loss_in_fit", [*classes, *brief, *tried]),
        ("loss_step", loss_step),
        ("fit_step", fit),
        ("feeding", feeding),
        ("memory", ["--seconds", "0.5" if few else "10"]),
    ):
        steps |= {f"{script}, {name}": Step(on((name,), script, *arguments), 90) for name in BACKENDS}
    rows = [*(options.rows or (REHEARSED if few else ROWS)), "--out", str(options.out.absolute() / "rows")]
    rows += ["--minutes", str(options.minutes), "--together", str(options.together), "--alone", str(options.alone)]
    rows += ["--scale", "smoke"] if few else ["--data-dir", str(options.data_dir)] if options.data_dir else []
    on_one = options.rows_on  # the minutes are for one of them
    return steps | {f"rows, {on_one}": Step(on((on_one,), "rows", *rows), 60 * options.minutes + SLACK)}


def run(step, limit, log):
    """What became of each command: status, seconds, and the JSON of its last line where it printed one."""
    started, running = time.monotonic(), {}
    for name, (backend, arguments) in step.commands.items():
        environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONUNBUFFERED": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        # The tests keep off a GPU unless they are told.
        environment.setdefault("CUDA_VISIBLE_DEVICES", "0")
        environment.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        path = log.with_name(f".{name.replace(', ', '-')}.part")
        with path.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running[name] = process, path
    results = {}
    for name, (process, path) in running.items():
        try:
            status = process.wait(max(0.0, started + limit - time.monotonic()))
            told = "done" if status == 0 else f"failed with status {status}"
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # tests tell what failed until then
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LAST_WORDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its own workers too
            process.wait()
            told = f"stopped after {limit:g} s"
        printed = path.read_text(errors="replace")
        path.unlink()
        with log.open("a") as file:
            file.write(f"== {name}: {told}\n{printed}\n")
        results[name] = {"status": told, "seconds": round(time.monotonic() - started, 1), "result": last_json(printed)}
        shown = [line for line in printed.splitlines() if not line.startswith(("{", "USDT:"))]
        print(f"== {name}: {told}, {results[name]['seconds']} s", *shown[-12:], sep="\n", flush=True)
    return results


def last_json(printed):
    """The last line that is a JSON object, read, or None."""
    for line in reversed(printed.splitlines()):
        if line.startswith("{"):
            try:
                return json.loads(line)
            except json.JSONDecodeError:
                continue
    return None


def write(results, folder):
    """The results as JSON, and rows as a page."""
    (folder / "gpu.json").write_text(json.dumps(results, indent=1))
    parts = ["# Rows beside the papers' numbers"]
    for name, told in results.items():
        if name.startswith("rows, ") and told["result"]:
            device = told["result"]["device"]
            parts.append(f"{name.removeprefix('rows, ')}, {device}, {told['result']['together']} at once, seed 1")
            parts.append(table(told["result"]["rows"]))
    (folder / "gpu.md").write_text("\n\n".join(parts) + "\n")


def limits_of(texts, known):
    limits = {}
    for text in texts:
        name, _, seconds = text.partition("=")
        if name not in known or not seconds.replace(".", "", 1).isdigit():
            raise SystemExit(f"--limits takes STEP=SECONDS of {', '.join(known)}. Received: {text!r}.")
        limits[name] = float(seconds)
    return limits


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER")
    parser.add_argument("--steps", nargs="+", metavar="STEP", help="names, or their beginnings (default: all)")
    parser.add_argument("--limits", nargs="+", default=[], metavar="STEP=SECONDS")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="of each test run")
    parser.add_argument("--classes", nargs="+", type=int, default=(10, 100, 1_000, 10_000, 100_000))
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="recipes (default: those of benchmarks/rows.py)")
    parser.add_argument("--rows-on", choices=BACKENDS, default="jax", help="backend of the rows")
    parser.add_argument("--minutes", type=float, default=10.0, help="for the rows")
    parser.add_argument("--together", type=int, default=5, help="rows that run at once")
    parser.add_argument("--alone", type=float, default=45.0, help="seconds that the first row runs alone")
    parser.add_argument("--data-dir", type=pathlib.Path, metavar="DIR", help="data sets of the rows")
    parser.add_argument("--rehearse", action="store_true", help="the least of every step")
    options = parser.parse_args()
    steps = steps_of(options)
    limits = limits_of(options.limits, [*steps, *{name.partition(",")[0]: None for name in steps}])
    wanted = options.steps or list(steps)
    if unknown := [name for name in wanted if not any(step.startswith(name) for step in steps)]:
        raise SystemExit(f"Unknown steps: {', '.join(unknown)}. Known: {'; '.join(steps)}.")
    options.out.mkdir(parents=True, exist_ok=True)
    before = options.out / "gpu.json"
    results, done = json.loads(before.read_text()) if before.exists() else {}, {}
    for name, step in steps.items():
        if not any(name.startswith(beginning) for beginning in wanted):
            continue
        limit = limits.get(name, limits.get(name.partition(",")[0], step.limit))
        done |= run(step, limit, options.out / "gpu.log")
        write(results | done, options.out)
    if bad := [name for name, result in done.items() if result["status"] != "done"]:
        raise SystemExit(f"Not done: {'; '.join(bad)}.")


if __name__ == "__main__":
    main()
