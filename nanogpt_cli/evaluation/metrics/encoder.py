"""Models of other programs in a Hugging Face folder, loaded offline; nothing in it is executed."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nanogpt_cli.errors import DataError, UsageError
from nanogpt_cli.evaluation.metrics.base import missing_package


def check_folder(metric: str, flag: str, folder: Path | None) -> None:
    """Raise UsageError where a metric's model folder or its package is missing."""
    if folder is None:
        raise UsageError(
            f"{metric} needs a model: a Hugging Face folder on this machine",
            f"name it: {flag} FOLDER",
        )
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"{folder} is not a Hugging Face folder: it has no config.json",
            f"name another folder: {flag} FOLDER",
        )
    if find_spec("transformers") is None:
        raise missing_package(metric, "transformers")


def load_pretrained(folder: Path, kind: str, whole: bool = False) -> tuple[Any, Any]:
    """Return tokenizer and model of a folder, ``kind`` being a class of transformers.

    Weights are read from safetensors alone, which hold no code. Raises DataError where the folder
    cannot be used, and where it must be ``whole``, if a parameter is missing: it would be random.
    """
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    offline = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **offline)
        prefix = {"add_prefix_space": True} if config.model_type in ("roberta", "gpt2") else {}
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **offline, **prefix)
        model, loading = getattr(transformers, kind).from_pretrained(
            folder, **offline, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, TypeError) as error:
        why = " ".join(str(error).split())[:300]
        raise DataError(
            f"cannot use the model in {folder}: {why}",
            "it needs config.json, a tokenizer and model.safetensors",
        ) from error
    missing = sorted(loading["missing_keys"])
    if whole and missing:
        raise DataError(
            f"the model in {folder} is not a classifier: it has no {missing[0]}",
            "name the folder of a model that was trained to classify sentiment",
        )
    return tokenizer, model.eval()
