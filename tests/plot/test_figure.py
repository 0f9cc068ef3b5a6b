import itertools
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanogpt_cli.errors import DataError, MachineError, UsageError
from nanogpt_cli.logs.metrics import MetricsLog, parse
from nanogpt_cli.plot import figure as plot
from nanogpt_cli.plot.figure import Curve

CONSOLE = """\
tokens per iteration will be: 16,384
step 0: train loss 4.2874, val loss 4.2823
iter 0: loss 4.2654, time 3210.11ms, mfu -100.00%
iter 10: loss 3.2191, time 32.00ms, mfu 0.10%
step 250: train loss 1.9000, val loss 2.0500
saving checkpoint to out
"""
FALLING = [(step, 4 - step / 500) for step in range(0, 1001, 10)]
RISING = [(step, 2 + step / 500) for step in range(0, 1001, 10)]


def curve(*val: float, train=FALLING, name: str = "run") -> Curve:
    """A curve with an evaluation every 100 steps."""
    return Curve(name, list(train), [(100 * i, float(loss)) for i, loss in enumerate(val)])


HEALTHY = curve(4, 3, 2.5, 2.2, 2.1, 2.0, name="healthy")
OVERFITTING = curve(4, 3, 2.5, 2.6, 2.7, 2.8, 2.9, name="overfitting")


def load_curve(path: Path) -> Curve:
    """Read a run folder or a log, as plot-log does."""
    path = path / "metrics.jsonl" if path.is_dir() else path
    return plot.to_curve(plot.log_name(path), plot.load_events(path))


def plain(chart: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", chart)


class TestReading:
    def test_a_run_folder_its_log_and_a_console_log(self, tmp_path):
        folder = tmp_path / "tiny"
        folder.mkdir()
        with MetricsLog(folder / "metrics.jsonl") as log:
            log.write("run", config={})
            for step, loss in ((0, 4.0), (10, 3.0)):
                log.write("train", step=step, time=step * 2, loss=loss, tokens_per_sec=100 + step)
            log.write("eval", step=10, time=21.5, train_loss=2.9, val_loss=3.1)
        expected = Curve("tiny", [(0, 4.0), (10, 3.0)], [(10, 3.1)], 105.0, 21.5)
        assert load_curve(folder) == expected
        assert load_curve(folder / "metrics.jsonl") == expected
        console = tmp_path / "train.log"
        console.write_text(CONSOLE)
        assert load_curve(console) == Curve(
            "train.log", [(0, 4.2654), (10, 3.2191)], [(0, 4.2823), (250, 2.05)],
            tokens_per_sec=(16384 / 3.21011 + 16384 / 0.032) / 2,
        )  # fmt: skip

    def test_the_log_of_the_folder_one_stands_in_has_that_folders_name(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "metrics.jsonl").write_text('{"event": "eval", "step": 1, "val_loss": 2}\n')
        assert load_curve(Path()).name == tmp_path.name

    def test_console_events_hold_only_what_was_printed(self):
        assert plot.to_events(CONSOLE.encode()).events[:2] == [
            {"event": "eval", "step": 0, "tokens": 0, "train_loss": 4.2874, "val_loss": 4.2823},
            {
                "event": "train", "step": 0, "tokens": 0, "loss": 4.2654,
                "tokens_per_sec": pytest.approx(16384 / 3.21011),
            },
        ]  # fmt: skip
        assert plot.to_events(b"iter 3: loss 2.5").events == [
            {"event": "train", "step": 3, "loss": 2.5}
        ]

    @pytest.mark.parametrize(
        "noise",
        [
            b"2024-01-01 10:00:00 INFO iter 10: loss 3.25, time 30.2ms, mfu 0.1%\n",
            b"[rank0]: \x1b[32miter 10\x1b[0m: loss \x1b[1m3.25\x1b[0m, time 30.2ms",
            b"  5%|#    | 1/20\riter 10: loss 3.25, time 1ms\r 10%|##   | 2/20",
            b"\x1b]0;title\x07iter 10: loss 3.25\r\n",
            b"\x1b[2K\xe2\xa0\x8b working iter 10: loss 3.25, time 30.2ms \xe2\x94\x81\xe2\x94\x81",
            b"\xff\xfe" + "iter 10: loss 3.25, time 30.2ms\r\n".encode("utf-16-le"),
            b"\x1b]0;a title that never ends\niter 10: loss 3.25\n",
            b"\xff broken utf-8 iter 10: loss 3.25",
            b"iter 10: loss 3.25e0",
        ],
    )
    def test_losses_are_found_in_noise(self, noise):
        assert plot.to_curve("log", plot.to_events(noise)).train == [(10, 3.25)]

    def test_steps_may_have_commas(self):
        log = plot.to_events(b"step 1,500: train loss 1.9, val loss 2.0")
        assert plot.to_curve("log", log).val == [(1500, 2.0)]

    @pytest.mark.parametrize("line", ["transiter 10: loss 1.0", "iter 10: loss", "step 5: loss 2"])
    def test_other_lines_are_not_losses(self, line):
        assert plot.to_events(line.encode()).events == []

    def test_a_loss_that_is_no_number_is_left_out_of_the_curve(self):
        log = plot.to_events(b"iter 1: loss 3.0\niter 2: loss nan\niter 3: loss inf\n")
        assert plot.to_curve("log", log).train == [(1, 3.0)]

    @pytest.mark.parametrize(
        "value", ["1e999", "NaN", "true", '"3"', "1" + "0" * 400, "[3]", "null"]
    )
    def test_values_that_no_chart_can_scale_are_left_out(self, value):
        log = parse(
            [
                f'{{"event": "train", "step": 1, "loss": {value}}}'.encode(),
                f'{{"event": "train", "step": {value}, "loss": 3}}'.encode(),
                b'{"event": "train", "step": 2, "loss": 3.0, "tokens_per_sec": "x", "time": []}',
            ]
        )
        assert plot.to_curve("log", log) == Curve("log", [(2, 3.0)], [])

    def test_a_run_that_went_back_to_a_checkpoint_starts_over_from_there(self):
        lines = [f"iter {step}: loss {loss}\n" for step, loss in ((0, 4), (5, 3), (9, 2), (5, 2.5))]
        log = plot.to_events("".join(lines).encode())
        assert plot.to_curve("log", log).train == [(0, 4), (5, 2.5)]

    def test_without_train_events_the_evaluations_give_the_training_loss(self):
        log = plot.to_events(b"step 0: train loss 4.0, val loss 4.1\n")
        assert plot.to_curve("log", log) == Curve("log", [(0, 4.0)], [(0, 4.1)])

    @pytest.mark.parametrize(
        "content", [b"", b"hello\n", b'{"event": "run"}\n', b"iter 1: loss nan\n", b"\x00" * 99]
    )
    def test_a_log_without_a_loss_is_refused_by_name(self, tmp_path, content):
        path = tmp_path / "train.log"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"train\.log holds no loss"):
            load_curve(path)

    def test_torn_lines_are_counted(self):
        log = plot.to_events(b'{"event": "eval", "step": 1, "val_loss": 2}\n{"event": "ev')
        assert plot.to_curve("log", log).dropped == 1

    def test_a_name_cannot_reach_the_terminal_as_a_command(self):
        log = plot.to_events(b"iter 1: loss 2\n")
        assert plot.to_curve("\x1b[31mred\n\x9b", log).name == r"\x1b[31mred\n\x9b"

    @settings(deadline=None)
    @given(
        st.binary(max_size=300) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace"))
    )
    def test_any_bytes_give_events_or_none(self, log):
        for event in plot.to_events(log).events:
            assert isinstance(event["event"], str)

    @settings(deadline=None)
    @given(st.lists(st.text("0123456789.einfa-+ :,iterstploval\x1b[\r\n", max_size=40)))
    def test_near_misses_of_the_console_format_are_survived(self, pieces):
        log = "iter 1: loss 2\n" + "iter ".join(pieces) + "step ".join(pieces)
        plot.to_curve("log", plot.to_events(log.encode()))


class TestAnalysing:
    def test_the_best_is_the_lowest_validation_loss(self):
        assert OVERFITTING.best == (200, 2.5)
        assert Curve("untested", FALLING, []).best is None

    def test_overfitting_starts_at_the_best_evaluation(self):
        assert OVERFITTING.overfits_after == 200

    @pytest.mark.parametrize(
        ("why", "innocent"),
        [
            ("it still falls", HEALTHY),
            ("two evaluations are no trend", curve(4, 3, 2.5, 2.6, 2.7)),
            ("it came down again", curve(4, 2.5, 2.9, 2.8, 2.6, 2.55)),
            ("it is flat", curve(4, 3, 2.5, 2.501, 2.502, 2.503, 2.504)),
            ("the training loss rises too", curve(4, 2.5, 2.6, 2.7, 2.8, train=RISING)),
            ("nothing is known of training", curve(4, 2.5, 2.6, 2.7, 2.8, train=[])),
            ("it was never evaluated", curve()),
        ],
    )
    def test_what_is_not_overfitting(self, why, innocent):
        assert innocent.overfits_after is None, why

    def test_smoothing_keeps_a_constant_and_a_line(self):
        assert plot.smooth([3.0] * 100) == pytest.approx([3.0] * 100)
        line = [float(i) for i in range(300)]
        assert plot.smooth(line)[:290] == pytest.approx(line[:290])

    def test_smoothing_removes_noise(self):
        noisy = [2 + (-1) ** i * 0.5 for i in range(300)]
        assert max(abs(x - 2) for x in plot.smooth(noisy)[10:]) < 0.06

    @settings(deadline=None)
    @given(st.lists(st.floats(-1e6, 1e6), max_size=200))
    def test_smoothing_stays_within_the_values_one_for_one(self, values):
        averages = plot.smooth(values)
        assert len(averages) == len(values)
        slack = 1e-3
        assert all(min(values) - slack <= a <= max(values) + slack for a in averages)

    def test_the_summary_says_where_a_run_stands(self):
        (row,) = plot.summary(
            [Curve("run", [(0, 4.0), (30, 3.0)], [(20, 2.5), (25, 2.6)], 7.5, 60)]
        )
        assert row == {
            "run": "run", "steps": 30, "train_loss": 3.0, "val_loss": 2.6, "best_val_loss": 2.5,
            "best_step": 20, "overfits_after": None, "tokens_per_sec": 7.5, "seconds": 60,
            "dropped_lines": 0,
        }  # fmt: skip

    def test_what_is_not_known_is_none_not_zero(self):
        (row,) = plot.summary([Curve("run", [], [(20, 2.5)])])
        assert row["train_loss"] is None
        assert row["tokens_per_sec"] is None
        assert row["seconds"] is None


class TestTerminal:
    @pytest.mark.parametrize("color", [True, False])
    @pytest.mark.parametrize("unicode", [True, False])
    def test_it_fits_and_names_axes_runs_and_best_steps(self, color, unicode):
        chart = plot.terminal_chart([HEALTHY, OVERFITTING], 80, 22, color=color, unicode=unicode)
        rows = plain(chart).splitlines()
        assert len(rows) == 22
        assert max(map(len, rows)) <= 80
        assert rows[0] == "loss"
        assert rows[-3].split() == ["step"]
        assert "healthy" in rows[-2]
        assert "best val loss 2.0000 at step 500" in rows[-2]
        assert rows[-1].endswith("best val loss 2.5000 at step 200, then overfits")
        assert ("\x1b" in chart) == color
        assert chart.isascii() == (not unicode)
        marks = "".join(rows[:-3]).count("●" if unicode else "*")
        assert marks == 2

    def test_runs_have_colours_or_letters(self):
        curves = [HEALTHY, OVERFITTING]
        colored = plot.terminal_chart(curves, 80, 22, color=True, unicode=True)
        assert {"\x1b[38;5;33m", "\x1b[38;5;208m"} <= set(re.findall(r"\x1b\[38;5;\d+m", colored))
        letters = plot.terminal_chart(curves, 80, 22, color=False, unicode=False)
        body = "".join(letters.splitlines()[1:-4])
        assert body.count("A") > 5
        assert body.count("B") > 5

    def test_the_line_falls_from_the_top_left_to_the_bottom_right(self):
        line = Curve("run", [], [(0, 4.0), (100, 1.0)])
        rows = plot.terminal_chart([line], 60, 20, color=False, unicode=False).splitlines()[1:-4]
        columns = [row.index("A") for row in rows if "A" in row]
        assert columns == sorted(columns)
        assert columns[0] < 10
        assert columns[-1] > 45

    def test_drawing_twice_gives_the_same(self):
        first = plot.terminal_chart([HEALTHY], 80, 20, color=True, unicode=True)
        plot.terminal_chart([OVERFITTING], 50, 12, color=False, unicode=False)
        assert plot.terminal_chart([HEALTHY], 80, 20, color=True, unicode=True) == first

    @pytest.mark.parametrize("one", [Curve("r", [(7, 3.0)], []), Curve("r", [], [(7, 3.0)])])
    def test_one_point_is_drawn(self, one):
        rows = plot.terminal_chart([one], 60, 16, color=False, unicode=False).splitlines()
        assert any(re.search(r"[.A*]$", row) for row in rows[1:-3])
        assert "3.0000 at step 7" in rows[-1]

    @settings(deadline=None, max_examples=60)
    @given(
        points=st.lists(
            st.tuples(st.integers(0, 10**12), st.floats(-1e12, 1e12)),
            min_size=1, max_size=8, unique_by=lambda point: point[0],
        ),
        size=st.tuples(st.integers(1, 200), st.integers(1, 60)),
        looks=st.tuples(st.booleans(), st.booleans()),
        name=st.text(max_size=40),
    )  # fmt: skip
    def test_any_curve_can_be_drawn_at_any_size(self, points, size, looks, name):
        log = [f"step {s}: train loss {x:.9f}, val loss {x:.9f}\n" for s, x in sorted(points)]
        drawn = plot.to_curve(name, plot.to_events("".join(log).encode()))
        chart = plot.terminal_chart([drawn], *size, color=looks[0], unicode=looks[1])
        assert all(c.isprintable() or c == "\n" for c in plain(chart))

    @settings(deadline=None)
    @given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12), st.integers(2, 12))
    def test_ticks_are_few_round_and_inside(self, low, width, count):
        high = low + width
        if high - low < 1e-6 * max(1, abs(low)):
            return
        ticks, labels = plot._ticks(low, high, count)
        assert len(ticks) == len(set(labels)) <= count + 1
        assert all(low - width * 1e-6 <= tick <= high + width * 1e-6 for tick in ticks)


class TestPictures:
    @pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
    def test_a_picture_is_drawn_and_is_the_same_each_time(self, tmp_path, suffix, magic):
        first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        plot.save_figure([HEALTHY, OVERFITTING], first)
        plot.save_figure([HEALTHY, OVERFITTING], second)
        assert first.read_bytes().startswith(magic)
        assert first.read_bytes() == second.read_bytes()
        plot.save_figure([HEALTHY], second)
        assert first.read_bytes() != second.read_bytes()

    def test_the_svg_is_well_formed_and_undated(self, tmp_path):
        plot.save_figure([HEALTHY, OVERFITTING], tmp_path / "a.svg")
        text = (tmp_path / "a.svg").read_text()
        ET.fromstring(text)
        assert "dc:date" not in text
        for words in ("overfits from here", "healthy", "best 2.5000 at 200", "<!-- step -->"):
            assert words in text

    def test_only_real_overfitting_is_marked(self, tmp_path):
        plot.save_figure([HEALTHY], tmp_path / "a.svg")
        assert "overfits" not in (tmp_path / "a.svg").read_text()

    def test_the_page_needs_nothing_else_and_escapes_names(self, tmp_path):
        evil = curve(4, 3, 2, name="<script>alert(1)</script>")
        plot.save_figure([evil], tmp_path / "a.html")
        text = (tmp_path / "a.html").read_text()
        assert "<script" not in text
        assert "&lt;script&gt;" in text
        assert "<td>2.0000</td>" in text
        assert not re.search(r'(src|href)="(?!#)', text)

    @pytest.mark.parametrize(
        "name", ["$x_1$ and $", "_hidden", "名前 🤖", "-" * 300, "a-->b", "%s {x}", r"\frac"]
    )
    def test_any_name_can_be_drawn(self, tmp_path, name):
        plot.save_figure([curve(3, 2, name=name), HEALTHY], tmp_path / "a.svg")
        plot.save_figure([curve(3, 2, name=name)], tmp_path / "b.html")
        ET.fromstring((tmp_path / "a.svg").read_text())

    @pytest.mark.parametrize("one", [Curve("r", [(7, 3.0)], []), Curve("r", [], [(7, 3.0)])])
    def test_one_point_is_drawn(self, tmp_path, one):
        plot.save_figure([one], tmp_path / "a.svg")
        assert "<use" in (tmp_path / "a.svg").read_text()

    def test_an_unknown_suffix_is_a_usage_error_that_names_the_known(self, tmp_path):
        with pytest.raises(UsageError) as caught:
            plot.save_figure([HEALTHY], tmp_path / "loss.pdf")
        assert "loss.pdf" in caught.value.message
        assert ".png, .svg, .html" in caught.value.hint
        assert not list(tmp_path.iterdir())

    def test_a_folder_that_cannot_be_made_is_a_machine_error(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(MachineError):
            plot.save_figure([HEALTHY], tmp_path / "file" / "loss.svg")

    def test_labels_that_end_together_are_kept_apart(self, tmp_path):
        labels = [(f"run {i}", 2.0 + i * 1e-6, "red") for i in range(6)]
        places: list[float] = []

        class Axes:
            def annotate(self, _label, xy, *_args, **_kwargs):
                places.append(xy[1])

        plot._label_ends(Axes(), labels, high=2.3, gap=0.1)
        assert [b - a for a, b in itertools.pairwise(places)] == pytest.approx([0.1] * 5)
        assert math.isclose(places[-1], 2.3)

    def test_pictures_load_neither_torch_nor_pyplot(self):
        code = (
            "import sys; from pathlib import Path; from nanogpt_cli import plot\n"
            "assert not {'matplotlib', 'plotext', 'numpy', 'torch'} & set(sys.modules)\n"
            "plot._render([plot.Curve('r', [(0, 1.0)], [])], 'svg')\n"
            "assert not {'torch', 'matplotlib.pyplot'} & set(sys.modules)\n"
        )
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
