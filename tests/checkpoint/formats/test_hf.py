"""transformers itself loads what is exported to it, and computes and tokenizes the same."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from exported import CELLS, CHAT, TEXT, checkpoint, names, tokenizers
from safetensors.torch import load_file, save_file

from nanogpt_cli.checkpoint.export import export
from nanogpt_cli.checkpoint.load import load, load_checkpoint
from nanogpt_cli.dialogue import ChatFormat, Turn, encode_prompt
from nanogpt_cli.errors import CheckpointError, UsageError
from nanogpt_cli.tokenizer.load import from_dict

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
TORCH_IDS = torch.arange(48).view(2, 24) * 5 % 260


def stock(arch, pos, more):
    """Return the class of transformers that computes such a model; None where there is none."""
    if arch == "gpt2":
        found = {"default": "GPT2LMHeadModel", "rope": "GPTNeoXForCausalLM"}
        return found.get(pos)
    return "PersimmonForCausalLM" if pos == "rope" and set(more) <= {"bias"} else None


@pytest.mark.filterwarnings("ignore")  # of transformers
@pytest.mark.parametrize(("arch", "pos", "more"), CELLS, ids=names(CELLS))
def test_logits_are_equal_there_and_when_read_back(tiny, arch, pos, more):
    before, model = checkpoint(tiny, arch=arch, pos_embd=pos, **more)
    expected = stock(arch, pos, more)
    result = export(Path("a.pt"), "hf", custom_code=expected is None)
    assert result.output == Path("a-hf")
    assert result.read_by == expected or (result.read_by == "NanoGPTForCausalLM" and result.notes)
    auto = transformers.AutoModelForCausalLM
    there = auto.from_pretrained("a-hf", trust_remote_code=expected is None).eval()
    assert type(there).__name__ == result.read_by
    with torch.no_grad():
        wanted = model(TORCH_IDS)
        assert (there(TORCH_IDS).logits - wanted).abs().max() < 1e-5
        assert there.generate(
            TORCH_IDS[:1, :4], max_new_tokens=4, do_sample=False, eos_token_id=None, pad_token_id=0
        ).shape == (1, 8)
        back = load(Path("a-hf"), "cpu")
        torch.testing.assert_close(back.model(TORCH_IDS), wanted, rtol=0, atol=1e-6)
    assert back.config == before.config
    assert back.about == load(Path("a.pt"), "cpu").about
    assert back.tokenizer.to_dict() == before.tokenizer
    assert back.chat_format == ChatFormat()


def test_what_has_no_class_is_refused_without_custom_code(tiny):
    checkpoint(tiny, arch="modern", pos_embd="rope", ngram_rows=64)
    with pytest.raises(UsageError, match="no class for n-gram embeddings") as caught:
        export(Path("a.pt"), "hf", custom_code=False)
    assert "--ngram-rows 0" in caught.value.hint
    assert not Path("a-hf").exists()


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_ids_and_conversations_are_equal(tiny):
    text = (
        TEXT + " I'LL, they've 12345  x\n\n\n  y\r\n\tdon'T é😀日本 \u00a0\u2003end \u200b ſ'ſ   "
    )
    turns = [Turn("human", "hi"), Turn("bot", "well, thanks"), Turn("human", "and you?")]
    roles = {"human": "user", "bot": "assistant"}
    messages = [{"role": roles[turn.role], "content": turn.text} for turn in turns]
    for name, described in tokenizers().items():
        ours = from_dict(described)
        chat = {**CHAT, "turns": "pair"} if name == "byte" else CHAT
        checkpoint(tiny, tokenizer=described, chat=chat, vocab_size=ours.vocab_size)
        export(Path("a.pt"), "hf", Path(name))
        there = transformers.AutoTokenizer.from_pretrained(name)
        ids = there(text)["input_ids"]
        assert ids == ours.encode(text), name
        assert there.decode(ids) == ours.decode(ids)
        assert dict(there.get_added_vocab()) == dict(ours.special_tokens)
        made = there.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert made == encode_prompt(turns, ours, ChatFormat.from_dict(chat), 10_000).ids, name
        assert there.eos_token == "<endOfText>"


def test_a_folder_of_transformers_own_is_read(tiny):
    """As GPT-NeoX and Persimmon are published: without what is ours."""
    bpe = tokenizers()["bpe"]
    for arch in ("gpt2", "modern"):
        _, model = checkpoint(
            tiny, arch=arch, pos_embd="rope", bias=True, vocab_size=320, tokenizer=bpe
        )
        export(Path("a.pt"), "hf", Path(arch))
        Path(arch, "nanogpt.json").unlink()
        loaded = load(Path(arch), "cpu")
        with torch.no_grad():
            torch.testing.assert_close(loaded.model(TORCH_IDS), model(TORCH_IDS))
        assert loaded.tokenizer.encode(TEXT) == from_dict(bpe).encode(TEXT)
        lone = load(Path(arch, "model.safetensors"), "cpu")
        assert lone.config == loaded.config


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"use_parallel_residual": True}, "use_parallel_residual True"),
        ({"rope_parameters": {"rope_theta": 10000.0, "partial_rotary_factor": 0.25}}, "rotation"),
        ({"rope_parameters": {"rope_type": "linear", "partial_rotary_factor": 1.0}}, "rotation"),
        ({"hidden_act": "relu"}, "hidden_act relu"),
        ({"intermediate_size": 7}, "7 wide"),
        ({"num_attention_heads": None}, "n_head"),
        ({"num_attention_heads": 3}, "not divisible"),
        ({"model_type": "llama"}, "but llama"),
        ({"model_type": ["x"]}, "does not hold"),
    ],
)
def test_relatives_that_compute_something_else_are_refused(tiny, changes, problem):
    checkpoint(tiny, pos_embd="rope")
    export(Path("a.pt"), "hf")
    config = json.loads(Path("a-hf/config.json").read_text())
    Path("a-hf/config.json").write_text(json.dumps(config | changes))
    with pytest.raises(CheckpointError, match=problem):
        load_checkpoint(Path("a-hf"))


def test_learned_gains_are_refused_and_so_is_a_foreign_tokenizer(tiny):
    checkpoint(tiny, arch="modern", pos_embd="rope")
    export(Path("a.pt"), "hf")
    Path("a-hf/nanogpt.json").unlink()
    tokenizer = json.loads(Path("a-hf/tokenizer.json").read_text())
    for change, problem in (
        ({"pre_tokenizer": None}, "does not cut text into words"),
        ({"model": {"vocab": {"a": 1}, "merges": []}}, "not one of bytes"),
        ({"model": {"type": "Unigram"}}, "not byte-level BPE"),
        ({"added_tokens": 7}, "not a list"),
    ):
        Path("a-hf/tokenizer.json").write_text(json.dumps(tokenizer | change))
        with pytest.raises(CheckpointError, match=problem):
            load_checkpoint(Path("a-hf"))
    weights = load_file("a-hf/model.safetensors")
    weights["model.layers.0.input_layernorm.weight"] = torch.full((32,), 1.5)
    save_file(weights, "a-hf/model.safetensors")
    with pytest.raises(CheckpointError, match=r"h\.0\.ln_1\.weight is learned"):
        load_checkpoint(Path("a-hf"))


def test_one_safetensors_file(tiny):
    before, _ = checkpoint(tiny, arch="modern", pos_embd="relative", ngram_rows=64)
    result = export(Path("a.pt"), "safetensors")
    back = load_checkpoint(result.output)
    assert back.config == before.config
    assert {**vars(back), "model": 0} == {**vars(before), "model": 0}
    assert all(torch.equal(back.model[name], before.model[name]) for name in before.model)
    save_file(load_file("a.safetensors"), "alone.safetensors")
    with pytest.raises(CheckpointError, match="does not say what its model looks like"):
        load_checkpoint(Path("alone.safetensors"))
    for described in ("[", "[1]", '{"model_config": 7}'):
        save_file(load_file("a.safetensors"), "bad.safetensors", {"nanogpt": described})
        with pytest.raises(CheckpointError, match=r"bad\.safetensors is corrupt"):
            load_checkpoint(Path("bad.safetensors"))
