"""The format that a file has is found by what it is, and others can be added from outside."""

import json
import math
from pathlib import Path

import pytest
import torch
from old_checkpoints import CHARACTERS, char_folder, nanogpt_content, save

from nanogpt_cli.checkpoint.formats.base import CheckpointFormat, find_format
from nanogpt_cli.checkpoint.load import load
from nanogpt_cli.errors import CheckpointError
from nanogpt_cli.registry import CHECKPOINT_FORMATS


def read_json(path: Path):
    """Read a checkpoint whose tensors are lists of numbers."""
    content = json.loads(path.read_text())
    weights = {name: torch.tensor(numbers) for name, numbers in content["model"].items()}
    return {**content, "model": weights}


@pytest.fixture
def json_format():
    """Register a format from outside of the package."""
    CHECKPOINT_FORMATS.register(
        "json", CheckpointFormat("json", lambda path: path.suffix == ".json", read_json)
    )
    yield
    CHECKPOINT_FORMATS.unregister("json")


def write_json(content, path: Path = Path("model.json")) -> Path:
    weights = {name: tensor.tolist() for name, tensor in content["model"].items()}
    rest = {"model_args": content["model_args"], "config": content["config"], "iter_num": 5}
    path.write_text(json.dumps({"model": weights, **rest}))
    return path


@pytest.mark.usefixtures("json_format")
def test_a_format_from_outside_is_read_by_load_and_eval(nanogpt):
    char_folder(CHARACTERS)
    content = nanogpt_content()
    path, same = write_json(content), save(content)
    loaded = load(path, "cpu")
    assert loaded.tokenizer.name == "char"
    assert loaded.about["step"] == 5
    ids = torch.arange(32).view(2, 16)
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(ids), load(same, "cpu").model(ids))
    code, out, err = nanogpt("eval", path, same, "--json")
    assert code == 0, err
    first, second = json.loads(out)["models"]
    assert first["checkpoint"] == "model.json"
    assert math.isclose(first["val_loss"], second["val_loss"], rel_tol=1e-6)


def test_what_no_format_recognises_is_refused(nanogpt):
    char_folder(CHARACTERS)
    path = write_json(nanogpt_content())
    with pytest.raises(CheckpointError, match=r"model\.json is not a checkpoint") as caught:
        load(path)
    assert "torch, hf" in caught.value.hint
    assert nanogpt("eval", path)[0] == 4
    Path("empty").mkdir()
    with pytest.raises(CheckpointError, match="empty is not a checkpoint"):
        load(Path("empty"))
    with pytest.raises(CheckpointError, match="there is no such file"):
        load(Path("none.pt"))


@pytest.mark.parametrize("zipped", [True, False])
def test_torch_files_are_recognised_by_name_or_beginning(zipped):
    torch.save(nanogpt_content(), "model", _use_new_zipfile_serialization=zipped)
    assert find_format(Path("model")).name == "torch"
    Path("empty.PT").write_bytes(b"")
    assert find_format(Path("empty.PT")).name == "torch"


def test_a_hugging_face_folder_is_recognised_by_its_config():
    Path("folder").mkdir()
    Path("folder/config.json").write_text("{}")
    assert find_format(Path("folder")).name == "hf"
