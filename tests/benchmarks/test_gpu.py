"""The run of a lent GPU, rehearsed on this CPU: nobody should find out there that it fails."""

import argparse
import importlib
import json
import pathlib
import sys
import time

import pytest
from harness import once_on_jax

ROOT = pathlib.Path(__file__).parents[2]
ROW = "anl/mnist/symmetric:0.8/ce"
pytestmark = once_on_jax


@pytest.fixture
def benchmark(monkeypatch):
    """A benchmark by name, as a module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


def test_a_rehearsal_tells_what_became_of_each_step(benchmark, monkeypatch, tmp_path, capsys):
    steps = ["--steps", "loss_in_fit, torch", "feeding, torch", "rows", "--limits", "feeding=0.2"]
    rows = ["--rows-on", "torch", "--rows", ROW]
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path), "--rehearse", *steps, *rows])
    (tmp_path / "gpu.json").write_text('{"an earlier step": {"status": "done"}}')
    with pytest.raises(SystemExit, match="Not done: feeding, torch"):
        benchmark("gpu").main()
    found = json.loads((tmp_path / "gpu.json").read_text())
    status = {name: one["status"] for name, one in found.items()}
    done = dict.fromkeys(("an earlier step", "loss_in_fit, torch", "rows, torch"), "done")
    assert status == done | {"feeding, torch": "stopped after 0.2 s"}
    assert found["loss_in_fit, torch"]["result"]["ratio"]["10"]["CE"] == 1.0
    [row] = found["rows, torch"]["result"]["rows"]
    assert (row["row"], row["status"], len(row["history"])) == (ROW, "done", 1)
    assert row["printed"] == {"accuracy": 22.51, "table": "Table 2"}
    [line] = [line for line in (tmp_path / "gpu.md").read_text().splitlines() if line.startswith(f"| {ROW} ")]
    accuracy = row["result"]["last"]
    assert line.split(" | ")[1:4] == ["1", f"{accuracy:.2%}", "22.51% (Table 2)"]
    assert "== feeding, torch: stopped after 0.2 s" in capsys.readouterr().out
    assert "== feeding, torch: stopped after 0.2 s" in (tmp_path / "gpu.log").read_text()


def test_a_step_that_fails_is_told_and_the_next_goes_on(benchmark, monkeypatch, tmp_path):
    gpu = benchmark("gpu")
    failing = gpu.Step({"fails": ("torch", ["-c", "print('why'); raise SystemExit(3)"])}, 60)
    works = gpu.Step({"works": ("torch", ["-c", "print('told'); print('{\"answer\": 42}')"])}, 60)
    monkeypatch.setattr(gpu, "steps_of", lambda options: {"fails": failing, "works": works})
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="^Not done: fails.$"):
        gpu.main()
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["fails"]["status"] == "failed with status 3"
    assert (found["works"]["status"], found["works"]["result"]) == ("done", {"answer": 42})
    assert "why" in (tmp_path / "gpu.log").read_text()


def test_settings_stand_after_the_name_of_a_row(benchmark, monkeypatch, tmp_path):
    rows, commands = benchmark("rows"), []
    monkeypatch.setattr(rows.subprocess, "Popen", lambda command, **options: commands.append(command))
    options = argparse.Namespace(out=tmp_path, scale="full", data_dir=None)
    for text in (ROW, f'{ROW} epochs=3 "algorithm=ELR(beta=0.7, lam=3)"'):
        rows.Row(text, options).start()
    own, other = commands
    assert ROW in own
    assert "--set" not in own
    assert ROW in other
    assert other[-3:] == ["--set", "epochs=3", "algorithm=ELR(beta=0.7, lam=3)"]
    assert other[other.index("--out") + 1] != own[own.index("--out") + 1]


class Clock:
    """Time that only passes while somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize(("minutes", "stopped"), [(10.0, []), (3.0, [3, 4])])
def test_rows_run_together_after_the_first_was_alone(benchmark, monkeypatch, minutes, stopped):
    rows, clock = benchmark("rows"), Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(time, "sleep", clock.sleep)

    class Row:
        began, alone_until, killed = None, None, None

        @property
        def running(self):
            return self.began is not None and self.killed is None and clock.now < self.began + 100

        def start(self):
            self.began = clock.now
            at_once.append(sum(row.running for row in planned))

        def stop(self):
            self.killed = clock.now

        def was_alone_until_now(self):
            self.alone_until = clock.now

    planned, at_once = [Row() for _ in range(5)], []
    options = type("Options", (), {"minutes": minutes, "alone": 45.0, "together": 3})
    rows.train(planned, options)
    assert [row.alone_until for row in planned] == [45.0, None, None, None, None]
    assert [row.began for row in planned[:3]] == [0.0, 45.0, 45.5]
    assert at_once == [1, 2, 3, 3, 3]
    assert [number for number, row in enumerate(planned) if row.killed is not None] == stopped


def test_rows_that_were_not_begun_are_told(benchmark, tmp_path):
    rows = benchmark("rows")
    told = rows.Row(ROW, type("Options", (), {"out": tmp_path, "scale": "full"})).told()
    assert (told["status"], told["result"], told["history"]) == ("not begun", None, [])
    assert rows.table([told]).splitlines()[-1] == f"| {ROW} | 0, not begun |  | 22.51% (Table 2) |  |  |  |  |"
