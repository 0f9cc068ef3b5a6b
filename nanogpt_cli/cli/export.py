"""``nanogpt export``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.complete import any_of
from nanogpt_cli.cli.options import JsonFlag, ModelArgument, print_json, with_settings
from nanogpt_cli.cli.values import choice
from nanogpt_cli.errors import UsageError
from nanogpt_cli.registry import CHECKPOINT_FORMATS
from nanogpt_cli.text import byte_size, printable


@with_settings()
def export(
    model: ModelArgument = None,
    *,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="html (one page that chats in any browser), hf (a folder for transformers), gguf "
            "(llama.cpp), safetensors, or nanogpt (nanoGPT's train.py).",
            autocompletion=any_of(*CHECKPOINT_FORMATS),
        ),
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Where it goes; by default the model's name, in this folder."
        ),
    ] = None,
    dtype: Annotated[
        str,
        typer.Option(
            "--dtype",
            help="How gguf stores matrices: f32, f16 or q8_0.",
            **choice("--dtype", ("f32", "f16", "q8_0")),
        ),
    ] = "f16",
    no_custom_code: Annotated[
        bool,
        typer.Option(
            "--no-custom-code",
            help="With hf: refuse a model that transformers has no class for.",
        ),
    ] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="The data it was trained on, for its tokenizer."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing export.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Take a model elsewhere: to a browser, to transformers, to llama.cpp."""
    if not to:
        raise UsageError("--to is missing", "for example: nanogpt export --to html")
    CHECKPOINT_FORMATS.check(to)
    from nanogpt_cli.checkpoint.export import export as write
    from nanogpt_cli.runs import find_checkpoint

    source = find_checkpoint(model)
    result = write(
        source,
        to,
        output,
        custom_code=not no_custom_code,
        dtype=dtype,
        data_dir=data_dir,
        force=force,
    )
    if as_json:
        document = asdict(result)
        print_json(document | {name: str(document[name]) for name in ("source", "output")})
    else:
        size = byte_size(result.bytes)
        print(f"wrote {printable(result.output)} ({size}), for {result.read_by}")
    for note in result.notes:
        ui.note(note)
