"""The Python API, for notebooks and scripts: the commands' own functions, with plain results.

    import nanogpt_cli as nanogpt

    nanogpt.prepare("book.txt")
    nanogpt.train(time="10m", on_step=lambda step: print(step.loss))
    print(nanogpt.load().complete("Once upon a time"))

Settings have the names and defaults of the command line, errors are those of ``errors``, and
nothing is printed. torch loads inside the functions that need it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from nanogpt_cli.config import ModelConfig, SampleConfig

if TYPE_CHECKING:
    from torch import nn

    from nanogpt_cli.checkpoint.export import ExportResult
    from nanogpt_cli.checkpoint.load import LoadedModel
    from nanogpt_cli.data.prepare import PrepareResult
    from nanogpt_cli.dialogue import Turn
    from nanogpt_cli.evaluation.loss import Loss
    from nanogpt_cli.evaluation.run import Evaluation
    from nanogpt_cli.tokenizer.load import Tokenizer
    from nanogpt_cli.training.reporter import EvalReport, StepReport
    from nanogpt_cli.training.run import Outcome


class Model:
    """A model ready for use, with the tokenizer and the tags it was trained with."""

    def __init__(self, loaded: "LoadedModel") -> None:
        self._loaded = loaded

    @property
    def path(self) -> Path:
        """The checkpoint that it was loaded from."""
        return self._loaded.path

    @property
    def config(self) -> ModelConfig:
        """The model's shape."""
        return self._loaded.config

    @property
    def tokenizer(self) -> "Tokenizer":
        """Turns text into token ids and back."""
        return self._loaded.tokenizer

    @property
    def module(self) -> "nn.Module":
        """The torch module, in evaluation mode: ids (B, T) to logits (B, T, V)."""
        return self._loaded.model

    @property
    def is_dialogue(self) -> bool:
        """Whether the model answers (``reply``), rather than only continuing text."""
        return self._loaded.chat_format is not None

    @overload
    def reply(
        self,
        text: str,
        *,
        history: "Sequence[Turn]" = (),
        stream: Literal[False] = False,
        **sampling: Any,
    ) -> str: ...

    @overload
    def reply(
        self,
        text: str,
        *,
        history: "Sequence[Turn]" = (),
        stream: Literal[True],
        **sampling: Any,
    ) -> Iterator[str]: ...

    def reply(
        self, text: str, *, history: "Sequence[Turn]" = (), stream: bool = False, **sampling: Any
    ) -> str | Iterator[str]:
        """Return the model's answer to ``text``, or its pieces as they come.

        ``history`` holds the turns before; ``sampling`` the fields of SampleConfig, such as
        ``temperature`` and ``seed``. Raises UsageError where the model was trained on plain text.
        """
        from nanogpt_cli.errors import UsageError

        if not self.is_dialogue:
            raise UsageError(f"{self.path} was trained on text, not on dialogues", "use complete()")
        return self._generate(self._loaded, text, history, stream, sampling)

    @overload
    def complete(self, text: str, *, stream: Literal[False] = False, **sampling: Any) -> str: ...

    @overload
    def complete(self, text: str, *, stream: Literal[True], **sampling: Any) -> Iterator[str]: ...

    def complete(self, text: str, *, stream: bool = False, **sampling: Any) -> str | Iterator[str]:
        """Return how the model continues ``text``, or its pieces as they come."""
        as_text = replace(self._loaded, chat_format=None)
        return self._generate(as_text, text, (), stream, sampling)

    def loss(self, text: str) -> "Loss":
        """Measure ``text``: nats, tokens, and from them ``per_token`` and ``bits_per_byte``.

        The text is cut into adjacent windows as long as the model's context. Raises DataError for
        one of fewer than two tokens.
        """
        import numpy as np

        from nanogpt_cli.evaluation.scorer import ModelScorer

        ids = np.array(self.tokenizer.encode(text), dtype=np.uint32)
        return ModelScorer(self._loaded).nats(ids)

    def _generate(
        self,
        loaded: "LoadedModel",
        text: str,
        history: "Sequence[Turn]",
        stream: bool,
        sampling: dict[str, Any],
    ) -> str | Iterator[str]:
        from nanogpt_cli.inference.session import Session

        session = Session(loaded, SampleConfig(**sampling), list(history))
        pieces = session.reply(text)
        return pieces if stream else "".join(pieces)


def load(name: str | Path | None = None, *, device: str = "auto") -> Model:
    """Load a model by a run's name, folder or file; without a name, that of the newest run.

    Raises CheckpointError where there is none or it cannot be used.
    """
    from nanogpt_cli.checkpoint.load import load as load_model
    from nanogpt_cli.runs import find_checkpoint

    path = find_checkpoint(None if name is None else str(name))
    return Model(load_model(path, device))


def prepare(*inputs: str | Path, out: str | Path | None = None, **settings: Any) -> "PrepareResult":
    """Turn text or dialogues into a dataset, as ``nanogpt prepare`` does.

    ``inputs`` are files, folders or globs; without any it is the demo corpus. ``settings`` are the
    fields of PrepareConfig, such as ``tokenizer``. Raises UsageError, DataError and MachineError.
    """
    from nanogpt_cli.data.prepare import PrepareOptions
    from nanogpt_cli.data.prepare import prepare as run

    folder = None if out is None else Path(out)
    return run(PrepareOptions(inputs=tuple(map(str, inputs)), out=folder, **settings))


def train(
    data: str | Path | None = None,
    *,
    out_dir: str | Path | None = None,
    init_from: str | Path = "scratch",
    preset: str = "auto",
    force: bool = False,
    show: bool = False,
    on_step: "Callable[[StepReport], None] | None" = None,
    on_evaluation: "Callable[[EvalReport], None] | None" = None,
    on_note: Callable[[str], None] | None = None,
    **settings: Any,
) -> "Outcome":
    """Train a model, as ``nanogpt train`` does; an interrupt saves and returns.

    ``data`` is a dataset's folder or name, by default the newest. ``settings`` are the fields of
    ModelConfig and TrainConfig, such as ``pos_embd`` and ``time``. ``on_step`` is called after each
    optimizer step, ``on_evaluation`` after each evaluation, ``on_note`` with what the user should
    know. ``show`` draws progress and curves in a Jupyter notebook. Raises the errors of ``errors``.
    """
    from nanogpt_cli.config import TrainConfig, config_fields
    from nanogpt_cli.notebook import NotebookView
    from nanogpt_cli.training.loop import train as run_training
    from nanogpt_cli.training.plan import Request, make_run
    from nanogpt_cli.training.reporter import Reporter

    if unknown := settings.keys() - config_fields(ModelConfig, TrainConfig).keys():
        raise TypeError(f"train() has no setting {', '.join(sorted(unknown))}")

    view = NotebookView() if show else None

    class Listener(Reporter):
        def step(self, report: "StepReport") -> None:
            if view:
                view.step(report)
            if on_step:
                on_step(report)

        def evaluation(self, report: "EvalReport") -> None:
            if view:
                view.evaluation(report)
            if on_evaluation:
                on_evaluation(report)

        def note(self, text: str) -> None:
            if on_note:
                on_note(text)

    request = Request(
        settings=settings,
        data=None if data is None else str(data),
        out_dir=None if out_dir is None else Path(out_dir),
        init_from=str(init_from),
        preset=preset,
        force=force,
    )
    run = make_run(request)
    listener = Listener()
    for note in run.notes:
        listener.note(note)
    return run_training(run, listener)


def evaluate(
    *models: "str | Path | Model",
    data: str | Path | None = None,
    device: str = "auto",
    metrics: Sequence[str] | None = None,
    prompts: int = 200,
    **sampling: Any,
) -> "list[Evaluation]":
    """Measure models, as ``nanogpt eval`` does; without any, that of the newest run.

    ``data`` is a dataset's folder or name, or a text file; by default what each model was trained
    on. ``metrics`` are names, by default of all that need nothing more. Those of dialogues are
    computed from replies to ``prompts`` held-out prompts; ``sampling`` are the fields of
    SampleConfig. Raises CheckpointError, DataError and UsageError.
    """
    from nanogpt_cli.evaluation.run import evaluations
    from nanogpt_cli.evaluation.samples import Request
    from nanogpt_cli.runs import find_checkpoint

    named = [m._loaded if isinstance(m, Model) else m for m in models] or [find_checkpoint()]
    names = None if metrics is None else tuple(metrics)
    request = Request(names, prompts, SampleConfig(**sampling))
    return list(evaluations(named, data, device, request=request))


def export(
    model: "str | Path | Model | None" = None,
    *,
    to: str,
    out: str | Path | None = None,
    custom_code: bool = True,
    dtype: str = "f16",
    force: bool = False,
) -> "ExportResult":
    """Write a model for another program, as ``nanogpt export`` does; by default the newest run's.

    ``to`` is html, hf, gguf, safetensors or nanogpt; ``out`` a file or folder, by default the
    model's name in the working folder. ``custom_code`` allows hf to bring a module of its own;
    ``dtype`` is how gguf stores matrices: f32, f16 or q8_0. Raises UsageError where the format has
    no place for such a model, or something is in the way that ``force`` does not replace.
    """
    from nanogpt_cli.checkpoint.export import export as write
    from nanogpt_cli.runs import find_checkpoint

    named = None if model is None else str(model)
    source = model.path if isinstance(model, Model) else find_checkpoint(named)
    target = None if out is None else Path(out)
    return write(source, to, target, custom_code=custom_code, dtype=dtype, force=force)
