import json
import shutil
import threading

import pytest

from dca.errors import OutputError
from dca.files import read_tsv
from dca.train.history import HISTORY, TIMELINE, Record

ROW = {"epoch": 0, "reconstruction_loss": 1.0, "feature_loss": 0.5}


def fill(record, steps):
    for step in steps:
        record.add(step=step, loss=float(step), split="train", worker=0, stall=0.1 * step, **ROW)
    record.flush()


def test_rows_and_their_descriptions_are_written(tmp_path):
    record = Record(tmp_path / "history.tsv", HISTORY)
    fill(record, [1])
    record.add(step=1, loss=9.0, split="validation", **ROW)
    record.flush()
    table = read_tsv(tmp_path / "history.tsv")
    assert list(table.columns) == list(HISTORY)
    assert table["loss"].tolist() == [1.0, 9.0]
    assert table["worker"].isna().tolist() == [False, True]
    assert json.loads((tmp_path / "history.json").read_text()).keys() == HISTORY.keys()


def test_a_resumed_record_keeps_the_rows_up_to_its_checkpoint(tmp_path):
    fill(Record(tmp_path / "history.tsv", HISTORY), range(1, 6))
    (tmp_path / "history.tsv").unlink()  # as a workflow manager does with the outputs of a failed job
    fill(Record(tmp_path / "history.tsv", HISTORY, keep=3), [4])
    assert read_tsv(tmp_path / "history.tsv")["step"].tolist() == [1, 2, 3, 4]


def test_a_fresh_record_keeps_nothing_and_a_lost_one_is_no_error(tmp_path):
    fill(Record(tmp_path / "history.tsv", HISTORY), [1, 2])
    assert len(Record(tmp_path / "history.tsv", HISTORY)) == 0
    assert len(Record(tmp_path / "history.tsv", TIMELINE, keep=5)) == 0
    assert len(Record(tmp_path / "elsewhere" / "history.tsv", HISTORY, keep=5)) == 0


def test_a_record_of_an_older_version_is_gone_on_with(tmp_path):
    record = Record(tmp_path / "history.tsv", {k: v for k, v in HISTORY.items() if k != "stall"})
    record.add(step=1, loss=1.0, split="train", worker=0, **ROW)
    record.flush()
    later = Record(tmp_path / "history.tsv", HISTORY, keep=1)
    fill(later, [2])
    assert read_tsv(tmp_path / "history.tsv")["step"].tolist() == [1, 2]
    assert later.stall() == 0.2


def test_writing_is_throttled(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("dca.train.history.time.monotonic", lambda: now[0])
    record = Record(tmp_path / "timeline.tsv", TIMELINE)
    record.add(worker=0)
    assert not record.path.exists()
    now[0] += 11
    record.add(worker=1)
    record.close()
    record.add(worker=2)
    assert read_tsv(record.path)["worker"].tolist() == [0, 1]


def test_adding_does_not_wait_for_a_slow_disk(tmp_path, monkeypatch):
    now, go_on, in_time = [100.0], threading.Event(), []
    monkeypatch.setattr("dca.train.history.time.monotonic", lambda: now[0])
    copy = shutil.copyfile
    monkeypatch.setattr("shutil.copyfile", lambda *paths: (in_time.append(go_on.wait(10)), copy(*paths)))
    record = Record(tmp_path / "timeline.tsv", TIMELINE)
    for worker in range(5):
        now[0] += 11
        record.add(worker=worker)
    go_on.set()
    record.flush()
    assert in_time == [True, True]  # One was under way, so that no other began before the last.
    assert read_tsv(record.path)["worker"].tolist() == list(range(5))


def test_a_table_that_cannot_be_written_is_an_error_at_the_next_row(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("dca.train.history.time.monotonic", lambda: now[0])
    (tmp_path / "file").write_text("")
    record = Record(tmp_path / "file" / "timeline.tsv", TIMELINE)
    now[0] += 11
    record.add(worker=0)
    record.close()
    with pytest.raises(OutputError, match="cannot be written"):
        record.add(worker=1)


def test_mean_losses(tmp_path):
    record = Record(tmp_path / "history.tsv", HISTORY)
    assert record.training_loss(3) is None
    assert record.validation_losses() == (None, None)
    assert record.stall() is None
    fill(record, range(1, 6))
    record.add(step=5, loss=8.0, split="validation", **ROW)
    record.add(step=5, loss=7.0, split="validation", **ROW)
    assert record.training_loss(2) == (4.5, 1.0, 0.5)
    assert record.stall() == pytest.approx(0.3)
    assert [losses.total for losses in record.validation_losses()] == [8.0, 7.0]


def test_unknown_columns_are_refused(tmp_path):
    with pytest.raises(ValueError, match="colour"):
        Record(tmp_path / "history.tsv", HISTORY).add(colour=1)
