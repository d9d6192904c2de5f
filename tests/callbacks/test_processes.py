"""Two processes train as one does: same losses, same schedule, same penalty, same weight log."""

import json
import socket

import forked
import numpy as np
import pytest
import worker

from keras_robust.diagnostics import WeightLog, merged_log


def run_two(environments, folder):
    """What two workers printed."""
    program = forked.program(worker.__file__)
    started = [forked.Started(program, folder, environment=environment) for environment in environments]
    try:
        ended = [one.ended() for one in started]
    finally:
        for one in started:
            one.process.kill()
    for one in ended:
        assert one.returncode == 0, one.stderr[-3000:]
    return [one.stdout.splitlines() for one in ended]


def free_ports(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture
def single(tmp_path):
    return worker.fit(worker.model_of(), tmp_path / "single"), WeightLog(tmp_path / "single")


def assert_same_history(history, expected):
    assert history.keys() == expected.keys()
    for name, values in expected.items():
        assert history[name] == pytest.approx(values, rel=1e-5, abs=1e-7), name


def assert_same_log(log, expected):
    assert log.epochs == expected.epochs == list(range(worker.EPOCHS))
    for field in ("margin", "weight", "loss", "learning_rate"):
        np.testing.assert_allclose(log.array(field), expected.array(field), rtol=1e-4, atol=1e-6, err_msg=field)
    for field in ("label", "clean", "predicted", "step"):
        np.testing.assert_array_equal(log.array(field), expected.array(field), err_msg=field)


@pytest.mark.only("tensorflow")  # MultiWorkerMirroredStrategy
def test_two_workers_of_tensorflow_equal_one(tmp_path, single):
    """In a loop over Keras' training step; `fit` of Keras itself does not run there."""
    cluster = {"worker": [f"localhost:{port}" for port in free_ports(2)]}
    tasks = [{"cluster": cluster, "task": {"type": "worker", "index": rank}} for rank in range(2)]
    printed = run_two([{"TF_CONFIG": json.dumps(task)} for task in tasks], tmp_path)
    for rank, lines in enumerate(printed):
        assert "fit: ValueError" in lines, "Keras has learned it: say so in docs/how-to/distributed.md"
        assert_same_history(json.loads(lines[-1]), single[0])
        assert_same_log(WeightLog(tmp_path / str(rank)), single[1])


@pytest.mark.only("torch")  # DistributedDataParallel
def test_two_processes_of_torch_equal_one(tmp_path, single):
    """In `fit`, in a loop of one's own, on raw images; each process knows its own losses, whose mean is the loss."""
    common = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free_ports(1)[0]), "WORLD_SIZE": "2"}
    common |= {"OMP_NUM_THREADS": "1"}
    printed = run_two([common | {"RANK": str(rank)} for rank in range(2)], tmp_path)
    prepared = worker.fit_prepared(tmp_path / "one"), WeightLog(tmp_path / "one")
    for place, (way, expected) in enumerate({"fit": single, "loop": single, "prepared": prepared}.items()):
        both = [json.loads(lines[-1])[place] for lines in printed]
        assert both[0]["loss"] != both[1]["loss"]
        mean = {name: np.mean([history[name] for history in both], axis=0).tolist() for name in both[0]}
        assert_same_history(mean, expected[0])
        log = merged_log([tmp_path / f"{way}{rank}" for rank in range(2)], tmp_path / way)
        assert_same_log(log, expected[1])
