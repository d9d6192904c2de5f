"""Decisions about labels: read, written, applied, and refused where they are of something else."""

import numpy as np
import pytest
from harness import assert_refused_in_one_line, once

from keras_robust import cli, diagnostics
from keras_robust.diagnostics import Corrected, Corrections

pytestmark = once

HEAD = "sample,given,corrected,decision\n"


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_decisions_are_carried_out(tmp_path):
    # As the page writes them, as a spreadsheet does, with a note, and with a class that the labels did not have.
    rows = "5,2,2,keep\r\n3,1,300,fix\r\n\r\n0,0,,drop\r\n4,1,7,DROP\r\n1,2,0,fix\r\n"
    file = write(tmp_path / "corrections.csv", b"\xef\xbb\xbf" + (HEAD + rows).encode())
    labels = np.array([0, 2, 0, 1, 1, 2], "uint8")
    labels.flags.writeable = False
    corrected, drop, report = Corrections.read(file).apply(labels)
    assert corrected.tolist() == [0, 0, 0, 300, 1, 2]
    assert drop.tolist() == [True, False, False, False, True, False]
    assert report.splitlines() == [
        "6 labels, 5 reviewed: 1 kept, 2 fixed, 2 dropped",
        "fixed: 1 -> 300 (1), 2 -> 0 (1)",
    ]
    noted = "note,decision,corrected,given,sample\n=HYPERLINK(),fix,1,0,2\n"
    one = Corrections.read(write(tmp_path / "noted.csv", noted))
    assert one.apply(labels).labels.tolist() == [0, 2, 1, 1, 1, 2]
    assert one.apply(labels[:, None]).labels.tolist() == [0, 2, 1, 1, 1, 2]
    hot = one.apply(np.eye(3, dtype="float32")[labels])
    np.testing.assert_array_equal(hot.labels, np.eye(3)[[0, 2, 1, 1, 1, 2]])
    assert hot.labels.dtype == "float32"
    empty = Corrections.read(write(tmp_path / "empty.csv", HEAD)).apply(labels)
    assert empty.labels.tolist() == labels.tolist()
    assert not empty.drop.any()


def test_what_is_written_is_read(tmp_path):
    corrections = Corrections([8, 1, 4], [1, 0, 2], [3, 0, 5], ["fix", "keep", "drop"])
    path = corrections.write(tmp_path / "corrections.csv")
    assert path.read_text() == f"{HEAD}8,1,3,fix\n1,0,0,keep\n4,2,2,drop\n"
    again = Corrections.read(path)
    for name in ("sample", "given", "corrected", "decision"):
        np.testing.assert_array_equal(getattr(again, name), getattr(corrections, name))
    with pytest.raises(FileExistsError, match="is there already"):
        corrections.write(path)
    corrections.write(path, overwrite=True)
    with pytest.raises(ValueError, match="entry 1: sample 8 stands there already, Corrections, entry 0"):
        Corrections([8, 8], [1, 1], [1, 1], ["keep", "keep"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "row 1: the columns must be sample,given,corrected,decision"),
        ("sample;given;corrected;decision\n1;2;3;fix\n", "row 1: the columns must be"),
        ("sample,given,given,corrected,decision\n", "row 1: the columns must be"),
        (HEAD + "1,2,3\n", "row 2: 3 fields where the head has 4"),
        (HEAD + "1,2,3,fix,\n", "row 2: 5 fields where the head has 4"),
        (HEAD + "1,2,2,keep\n2,1,3,fi", "row 3: a decision is one of keep, fix, drop. Received: 'fi'"),
        (HEAD + "1,2,,fix\n", "row 2: a fix needs the corrected class id"),
        (HEAD + "1,2,3,keep\n", "row 2: it keeps the label 2, and says that the corrected one is 3"),
        (HEAD + "-1,2,3,fix\n", "row 2: sample must be a whole number from 0 to 2147483647. Received: '-1'"),
        (HEAD + "1,2.0,3,fix\n", "row 2: given must be a whole number"),
        (HEAD + "1,2,٣,fix\n", "row 2: corrected must be a whole number"),
        (HEAD + f"1,2,{'9' * 5000},fix\n", "row 2: corrected must be a whole number"),
        (HEAD + "1,2,2147483648,fix\n", "row 2: corrected must be a whole number"),
        (HEAD + "1,2,2,keep\n\n1,2,3,fix\n", "row 4: sample 1 stands there already, .*row 2"),
        (HEAD + '1,2,"3,fix\n', "row 1 or the one after it: unexpected end of data"),
        (HEAD + "1,2," + "3" * 200_000 + ",fix\n", "field larger than field limit"),
        (b"\xff\xfe" + HEAD.encode("utf-16-le"), "codec can't decode"),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_row(tmp_path, content, words):
    with pytest.raises(ValueError, match=f"corrections.csv, .*{words}"):
        Corrections.read(write(tmp_path / "corrections.csv", content))


def test_labels_of_another_data_set_are_refused():
    corrections = Corrections([1, 9], [0, 1], [1, 1], ["fix", "keep"])
    with pytest.raises(ValueError, match="1 of 2 do not fit. The first: sample 9 was given 1, and is not among 3"):
        corrections.apply([0, 0, 0])
    with pytest.raises(ValueError, match="2 of 2 do not fit. The first: sample 1 was given 0, and has the label 2"):
        corrections.apply([0, 2, 0])
    with pytest.raises(ValueError, match="`corrected` of apply must be class ids below 4. Received: corrected=7"):
        Corrections([0], [0], [7], ["fix"]).apply([0, 1], num_classes=4)
    with pytest.raises(ValueError, match="`labels` of apply must be integer class ids"):
        corrections.apply([0.0] * 10)
    with pytest.raises(ValueError, match="`labels` of apply must be class ids, or one-hot rows"):
        corrections.apply(np.full((10, 2), 0.5))


def test_the_command_writes_clean_labels(run_folder, digit_labels, tmp_path, capsys):
    log = diagnostics.open_run(run_folder).log
    Corrections.of_suspects(diagnostics.suspect_table(log, n=50)).write(tmp_path / "corrections.csv")
    out = tmp_path / "new" / "labels.npz"
    command = ["clean", str(run_folder), "--corrections", str(tmp_path / "corrections.csv"), "--out", str(out)]
    assert cli.main(command) == 0
    wrong = digit_labels.mask.sum()
    printed = capsys.readouterr().out
    assert "1,438 labels, 50 reviewed: 0 kept, 50 fixed, 0 dropped" in printed
    assert f"wrong labels: {wrong / 1438:.2%} before, {(wrong - 50) / 1438:.2%} after" in printed
    labels = np.load(out)["labels"]
    assert np.sum(labels != digit_labels.noisy) == 50
    assert np.sum(labels != digit_labels.clean) == wrong - 50
    np.testing.assert_array_equal(Corrected.load(out).labels, labels)
    assert_refused_in_one_line(command, "is there already", capsys)
    assert cli.main([*command, "--overwrite"]) == 0
    (tmp_path / "corrections.csv").write_text(HEAD + "0,11,2,fix\n")
    assert_refused_in_one_line([*command, "--overwrite"], "of another data set", capsys)
    digit_labels.save(out)
    with pytest.raises(ValueError, match="is not a file of corrected labels"):
        Corrected.load(out)
