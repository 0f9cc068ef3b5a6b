import errno
import io
import json
import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nanogpt_cli.errors import DataError, MachineError
from nanogpt_cli.logs import metrics
from nanogpt_cli.logs.metrics import MetricsLog

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def write_steps(path: Path, *steps: int) -> None:
    with MetricsLog(path) as log:
        log.write("run", config={"n_layer": 4})
        for step in steps:
            log.write("train", step=step, loss=2.5)


def steps(path: Path) -> list[int]:
    return [e["step"] for e in metrics.read(path).events if e["event"] == "train"]


def test_an_event_is_a_line_with_the_event_first(path):
    with MetricsLog(path) as log:
        log.write("train", step=1, loss=2.5)
    assert path.read_bytes() == b'{"event": "train", "step": 1, "loss": 2.5}\n'


def test_each_line_is_in_the_file_before_the_next_call(path):
    log = MetricsLog(path)
    log.write("train", step=1)
    assert steps(path) == [1]
    log.close()
    log.close()


def test_appending_goes_on_after_what_was_there(path):
    write_steps(path, 1)
    write_steps(path, 2)
    assert steps(path) == [1, 2]


def test_numbers_that_are_not_finite_become_null(path):
    with MetricsLog(path) as log:
        log.write("train", loss=math.nan, deep={"list": [math.inf, (1.0, -math.inf)]})
    (event,) = [json.loads(path.read_text(), parse_constant=pytest.fail)]
    assert event == {"event": "train", "loss": None, "deep": {"list": [None, [1.0, None]]}}


@settings(deadline=None)
@given(fields=st.dictionaries(st.text(min_size=1), JSON_VALUES, max_size=4))
def test_what_is_written_is_read(fields):
    fields.pop("event", None)
    line = metrics.dump_line({"event": "sample", **fields})
    log = metrics.parse([line])
    assert log.dropped == 0
    assert metrics.dump_line(log.events[0]) == line


def test_a_line_after_a_torn_one_is_not_lost(path):
    write_steps(path, 1)
    path.write_bytes(path.read_bytes() + b'{"event": "train", "st')
    write_steps(path, 2)
    log = metrics.read(path)
    assert (steps(path), log.dropped) == ([1, 2], 1)


@pytest.mark.parametrize("cut", range(1, 43))
def test_a_torn_last_line_is_dropped_and_counted_wherever_it_is_torn(path, cut):
    with MetricsLog(path) as log:
        log.write("train", step=1, loss=2.5)
        log.write("train", step=2, loss=2.5)
    path.write_bytes(path.read_bytes()[: 43 + cut])
    log = metrics.read(path)
    whole = cut == 42
    assert (len(log.events), log.dropped) == ((2, 0) if whole else (1, 1))


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\x00",
        b"[1, 2]",
        b"7",
        b"null",
        b'{"step": 1}',
        b'{"event": 3}',
        b"[" * 100_000,
        b'{"event": "train", "step": ' + b"9" * 5000 + b"}",
        b'{"event": "train"} trailing',
    ],
)
def test_a_corrupt_line_in_the_middle_is_skipped_and_counted(path, line):
    path.write_bytes(b'{"event": "run"}\n' + line + b'\n{"event": "end"}\n')
    log = metrics.read(path)
    assert [e["event"] for e in log.events] == ["run", "end"]
    assert log.dropped == 1


def test_foreign_nan_and_overflowing_numbers_are_read_as_none(path):
    path.write_bytes(b'{"event": "train", "a": NaN, "b": -Infinity, "c": 1e999, "d": [NaN]}\n')
    assert metrics.read(path).events == [
        {"event": "train", "a": None, "b": None, "c": None, "d": [None]}
    ]


@settings(deadline=None)
@given(st.lists(st.binary() | JSON_VALUES.map(lambda v: json.dumps(v).encode()), max_size=6))
@example([b"\x00", b'{"event": "train", "step": 1e400}'])
def test_any_bytes_are_survived_and_every_line_accounted_for(tmp_path_factory, chunks):
    path = tmp_path_factory.mktemp("any") / "metrics.jsonl"
    path.write_bytes(b"\n".join(chunks))
    log = metrics.read(path)
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    assert len(log.events) + log.dropped == len(lines)
    metrics.truncate(path, 10)
    after = metrics.read(path)
    assert after.dropped == 0
    assert all(event in log.events for event in after.events)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_an_unreadable_log_is_named(tmp_path, name):
    with pytest.raises(DataError, match="cannot read"):
        metrics.read(tmp_path / name)


class TestTruncate:
    def test_later_steps_and_the_end_go_and_the_rest_stays_to_the_byte(self, path):
        write_steps(path, 1, 2)
        before = path.read_bytes()
        with MetricsLog(path) as log:
            log.write("eval", step=3)
            log.write("end", reason="SIGINT")
        assert metrics.truncate(path, step=2) == 1
        assert path.read_bytes() == before

    def test_run_events_stay_also_after_the_step(self, path):
        write_steps(path, 1, 5)
        write_steps(path, 6)
        assert metrics.truncate(path, step=1) == 2
        assert [e["event"] for e in metrics.read(path).events] == ["run", "train", "run"]

    def test_an_evaluation_that_will_be_repeated_goes_too(self, path):
        with MetricsLog(path) as log:
            for kind, step in (("eval", 4), ("train", 8), ("checkpoint", 8), ("eval", 8)):
                log.write(kind, step=step, time=step / 2)
        assert metrics.last_time(path) == 4.0
        assert metrics.truncate(path, 8) == 0
        assert metrics.truncate(path, 8, evaluated=False) == 0, "it is not lost"
        assert [e["event"] for e in metrics.read(path).events] == ["eval", "train"]
        assert metrics.last_time(path.with_name("none")) == 0.0

    def test_a_torn_tail_goes(self, path):
        write_steps(path, 1)
        whole = path.read_bytes()
        path.write_bytes(whole + b'{"event": "tr')
        assert metrics.truncate(path, step=9) == 1
        assert path.read_bytes() == whole

    def test_a_whole_last_line_without_its_newline_stays(self, path):
        write_steps(path, 1, 2)
        path.write_bytes(path.read_bytes()[:-1])
        assert metrics.truncate(path, step=2) == 0
        write_steps(path, 3)
        assert steps(path) == [1, 2, 3]

    def test_nothing_to_cut_leaves_the_file_alone(self, path):
        write_steps(path, 1)
        inode = path.stat().st_ino
        assert metrics.truncate(path, step=1) == 0
        assert path.stat().st_ino == inode

    def test_a_missing_log_stays_missing(self, path):
        assert metrics.truncate(path, step=1) == 0
        assert not path.exists()

    def test_a_full_disk_leaves_the_log_as_it_was(self, path, monkeypatch):
        write_steps(path, 1, 2)
        before = path.read_bytes()

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(MachineError, match=r"metrics\.jsonl"):
            metrics.truncate(path, step=1)
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]


class TestDiskErrors:
    def test_a_device_is_no_log(self):
        with pytest.raises(MachineError, match="/dev/full: it is not a regular file"):
            MetricsLog(Path("/dev/full"))

    def test_a_folder_that_is_not_there_is_a_machine_error(self, tmp_path):
        with pytest.raises(MachineError, match="missing"):
            MetricsLog(tmp_path / "missing" / "metrics.jsonl")

    def test_a_line_that_the_disk_takes_in_parts_is_whole(self):
        class Slow(io.BytesIO):
            def write(self, data):
                return super().write(data[:7])

        file = Slow()
        metrics.write_all(file, b'{"event": "train", "step": 12345678}\n')
        assert file.getvalue() == b'{"event": "train", "step": 12345678}\n'
