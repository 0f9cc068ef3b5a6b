import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nanogpt_cli import cli
from nanogpt_cli.logs import metrics
from nanogpt_cli.logs.metrics import MetricsLog

CONSOLE = "step 0: train loss 4.2, val loss 4.3\niter 0: loss 4.2, time 30ms\niter 9: loss 3.9\n"


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs, `old` and `new`, in the folder one stands in."""
    monkeypatch.chdir(tmp_path)
    for age, name in ((100, "old"), (50, "new")):
        write_run(tmp_path / "out" / name)
        log = tmp_path / "out" / name / "metrics.jsonl"
        os.utime(log, (log.stat().st_mtime - age,) * 2)
    return tmp_path / "out"


def write_run(folder: Path) -> None:
    folder.mkdir(parents=True)
    with MetricsLog(folder / "metrics.jsonl") as log:
        for step in range(0, 50, 10):
            place = {"step": step, "time": step, "tokens": 100 * step}
            log.write("train", **place, loss=4 - step / 50, tokens_per_sec=1000)
            log.write("eval", **place, val_loss=4 - step / 60)


@pytest.fixture
def plot_log(capsys):
    def run(*args: str) -> tuple[int, str, str]:
        code = cli.run(["plot-log", *args])
        return code, *capsys.readouterr()

    return run


def test_without_a_name_the_newest_run_is_drawn(plot_log):
    code, out, err = plot_log()
    assert code == 0
    assert out.startswith("validation loss")
    assert "new" in out
    assert "old" not in out
    assert "tokens/s" in err


@pytest.mark.parametrize("named", ["old", "out/old", "out/old/metrics.jsonl"])
def test_a_run_is_found_by_name_folder_and_file(plot_log, named):
    code, out, _ = plot_log(named)
    assert code == 0
    assert "old" in out.splitlines()[-1]


def test_several_runs_are_overlaid_and_tabled(plot_log):
    code, out, err = plot_log("old", "new")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()[-2:]] == ["old", "new"]
    assert [line.split()[0] for line in err.splitlines()] == ["run", "old", "new"]
    assert err.splitlines()[1].split()[1:] == [
        "40", "3.2000", "3.3333", "3.3333", "40", "1,000", "0:00:40",
    ]  # fmt: skip


def test_a_long_name_gives_way_to_the_numbers(plot_log, tmp_path):
    write_run(tmp_path / "out" / ("long" * 30))
    _, out, err = plot_log("old", "long" * 30)
    assert max(map(len, (out + err).splitlines())) <= 80
    assert err.splitlines()[-1].endswith(" 3.2000    3.3333  3.3333       40     1,000  0:00:40")


@pytest.mark.parametrize("columns", range(20, 80, 5))
def test_a_narrow_terminal_gets_fewer_columns_and_no_half_numbers(nanogpt, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    code, _, err = nanogpt("plot-log", "old")
    heads, cells = err.splitlines()
    headings = ["run", "step", "train loss", "val loss", "best", "at step", "tokens/s", "time"]
    whole = ["old", "40", "3.2000", "3.3333", "3.3333", "40", "1,000", "0:00:40"]
    count = len(cells.split())
    assert code == 0
    assert max(len(heads), len(cells)) <= columns
    assert re.split("  +", heads) == headings[:count]
    assert cells.split() == whole[:count]
    assert count >= columns // 10


def test_runs_of_one_name_are_told_apart_by_their_paths(plot_log, tmp_path):
    write_run(tmp_path / "elsewhere" / "old")
    _, out, _ = plot_log("--json", "old", "elsewhere/old")
    names = [run["run"] for run in json.loads(out)["runs"]]
    assert names == ["out/old/metrics.jsonl", "elsewhere/old/metrics.jsonl"]


def test_json_is_the_only_thing_on_stdout(plot_log):
    code, out, _ = plot_log("old", "--json")
    assert code == 0
    (run,) = json.loads(out)["runs"]
    assert (run["run"], run["best_step"], run["tokens_per_sec"]) == ("old", 40, 1000.0)


def test_panels_title_size_and_smoothing_can_be_chosen(plot_log):
    code, out, _ = plot_log("old", "--panels", "speed", "--smooth=0")
    assert code == 0
    assert "\ntokens/s\n" in out
    args = ("--panels=speed", "--title", "Two runs", "--size", "4x3", "--smooth", "5")
    assert plot_log("old", "new", "-o", "loss.svg", *args)[0] == 0
    drawn = Path("loss.svg").read_text()
    for words in ("<!-- Two runs -->", "<!-- tokens/s -->", 'width="288pt" height="216pt"'):
        assert words in drawn
    assert plot_log("old", "-o", "loss.html", *args)[0] == 0
    assert "<h1>Two runs</h1>" in Path("loss.html").read_text()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--panels", "wing"], 2, "unknown panel wing"),
        (["--size", "4"], 2, "invalid --size 4"),
        (["--size", "400x3"], 2, "2 to 50"),
        (["--smooth", "-1"], 2, "invalid --smooth -1"),
        (["--panels", "lr"], 3, "no learning rate"),
    ],
)
def test_what_cannot_be_drawn_is_an_error_that_names_it(plot_log, args, code, words):
    found, out, err = plot_log("old", *args)
    assert (found, out) == (code, "")
    assert words in err


def test_quiet_leaves_the_chart_alone_on_the_screen(plot_log):
    code, out, err = plot_log("--quiet")
    assert (code, err) == (0, "")
    assert "loss" in out


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".html"])
def test_output_draws_into_a_file_instead(plot_log, tmp_path, suffix):
    code, out, err = plot_log("-o", f"pictures/loss{suffix}")
    assert (code, out) == (0, "")
    assert (tmp_path / "pictures" / f"loss{suffix}").stat().st_size > 1000
    assert f"wrote pictures/loss{suffix}" in err


def test_a_console_log_becomes_a_metrics_file_that_is_the_same_curve(plot_log, tmp_path):
    (tmp_path / "train.log").write_text(CONSOLE)
    code, out, _ = plot_log("train.log", "--to_jsonl=run/metrics.jsonl")
    assert (code, out) == (0, "")
    assert metrics.read(tmp_path / "run" / "metrics.jsonl").events == [
        {"event": "converted", "lines": 3},
        {"event": "eval", "step": 0, "train_loss": 4.2, "val_loss": 4.3},
        {"event": "train", "step": 0, "loss": 4.2},
        {"event": "train", "step": 9, "loss": 3.9},
    ]
    both = [json.loads(plot_log("--json", log)[1])["runs"][0] for log in ("train.log", "run")]
    assert both[1] == both[0] | {"run": "run"}


@pytest.mark.parametrize(
    ("args", "axis"),
    [(["--x", "time"], "seconds of training"), (["--x=tokens"], "tokens"), (["--log"], "step")],
)
def test_the_axes_can_be_chosen(plot_log, args, axis):
    code, out, _ = plot_log("old", *args)
    assert code == 0
    assert f"\n{axis}\n" in "\n".join(line.strip() for line in out.splitlines())
    assert plot_log("old", "--json", *args)[1] == plot_log("old", "--json")[1]
    assert plot_log("old", "-o", "loss.svg", *args)[0] == 0
    assert f"<!-- {axis} -->" in Path("loss.svg").read_text()


def test_losses_below_zero_have_no_logarithm(plot_log, tmp_path):
    (tmp_path / "low.log").write_text("iter 1: loss -1.0\niter 2: loss -2.0\n")
    assert plot_log("low.log")[0] == 0
    code, _, err = plot_log("low.log", "--log")
    assert code == 3
    assert "no losses above zero" in err


def test_a_dash_reads_stdin(plot_log, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(CONSOLE.encode())))
    code, out, _ = plot_log("-", "--json")
    assert code == 0
    assert json.loads(out)["runs"][0]["val_loss"] == 4.3


def test_an_incomplete_line_is_dropped_with_a_note(plot_log, runs):
    with (runs / "old" / "metrics.jsonl").open("ab") as file:
        file.write(b'{"event": "tr')
    code, _, err = plot_log("old")
    assert code == 0
    assert "note: old: 1 line of" in err


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["odl"], 3, "did you mean old?"),
        (["empty.log"], 3, "no losses found in empty.log"),
        (["out"], 3, "metrics.jsonl"),
        (["old", "-o", "loss.jpg"], 2, ".png, .svg, .pdf, .html"),
        (["old", "new", "--to-jsonl", "x.jsonl"], 2, "one by one"),
        (["train.log", "--x", "tokens"], 3, "has no tokens"),
        (["old", "--x", "epochs"], 2, "tokens"),
        (["train.log", "--to-jsonl", "train.log"], 2, "is the source itself"),
        (["old", "-o", "/proc/loss.png"], 5, "/proc/loss.png"),
    ],
)
def test_errors_name_the_file_and_the_way_out(plot_log, tmp_path, args, code, words):
    (tmp_path / "empty.log").touch()
    (tmp_path / "train.log").write_text(CONSOLE)
    got, out, err = plot_log(*args)
    assert (got, out) == (code, "")
    assert err.startswith("error: ")
    assert "\nhint: " in err
    assert words in err
    assert (tmp_path / "train.log").read_text() == CONSOLE


def test_an_untrusted_name_cannot_control_the_terminal(plot_log, tmp_path):
    name = "evil[bold]\x1b[2J\x9b1m.log"
    (tmp_path / name).write_text(CONSOLE)
    code, out, err = plot_log(name)
    assert code == 0
    assert r"evil[bold]\x1b[2J" in out
    assert r"evil[bold]\x1b[2J" in err
    assert "\x1b" not in out + err
    assert "\x9b" not in out + err


def plot_log_process(*args: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "nanogpt_cli", "plot-log", *args],
        capture_output=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def test_an_ascii_stdout_gets_ascii(tmp_path):
    (tmp_path / "名前.log").write_text(CONSOLE)
    done = plot_log_process("old", "名前.log", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert b"??.log" in done.stdout


def test_colour_is_for_terminals_that_have_it():
    assert b"\x1b" not in plot_log_process("old").stdout
    assert b"\x1b[38;5;33m" in plot_log_process("old", FORCE_COLOR="1", TERM="xterm").stdout
    assert b"\x1b" not in plot_log_process("old", FORCE_COLOR="1", NO_COLOR="1").stdout


def test_a_full_stdout_is_an_error_of_the_machine():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nanogpt_cli", "plot-log", "old"],
            stdout=full, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert done.returncode == 5
    assert b"Traceback" not in done.stderr
