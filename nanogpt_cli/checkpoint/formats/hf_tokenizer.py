"""A tokenizer as Hugging Face's tokenizers reads it: tokenizer.json, and a chat template.

Every kind becomes byte pair encoding there: characters and bytes are such without merges. What is
different: tags in a text become special tokens, unless ``split_special_tokens`` is set.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from nanogpt_cli.dialogue import ChatFormat, conversation_start, stops, tags_are_special
from nanogpt_cli.errors import UsageError
from nanogpt_cli.tokenizer.base import END_OF_TEXT, Tokenizer
from nanogpt_cli.tokenizer.byte_alphabet import byte_alphabet
from nanogpt_cli.tokenizer.patterns import ONIGURUMA, PATTERNS


def byte_pieces(tokenizer: Tokenizer) -> list[bytes]:
    """Return the ordinary tokens' bytes in the order of their ids."""
    special = set(tokenizer.special_tokens.values())
    ids = (i for i in range(tokenizer.vocab_size) if i not in special)
    return [piece for i in ids if (piece := tokenizer.token_bytes(i))]


def byte_characters() -> dict[int, str]:
    """Return the character that stands for each byte in vocabularies of byte pairs."""
    return {byte[0]: shown for shown, byte in byte_alphabet().items()}


def merges(tokens: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the pairs that byte pair encoding joins, in its order.

    Every way to cut a token into two others is one: tiktoken joins whichever come together.
    """
    known = set(tokens)
    for token in tokens:
        for cut in range(1, len(token)):
            if token[:cut] in known and token[cut:] in known:
                yield token[:cut], token[cut:]


def tokenizer_json(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return the content of tokenizer.json. Raises UsageError for a kind from outside."""
    content = tokenizer.to_dict()
    kind, special = content["kind"], tokenizer.special_tokens
    pieces = byte_pieces(tokenizer)
    if kind == "char":
        vocabulary = {piece.decode(): i for i, piece in enumerate(pieces)}
        pairs: list[list[str]] = []
        before, decoder = None, {"type": "Fuse"}
    elif kind in ("gpt2", "bpe", "byte"):
        shown = byte_characters()

        def text(piece: bytes) -> str:
            return "".join(shown[byte] for byte in piece)

        vocabulary = {text(piece): i for i, piece in enumerate(pieces)}
        pairs = [[text(a), text(b)] for a, b in merges(pieces)]
        pattern = content.get("pattern", PATTERNS["gpt2"]) if kind != "byte" else None
        before, decoder = _by_bytes(pattern), _by_bytes(None)
    else:
        raise UsageError(
            f"Hugging Face has no tokenizer like {tokenizer.name}",
            "export with --to safetensors, or train with --tokenizer bpe:N",
        )
    added = [
        {"id": i, "content": tag, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for tag, i in sorted(special.items(), key=lambda item: item[1])
    ]  # fmt: skip
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": None, "pre_tokenizer": before, "post_processor": None, "decoder": decoder,
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
            "ignore_merges": kind != "char", "vocab": {**vocabulary, **special}, "merges": pairs,
        },
    }  # fmt: skip


def _by_bytes(pattern: str | None) -> dict[str, Any]:
    """Return what cuts a text by a pattern, and writes its bytes as characters."""
    by_bytes = {
        "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False
    }  # fmt: skip
    if pattern is None:
        return by_bytes
    cut = {
        "type": "Split", "pattern": {"Regex": ONIGURUMA[pattern]}, "behavior": "Isolated",
        "invert": False,
    }  # fmt: skip
    return {"type": "Sequence", "pretokenizers": [cut, by_bytes]}


def tokenizer_config(tokenizer: Tokenizer, chat: ChatFormat | None, block: int) -> dict[str, Any]:
    """Return the content of tokenizer_config.json."""
    end = end_tokens(tokenizer, chat)
    found: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": block,
        "clean_up_tokenization_spaces": False,
        "add_prefix_space": False,
    }
    if end:
        found |= {"eos_token": end[0][0], "pad_token": end[0][0]}
    if chat is not None:
        found["chat_template"] = chat_template(tokenizer, chat)
    return found


def end_tokens(tokenizer: Tokenizer, chat: ChatFormat | None) -> list[tuple[str, int]]:
    """Return the special tokens that end an answer, the most usual one first."""
    ids = stops(tokenizer, chat)[0]
    first = [chat.end, END_OF_TEXT] if chat else [END_OF_TEXT]
    found = [(tag, i) for tag, i in tokenizer.special_tokens.items() if i in ids]
    rank = {tag: n for n, tag in enumerate(first)}
    return sorted(found, key=lambda item: (rank.get(item[0], len(rank)), item[1]))


def chat_template(tokenizer: Tokenizer, chat: ChatFormat) -> str:
    """Return a Jinja template that writes a conversation as it was written for training."""
    special = tags_are_special(tokenizer, chat)
    pairs = special and chat.turns == "pair" and END_OF_TEXT in tokenizer.special_tokens
    texts = {
        "before": tokenizer.decode(conversation_start(tokenizer, chat)),
        "human": chat.human,
        "bot": chat.bot,
        "context": chat.context or chat.human,
        "end": chat.end,
        "answered": chat.end + (END_OF_TEXT if pairs else ""),
        "between": "" if special else "\n",
    }
    names = "".join(f"{{%- set {name} = {json.dumps(text)} -%}}" for name, text in texts.items())
    return names + _TEMPLATE


_TEMPLATE = (
    "{{- before -}}"
    "{%- for message in messages -%}"
    "{%- set text = message['content'] | trim -%}"
    "{%- if message['role'] in ['assistant', 'bot'] -%}{{- bot + text + answered -}}"
    "{%- elif message['role'] in ['system', 'context'] -%}{{- context + text + end -}}"
    "{%- else -%}{{- human + text + end -}}{%- endif -%}"
    "{%- if not loop.last or add_generation_prompt -%}{{- between -}}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- bot -}}{%- endif -%}"
)
