"""The command line as a user meets it: spellings, exit codes, errors, pipes and signals."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import typer
from command_line import TINY, executable

from nanogpt_cli import cli
from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.config import ModelConfig, SampleConfig, TrainConfig, config_fields
from nanogpt_cli.data.prepare import PrepareOptions
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.setting import flag


def test_help_does_not_load_torch():
    program = (
        "import sys; from nanogpt_cli import cli; code = cli.run(['--help']);"
        "heavy = {'torch', 'numpy', 'matplotlib', 'plotext', 'tiktoken'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy or code else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "migrate-ckpt" in done.stdout


@pytest.mark.parametrize(
    "command", ["prepare", "train", "chat", "eval", "migrate-ckpt", "plot-log", "export", "info"]
)
def test_every_command_has_help(nanogpt, command):
    code, out, err = nanogpt(command, "--help")
    assert (code, err) == (0, "")
    assert "--quiet" in out


def flags_of(command):
    options = typer.main.get_command(cli.app).commands[command].params
    return {name for option in options for name in option.opts}


@pytest.mark.parametrize(
    ("command", "config"),
    [("train", ModelConfig), ("train", TrainConfig), ("chat", SampleConfig),
     ("prepare", PrepareOptions)],
)  # fmt: skip
def test_every_setting_has_its_flag_and_help(command, config):
    known = flags_of(command)
    for f in fields(config):
        if "help" in f.metadata:
            assert flag(f.name) in known
            assert f.metadata["help"].endswith(".")


def test_every_flag_of_nanogpts_train_is_answered(nanogpt, text_data):
    kept = [
        "out_dir", "eval_interval", "log_interval", "eval_iters", "eval_only",
        "always_save_checkpoint", "init_from", "dataset", "gradient_accumulation_steps",
        "batch_size", "block_size", "n_layer", "n_head", "n_embd", "dropout", "bias",
        "learning_rate", "max_iters", "weight_decay", "beta1", "beta2", "grad_clip", "decay_lr",
        "warmup_iters", "lr_decay_iters", "min_lr", "backend", "device", "dtype", "compile",
    ]  # fmt: skip
    assert {flag(name) for name in kept} <= flags_of("train")


@pytest.mark.parametrize(
    "args",
    [
        "--wandb_log=True",
        "--wandb_log True",
        "--wandb_log",
        "--wandb-project x",
        "--wandb_project=x",
    ],
)
def test_flags_of_wandb_are_answered_in_one_line(nanogpt, text_data, args):
    code, _, err = nanogpt("train", "--dry-run", *args.split())
    assert code == 0
    (said,) = [line for line in err.splitlines() if "wandb" in line]
    assert said.startswith("note: ")
    assert "--log-to wandb" in said
    assert ("metrics.jsonl" if args.startswith("--wandb_log") else "WANDB_PROJECT") in said
    assert nanogpt("train", "--dry-run", "-q", *args.split()) == (0, "", "")


@pytest.mark.parametrize("args", ["--wandb_log=False", "--wandb_log False"])
def test_wandb_that_is_off_is_not_spoken_of(nanogpt, text_data, args):
    code, _, err = nanogpt("train", "--dry-run", *args.split())
    assert code == 0
    assert "wandb" not in err


def test_a_dry_run_says_what_is_needed_and_writes_nothing(nanogpt, text_data):
    before = sorted(Path().rglob("*"))
    args = ("--n-layer", "1", "--n-embd", "32", "--block-size", "16", "--max-iters", "7")
    code, out, err = nanogpt("train", "--dry-run", "--json", *args)
    plan = json.loads(out)
    assert code == 0
    assert (plan["steps"], plan["tokens_per_step"]) == (7, 8 * 16)
    assert plan["epochs"] == pytest.approx(7 * 8 * 16 / plan["train_tokens"])
    assert plan["tokens_per_weight"] == pytest.approx(7 * 8 * 16 / plan["parameters"])
    assert 0 < plan["seconds"] < 60
    assert plan["tokens_per_sec"] > 0
    assert plan["peak_memory_bytes"] > 12 * plan["parameters"]
    assert plan["overfitting"] == "low"
    assert "risk of overfitting: low" in err
    assert sorted(Path().rglob("*")) == before


def untimed(document):
    """Return a plan without what was measured."""
    measured = ("seconds", "tokens_per_sec", "timed_steps", "step_seconds")
    return {k: v for k, v in json.loads(document).items() if k not in measured}


def test_both_spellings_mean_the_same(nanogpt, text_data):
    ours = nanogpt("train", "--dry-run", "--json", "--n-layer", "3", "--no-compile", "--bias")
    theirs = nanogpt(
        "train", "--dry-run", "--json", "--n_layer=3", "--compile=False", "--bias=True"
    )
    apart = nanogpt(
        "train", "--dry-run", "--json", "--n_layer", "3", "--compile", "False", "--bias", "True"
    )
    assert ours[0] == theirs[0] == apart[0] == 0
    assert untimed(ours[1]) == untimed(theirs[1]) == untimed(apart[1])
    assert json.loads(ours[1])["parameters"] > 0


def test_the_earlier_projects_command_works_verbatim(nanogpt, text_data):
    documented = (
        "--n_layer=4 --n_head=4 --n_embd=64 --compile=False --eval_iters=1 --block_size=64 "
        "--batch_size=8 --device=cpu {} --pos_embd=rope --data_dir=data/hamlet"
    )
    code, out, err = nanogpt("train", *documented.format("--max_iters=2").split())
    assert (code, out) == (0, ""), err
    code, _, err = nanogpt(
        "train", *documented.format("--init_from=resume").split(), "--max_iters=4"
    )
    assert code == 0, err
    assert "at step 2" in err
    lines = (Path("out/hamlet-rope") / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 4


@pytest.mark.parametrize(
    ("args", "code", "error", "hint"),
    [
        (["train", "--n-layr", "3"], 2, "--n-layr", "--n-layer"),
        (["train", "--n-embd", "130", "--n-head", "4"], 2, "130 is not divisible", "128"),  # 18
        (["train", "--learning-rate", "nan"], 2, "--learning-rate nan", "finite|above"),  # 19
        (["train", "--learning-rate", "inf"], 2, "--learning-rate inf", "finite|above"),
        (["train", "--dropout=1"], 2, "--dropout 1.0", "below 1"),
        (["train", "--pos-embd", "sinus"], 2, "unknown --pos-embd sinus", "rope"),
        (["train", "--nc", "3"], 2, "unknown option --nc", r"see `nanogpt train --help`"),
        (["train", "--max-iters", "abc"], 2, "invalid --max-iters abc", "whole number"),
        (["train", "--dropout=x"], 2, "invalid --dropout x", "write a number"),
        (["train", "--arch"], 2, "--arch needs a value", "write --arch NAME"),
        (["eval", "--data"], 2, "--data needs a value", "write --data DATA"),
        (["chat", "a", "b"], 2, "unexpected argument b", r"chat \[OPTIONS\] \[MODEL\]$"),
        (["migrate-ckpt"], 2, "OLD.pt is missing", r"migrate-ckpt \[OPTIONS\] OLD.pt$"),
        (["migrate-ckpt", "x", "--pos-embd", "keap"], 2, "unknown --pos-embd keap", "mean keep"),
        (["--nothing"], 2, "unknown option --nothing", "nanogpt --help"),
        (["help", "fly"], 2, "unknown command fly", "help"),
        (["train", "--compile=maybe"], 2, "neither True nor False", "--compile"),
        (["train", "--data-dir", "nowhere"], 3, "nowhere", "nanogpt prepare"),
        (["train", "--preset", "huge"], 2, "huge", "quick"),
        (["train", "--init-from", "resume"], 4, "no run", "nanogpt train"),
        (["train", "--time", "soon"], 2, "soon", "20m"),
        (["chat"], 4, "no run under out", "nanogpt train"),
        (["chat", "nobody"], 4, "nobody", "nanogpt train"),
        (["chat", "--top-k", "0"], 2, "--top-k 0", "at least 1"),  # row 51
        (["eval", "no.pt"], 4, "no.pt", "path"),
        (["migrate-ckpt", "no.pt"], 4, "no.pt", "path"),
        (["prepare", "no.txt"], 3, "no.txt", "."),  # row 1
        (["prepare", "x" * 300], 3, "xxx", "check the name"),
        (["chat", "x" * 300], 4, "xxx", "train one"),
        (["train", "data/hamlet"], 2, "is a dataset", "--data-dir data/hamlet"),
        (["train", "a.toml", "--config", "b.toml"], 2, "two configurations", "one of them"),
        (["fly"], 2, "unknown command fly", "help"),
        (["trian"], 2, "unknown command trian", r"did you mean train\?"),
    ],
)
def test_errors_say_what_and_how_to_fix_it(nanogpt, text_data, args, code, error, hint):
    got, out, err = nanogpt(*args)
    assert (got, out) == (code, "")
    lines = err.strip().splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1
    assert lines[-2].startswith("error: ")
    assert lines[-1].startswith("hint: ")
    assert error in lines[-2]
    assert re.search(hint, lines[-1])


@pytest.mark.skipif("CUDA_VISIBLE_DEVICES" in os.environ, reason="says which GPUs there are")
def test_an_absent_gpu_is_a_usage_error(nanogpt, text_data):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for command in (["train"], ["chat", "-p", "hi"]):
        if command == ["chat", "-p", "hi"]:
            nanogpt("train", *TINY, "--max-iters=1")
        code, _, err = nanogpt(*command, "--device", "cuda")  # row 25
        assert code == 2
        assert "no cuda" in err


def test_settings_files(nanogpt, text_data):
    Path("good.toml").write_text('n_layer = 2\n[train]\nlearning-rate = 1e-3\npos_embd = "rope"\n')
    document = json.loads(nanogpt("train", "good.toml", *TINY[1:], "--dry-run", "--json")[1])
    assert document["out_dir"].endswith("rope")
    Path("unknown.toml").write_text("n_layr = 2\n")
    code, _, err = nanogpt("train", "--config", "unknown.toml")  # row 20
    assert code == 2
    assert "did you mean n_layer?" in err
    for wrong in ("out_dir = 3", "init_from = true", 'data_dir = ["a"]'):
        Path("wrong.toml").write_text(wrong)
        code, _, err = nanogpt("train", "wrong.toml", "--dry-run")
        assert code == 2
        assert "cannot be" in err
    Path("broken.toml").write_text("n_layer = \n")
    code, _, err = nanogpt("train", "--config", "broken.toml")  # row 21
    assert code == 2
    assert "line 1" in err


def test_the_way_from_a_text_to_an_answer(nanogpt):
    chat = "<human>hello {}<endOfText>\n<bot>hi there<endOfText>\n\n"
    Path("chats.txt").write_text("".join(chat.format(number) for number in range(60)))
    code, out, err = nanogpt("prepare", "chats.txt", "--tokenizer", "char", "--json")
    assert code == 0, err
    prepared = json.loads(out)
    wanted = {"out", "train_tokens", "val_tokens", "vocab_size", "bytes", "seconds", "documents"}
    assert wanted <= prepared.keys()
    assert prepared["documents"] == 60

    code, out, err = nanogpt("train", *TINY, "--max-iters=150", "--block-size=48", "--n-embd=32")
    assert (code, out) == (0, ""), err
    assert "nanogpt chat chats-rope" in err

    code, out, err = nanogpt("chat", "-p", "hello", "--temperature", "0")
    assert (code, out) == (0, "hi there\n"), err
    code, out, err = nanogpt("chat", "chats-rope", "-p", "hello", "--temperature=0", "--json")
    reply = json.loads(out)
    assert (reply["reply"], reply["stop_reason"]) == ("hi there", "stop")
    assert reply["tokens"] == 8
    assert reply["tokens_per_sec"] > 0

    code, out, err = nanogpt("eval", "--json")
    (row,) = json.loads(out)["models"]
    assert row["checkpoint"] == "out/chats-rope/ckpt.pt"
    assert 0 < row["val_loss"] < 1
    assert row["perplexity"] == pytest.approx(2.718281828 ** row["val_loss"])
    assert row["bits_per_byte"] > 0
    data = open_dataset(Path("data/chats"))
    predicted = np.arange(1, (len(data.val) - 1) // 48 * 48 + 1)  # in whole windows
    assert row["tokens"] == np.count_nonzero(data.val_mask.at(predicted))  # those of replies
    code, out, err = nanogpt("eval", "chats-rope", "out/chats-rope/last.pt")
    assert out.split("\n")[0].split()[:2] == ["chats-rope", "chats-rope/last.pt"]
    assert "evaluated on data/chats" in err
    code, out, _ = nanogpt("eval", "--data", "chats.txt", "--json")
    (again,) = json.loads(out)["models"]
    assert again["val_loss"] == pytest.approx(row["val_loss"], rel=0.3)  # tags and all
    counted = [*[0] * len("<hello 59><"), *[1] * len("hi there>"), 0]  # a tag is one token
    beyond = (prepared["train_tokens"] + prepared["val_tokens"] - 1) % 48  # no whole window
    cut = sum((counted * 3)[len(counted * 3) - beyond :])
    assert again["tokens"] == 60 * sum(counted) - cut

    code, out, err = nanogpt("plot-log")
    assert code == 0
    assert "chats-rope" in out + err


@pytest.fixture
def trained(nanogpt, text_data):
    """Train a model that continues text, for one step."""
    assert nanogpt("train", *TINY, "--max-iters=1", "--out-dir=out/t")[0] == 0
    return "t"


def test_a_model_of_plain_text_continues_it(nanogpt, trained):
    code, out, _ = nanogpt("chat", trained, "-p", "To be", "--max-tokens", "5", "--seed", "1")
    assert code == 0
    assert 1 < len(out) <= 6
    assert nanogpt("chat", trained, "-p", "To be", "--max-tokens", "5", "--seed", "1")[1] == out


def test_a_long_prompt_is_cropped_and_said(nanogpt, trained):
    sampling = ("--max-tokens", "8", "--temperature", "0")
    code, out, err = nanogpt("chat", trained, "-p", "be " * 100, *sampling)  # row 49
    assert code == 0
    assert "longer than the context: only its last 16 tokens are used" in err
    assert nanogpt("chat", trained, "-p", ("be " * 100)[-16:], *sampling) == (0, out, "")


@pytest.mark.long
def test_notes_begin_a_line_of_their_own(trained):
    program = executable(
        "chat", trained, "-p", "be " * 100, "--max-tokens=4", stdout=subprocess.PIPE
    )
    out, err = program.communicate(timeout=60)
    assert err.startswith("note: ")
    assert out.endswith("\n")
    both = subprocess.run(
        f"{sys.executable} -m nanogpt_cli chat {trained} -p '{'be ' * 100}' --max-tokens=4 2>&1",
        shell=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "\nnote: " in both.stdout


@pytest.mark.parametrize("prompt", ["--why_not", "--top_k", "--wandb_log"])
def test_a_prompt_that_looks_like_a_flag_stays_as_it_is(nanogpt, trained, prompt):
    code, _, err = nanogpt("chat", trained, "-p", prompt, "--max-tokens", "1")
    assert code == 0
    assert "'_'" in err  # the model has never seen one


@pytest.mark.long
def test_stdin_of_any_bytes_or_none(trained):
    shell = f"printf 'To \\377 be' | {sys.executable} -m nanogpt_cli chat {trained} --max-tokens 2"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    shell = f"{sys.executable} -m nanogpt_cli chat {trained} <&-"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: no message came on stdin\nhint: ")


@pytest.mark.parametrize(("gain", "finite"), [(3e38, False), (1e9, True)])
def test_losses_that_are_not_finite_are_null(nanogpt, tiny, text_data, gain, finite):
    tokenizer = open_dataset(text_data).tokenizer
    model = tiny(vocab_size=tokenizer.vocab_size)
    weights = model.state_dict()
    weights["transformer.ln_f.weight"][:] = gain
    Checkpoint(model.config, weights, tokenizer.to_dict()).save(Path("x.pt"))
    code, out, err = nanogpt("eval", "x.pt", "--data", text_data, "--json")
    assert code == 0, err
    (row,) = json.loads(out)["models"]
    assert row["perplexity"] is None
    assert (row["val_loss"] is not None) == finite
    code, out, err = nanogpt("eval", "x.pt", "x.pt", "--data", text_data)
    assert code == 0, err


def test_the_table_is_not_cut_in_a_pipe(nanogpt, trained):
    name = "out/" + "long-" * 30 + "name.pt"
    Path(name).write_bytes(Path("out/t/ckpt.pt").read_bytes())
    code, out, _ = nanogpt("eval", name)
    assert code == 0
    row = out.splitlines()[1]
    assert row.split()[0] == name
    assert len(row.split()) == 6


def test_the_table_breaks_a_path_after_its_slashes(nanogpt, trained, monkeypatch):
    Path("out/t").rename("out/longer")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    code, out, _ = nanogpt("eval", "longer")
    assert code == 0
    lines = re.sub(r"\x1b\[[\d;]*m", "", out).splitlines()
    assert [line.split()[0] for line in lines] == ["model", "out/longer/", "ckpt.pt"]
    assert max(map(len, lines)) <= 60


@pytest.mark.long
def test_a_pipe_gets_the_reply_alone(trained):
    program = executable("chat", trained, "--max-tokens", "4", stdin=subprocess.PIPE)
    out, err = program.communicate("To be", timeout=60)
    assert (program.returncode, err) == (0, "")
    assert "\x1b" not in out
    assert len(out.strip("\n")) <= 4


def test_a_pipe_without_a_message_is_said(nanogpt, trained, monkeypatch):  # row 52
    for said in ("", " \n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(said))
        code, out, err = nanogpt("chat", trained)
        assert (code, out) == (2, "")
        assert err.startswith("error: no message came on stdin\nhint: pipe a text in")


def test_an_untrained_model_is_said_to_be_one(nanogpt, text_data):
    assert nanogpt("train", *TINY, "--max-iters=0", "--out-dir=out/t")[0] == 0
    code, out, err = nanogpt("chat", "t", "-p", "To be", "--max-tokens", "3")
    assert code == 0
    assert out
    assert err.startswith("note: out/t/ckpt.pt is untrained (step 0)")
    assert "nanogpt train --init-from resume --out-dir out/t" in err
    assert nanogpt("chat", "t", "-p", "To be", "--max-tokens", "3", "-q")[2] == ""


def test_a_trained_model_needs_no_note(nanogpt, trained):
    assert nanogpt("chat", trained, "-p", "To be", "--max-tokens", "3")[2] == ""


def test_an_occupied_folder_is_not_overwritten(nanogpt, trained):
    before = Path("out/t/ckpt.pt").read_bytes()
    code, _, err = nanogpt("train", *TINY, "--out-dir=out/t")
    assert code == 2
    assert "--init-from resume" in err
    assert Path("out/t/ckpt.pt").read_bytes() == before


def test_without_an_out_dir_each_run_has_its_own(nanogpt, text_data):
    for _ in range(2):
        assert nanogpt("train", *TINY, "--max-iters=1", "--pos-embd", "relative")[0] == 0
    assert Path("out/hamlet-relative/ckpt.pt").exists()
    assert Path("out/hamlet-relative-2/ckpt.pt").exists()


def test_a_dry_run_writes_nothing(nanogpt, text_data):
    assert nanogpt("train", *TINY, "--dry-run")[0] == 0
    assert not Path("out").exists()


def test_a_dry_run_refuses_what_the_run_refuses(nanogpt, trained):
    code, _, err = nanogpt("train", *TINY, "--out-dir=out/t", "--dry-run")
    assert code == 2
    assert "holds a run already" in err
    before = Path("out/t/ckpt.pt").read_bytes()
    assert nanogpt("train", *TINY, "--out-dir=out/t", "--dry-run", "--force")[0] == 0
    assert Path("out/t/ckpt.pt").read_bytes() == before


@pytest.mark.parametrize(("rank", "notes"), [("0", 1), ("1", 0)])
def test_notes_are_said_by_one_process(nanogpt, nanogpt_data, monkeypatch, rank, notes):
    launcher = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": "29500"}  # fmt: skip
    for name, value in launcher.items():
        monkeypatch.setenv(name, value)
    code, _, err = nanogpt("train", *TINY, "--dry-run")
    assert code == 0
    assert err.count("no meta.json") == notes


def test_quiet_says_nothing(nanogpt, text_data):
    assert nanogpt("train", *TINY, "--max-iters=1", "--quiet") == (0, "", "")
    code, _, err = nanogpt("train", "--n-embd=3", "--n-head=2", "-q")
    assert code == 2
    assert "error:" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(nanogpt, text_data, number, code):
    run = executable("train", *TINY, "--max-iters=100000", "--out-dir=out/t", "--eval-interval=5")
    metrics = Path("out/t/metrics.jsonl")
    deadline = time.monotonic() + 60
    while not (metrics.exists() and '"step": 20' in metrics.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run.send_signal(number)
    _, err = run.communicate(timeout=30)
    assert run.returncode == code
    assert "Traceback" not in err
    command = re.search(r"nanogpt (train --init-from resume .*)", err)
    assert command is not None
    stopped = re.search(r"stopped at step ([\d,]+)", err)
    assert stopped is not None
    last = int(stopped[1].replace(",", "")) + 2
    code, _, err = nanogpt(*command[1].split(), f"--max-iters={last}")
    assert code == 0, err
    end = json.loads(metrics.read_text().splitlines()[-1])
    assert (end["event"], end["step"]) == ("end", last)


def test_head_gets_what_it_asked_for():
    # far more than a pipe holds, for a reader that is gone before it comes
    Path("a.log").write_text("step 0: train loss 4.2, val loss 4.3\n")
    many = " ".join(["a.log"] * 3000)
    program = f"{sys.executable} -m nanogpt_cli plot-log --json -q"
    shell = f"set -o pipefail; {program} {many} | head -1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (141, "{\n")
    assert done.stderr == ""


def test_a_full_stdout_is_an_error_of_the_machine():
    with Path("/dev/full").open("w") as full:
        run = executable("--version", stdout=full)
        _, err = run.communicate(timeout=60)
    assert run.returncode == 5
    assert "error:" in err


def test_config_fields_are_the_settings():
    assert "vocab_size" not in config_fields(ModelConfig)
    assert config_fields(TrainConfig)["max_iters"] == TrainConfig.max_iters
