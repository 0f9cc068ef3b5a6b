"""``nanogpt eval`` on dialogues: its table, its documents, and what is stored beside the run."""

import csv
import json
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import sacrebleu

from nanogpt_cli.checkpoint.schema import Checkpoint
from nanogpt_cli.data.prepare import PrepareOptions, prepare
from nanogpt_cli.data.store import open_dataset
from nanogpt_cli.dialogue import ChatFormat
from nanogpt_cli.evaluation import samples

FLAGS = ("--device=cpu", "--max-tokens=8", "--seed=1")
TALK = "<human>How are you, {0}?<endOfText>\n<bot>Fine, thank you {0}.<endOfText>\n\n"


@pytest.fixture
def talk(tiny) -> str:
    """Save a model of dialogues as the run ``talk``; return its name."""
    Path("talk.txt").write_text("".join(TALK.format(i) for i in range(200)))
    prepare(PrepareOptions(("talk.txt",), Path("data/talk"), tokenizer="byte"))
    save(tiny, "talk")
    return "talk"


def save(tiny, name: str, **shape: object) -> None:
    tokenizer = open_dataset(Path("data/talk")).tokenizer
    model = tiny(vocab_size=tokenizer.vocab_size, block_size=64, **shape)
    data = {"folder": "data/talk"}
    chat = ChatFormat().to_dict()
    made = Checkpoint(model.config, model.state_dict(), tokenizer.to_dict(), chat, data=data)
    made.save(Path(f"out/{name}/ckpt.pt"))


def document(nanogpt, *args: object) -> dict:
    code, out, err = nanogpt("eval", *args, *FLAGS, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def test_the_documents_numbers_are_those_of_its_replies(talk, nanogpt):
    flags = ("--data", "data/talk", "--metrics", "bleu,chrf,distinct", "--prompts", 16)
    (model,) = document(nanogpt, talk, *flags, "--show", 16)["models"]
    replies = model["replies"]
    assert len(replies) == 16
    assert all(set(r) >= {"prompt", "reference", "reply"} for r in replies)
    assert all(r["prompt"].startswith("How are you, ") for r in replies)
    texts = [r["reply"] for r in replies]
    references = [r["reference"] for r in replies]
    metrics = model["metrics"]
    bleu = sacrebleu.corpus_bleu(texts, [references]).score
    assert metrics["bleu"]["value"] == pytest.approx(bleu)
    assert metrics["bleu"] == metrics["bleu_4"]
    chrf = sacrebleu.corpus_chrf(texts, [references]).score
    assert metrics["chrf"]["value"] == pytest.approx(chrf)
    assert metrics["chrf"]["low"] <= chrf <= metrics["chrf"]["high"]
    words = [word for text in texts for word in text.split()]
    assert metrics["distinct_1"]["value"] == pytest.approx(len(set(words)) / len(words))
    assert model["sampling"]["seed"] == 1
    assert model["sampling"]["prompts"] == 16
    assert model["val_loss"] is None


def test_what_is_stored_is_used_until_anything_changes(talk, nanogpt, monkeypatch, tiny):
    first = document(nanogpt, talk, "--prompts", 12, "--show", 12)
    lines = [json.loads(line) for line in Path("out/talk/eval.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["text", "replies", "result"]
    assert lines[-1]["metrics"] == first["models"][0]["metrics"]
    asked = []
    take = samples.generate_replies

    def counted(*args: object, **more: object) -> object:
        asked.append(1)
        return take(*args, **more)

    monkeypatch.setattr(samples, "generate_replies", counted)
    assert document(nanogpt, talk, "--prompts", 12, "--show", 12) == first
    assert not asked
    document(nanogpt, talk, "--prompts", 13)
    document(nanogpt, talk, "--prompts", 12, "--temperature", 2)
    assert document(nanogpt, talk, "--prompts", 12, "--recompute", "--show", 12) == first
    assert len(asked) == 3
    save(tiny, "talk")  # other parameters
    document(nanogpt, talk, "--prompts", 12)
    assert len(asked) == 4
    path = Path("out/talk/eval.jsonl")
    path.write_text(path.read_text().replace('"ended"', '"end"')[:-40])
    document(nanogpt, talk, "--prompts", 12)
    assert len(asked) == 5


def test_models_are_paired_on_the_same_prompts(talk, nanogpt, tiny):
    save(tiny, "other")
    found = document(nanogpt, talk, "other", "--prompts", 20)
    (pair,) = found["differences"]
    assert (pair["model"], pair["against"]) == ("out/other/ckpt.pt", "out/talk/ckpt.pt")
    one, other = (m["metrics"]["chrf"]["value"] for m in found["models"])
    assert pair["metrics"]["chrf"]["value"] == pytest.approx(other - one)
    assert pair["metrics"]["chrf"]["low"] is not None
    assert "bits_per_byte" in pair["metrics"]
    names = [row["name"] for row in found["baselines"]]
    assert names == ["references", "other replies"]
    assert found["baselines"][0]["metrics"]["copies"]["value"] < 1  # they were held out


def test_the_table_fits_its_width_and_says_how_replies_were_drawn(talk, nanogpt, tiny, monkeypatch):
    save(tiny, "other")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    code, out, err = nanogpt("eval", talk, "other", *FLAGS, "--prompts", 12, "--show", 2)
    assert code == 0, err
    assert "12 replies: temperature 0.5" in err
    assert "max_tokens 8, seed 1" in err
    out = re.sub(r"\x1b\[\d*m", "", out)
    assert "BLEU-4" in out
    assert "difference from talk" in out
    assert out.count("\nprompt ") == 2
    table = out.partition("difference from")[0].splitlines()
    assert max(map(len, table)) <= 60


def test_csv_and_markdown(talk, nanogpt):
    code, out, _ = nanogpt("eval", talk, *FLAGS, "--prompts=12", "--csv")
    assert code == 0
    rows = {row["metric"]: row for row in csv.DictReader(StringIO(out)) if row["model"] == talk}
    assert float(rows["chrf"]["low"]) <= float(rows["chrf"]["value"])
    code, out, _ = nanogpt("eval", talk, *FLAGS, "--prompts=12", "--markdown")
    assert out.splitlines()[0] == "|  | talk | references | other replies |"
    assert any(line.startswith("| chrF |") for line in out.splitlines())
    assert nanogpt("eval", talk, "--csv", "--json")[0] == 2


def test_what_does_not_apply_is_absent_with_its_reason(talk, nanogpt):
    Path("plain.txt").write_text("To be, or not to be. " * 40)
    (model,) = document(nanogpt, talk, "--data", "plain.txt")["models"]
    assert "bleu" not in model["metrics"]
    assert model["absent"]["bleu"] == "there is no reply to a human's turn in the data"
    code, _, err = nanogpt("eval", talk, "--data", "plain.txt", "--metrics", "bleu,copies")
    assert code == 3
    assert "no reply to a human's turn" in err


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--metrics=blue"], 2, "did you mean bleu"),
        (["--metrics=,"], 2, "no metric"),
        (["--prompts=0"], 2, "--prompts 0"),
        (["--show=-1"], 2, "--show -1"),
        (["--metrics=bertscore"], 2, "--bertscore-model FOLDER"),
        (["--bertscore-model=nowhere"], 2, "no config.json"),
        (["--sentiment-model=nowhere"], 2, "no config.json"),
        (["--labels=nothing.csv"], 3, "cannot read nothing.csv"),
        (["--labels=one.csv"], 3, "1 different labels"),
        (["--labels=talk.txt"], 3, "no columns text and label"),
        (["--labels=bad.jsonl"], 3, "line 2 lacks a text or a label"),
    ],
)
def test_what_cannot_be_measured_is_refused(talk, nanogpt, flags, code, said):
    Path("one.csv").write_text("text,label\na,good\nb,good\n")
    Path("bad.jsonl").write_text('{"text": "a", "label": 1}\n{"text": "b"}\n')
    found, out, err = nanogpt("eval", talk, *flags)
    assert (found, out) == (code, "")
    assert said in " ".join(err.split())


@pytest.mark.parametrize(
    ("metric", "package"), [("bertscore", "transformers"), ("sentiment", "vaderSentiment")]
)
def test_a_missing_package_is_named_with_what_to_install(
    talk, nanogpt, monkeypatch, metric, package
):
    Path("m").mkdir()
    Path("m/config.json").write_text("{}")
    name = "encoder" if metric == "bertscore" else "sentiment"
    monkeypatch.setattr(f"nanogpt_cli.evaluation.metrics.{name}.find_spec", lambda name: None)
    code, _, err = nanogpt("eval", talk, f"--metrics={metric}", "--bertscore-model=m")
    assert code == 2
    assert f"needs the package {package}" in " ".join(err.split())
    assert "pip install 'nanogpt-cli[eval]'" in " ".join(err.split())


def test_few_replies_have_no_interval(talk, nanogpt):
    code, out, err = nanogpt("eval", talk, *FLAGS, "--prompts=3", "--metrics=chrf")
    assert code == 0
    assert "fewer than 10 replies" in err
    assert "±" not in out


def test_labels_are_ranked_by_the_model(talk, nanogpt):
    rows = "".join(f"text {i}\t{('good', 'bad')[i % 2]}\n" for i in range(12))
    Path("l.tsv").write_text(rows)
    (model,) = document(nanogpt, talk, "--labels=l.tsv", "--metrics=label-ranking")["models"]
    assert model["metrics"]["label_majority"]["value"] == 0.5
    assert model["metrics"]["label_chance"]["value"] == 0.5
    assert model["metrics"]["label_ranking"]["value"] in [i / 12 for i in range(13)]


def test_a_folder_that_cannot_be_written_still_gives_the_table(talk, nanogpt, monkeypatch):
    from nanogpt_cli.errors import MachineError
    from nanogpt_cli.evaluation.store import Store

    def refuse(*args: object, **content: object) -> None:
        raise MachineError("cannot write out/talk/eval.jsonl: read-only", "choose a folder")

    monkeypatch.setattr(Store, "add", refuse)
    code, out, err = nanogpt("eval", talk, *FLAGS, "--prompts=12")
    assert code == 0
    assert "the results are not stored" in err
    assert err.count("not stored") == 1
    assert "chrF" in out


def test_the_metrics_are_listed_with_what_they_need(nanogpt):
    code, out, _ = nanogpt("eval", "--metrics", "list")
    assert code == 0
    assert any("bleu" in line and "dialogues" in line for line in out.splitlines())
    assert "--bertscore-model FOLDER" in out


def test_losses_of_different_tokenizers_are_marked_and_bits_per_byte_are_compared(
    talk, nanogpt, tiny
):
    characters = "".join(sorted(set(TALK.format("0123456789"))))
    tokenizer = {"kind": "char", "characters": characters, "special_tokens": {}}
    model = tiny(vocab_size=len(characters), block_size=32)
    Checkpoint(model.config, model.state_dict(), tokenizer).save(Path("out/chars/ckpt.pt"))
    Path("plain.txt").write_text("are you Fine, thank you. How " * 200)
    flags = ("--data=plain.txt", "--metrics=val_loss,bits_per_byte")
    code, out, err = nanogpt("eval", talk, "chars", *flags)
    assert code == 0, err
    assert "val loss †" in out
    assert "bits/byte †" not in out
    assert "† per token" in err
    difference = out.partition("difference from talk")[2]
    assert "bits/byte" in difference
    assert "val loss" not in difference


def test_what_replies_do_not_have_counts_in_no_number_but_the_yardsticks(
    talk, nanogpt, monkeypatch
):
    monkeypatch.setattr("nanogpt_cli.evaluation.studies.SAMPLES", 2)
    asked = ("--yardsticks", "--positions", "--memorisation", "--metrics", "val-loss,bits-per-byte")
    found = document(nanogpt, talk, *asked)
    (model,), dataset = found["models"], open_dataset(Path("data/talk"))
    assert model["loss_on"] == "replies"
    assert model["tokens"] < dataset.val_mask.count() < len(dataset.val) / 2 + 1
    lines = map(json.loads, Path("out/talk/eval.jsonl").read_text().splitlines())
    (stored,) = (line["sample"] for line in lines if line["event"] == "text")
    sums = np.sum(stored["stretches"], axis=0)  # what intervals are drawn from
    assert sums == pytest.approx([stored["loss"][k] for k in ("nats", "tokens", "text_bytes")])
    assert found["positions"][0]["contexts"][0]["loss"] == pytest.approx(model["val_loss"])
    assert found["memorisation"][0]["val_loss"] == pytest.approx(model["val_loss"])
    of_all = found["yardsticks"][0]["bits_per_byte"]
    assert of_all != pytest.approx(model["bits_per_byte"], abs=1e-6)
    code, out, err = nanogpt("eval", talk, *asked[:1], *asked[3:], *FLAGS)
    assert code == 0, err
    assert f"{of_all:.3f}" in out
    assert "on all of the text" in err


@pytest.mark.parametrize("form", ["--csv", "--markdown"])
def test_a_table_alone_has_no_studies(talk, nanogpt, form):
    code, out, err = nanogpt("eval", talk, form, "--speed", *FLAGS)
    assert (code, out) == (2, "")
    assert f"error: {form} prints the table alone, without --speed" in err


def test_models_are_drawn_with_their_intervals_and_losses_by_position(talk, nanogpt):
    args = ("eval", talk, "--metrics", "val_loss,bits_per_byte", *FLAGS)
    code, _, err = nanogpt(*args, "--positions", "-o", "models.svg")
    assert code == 0, err
    assert "wrote models.svg" in err
    drawn = Path("models.svg").read_text()
    for words in ("talk", "bits/byte ↓", "position in the window, in tokens"):
        assert f"<!-- {words} -->" in drawn
    Path("notes.svg").write_text("mine")
    for target, words in (("models.html", "unknown suffix"), ("notes.svg", "--force")):
        code, out, err = nanogpt(*args, "-o", target)
        assert (code, out) == (2, "")
        assert words in err
    assert Path("notes.svg").read_text() == "mine"
