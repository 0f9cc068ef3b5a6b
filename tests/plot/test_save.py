"""The suffix of a file chooses how curves are drawn into it."""

from pathlib import Path

import pytest
from example_curves import HEALTHY

from nanogpt_cli.errors import MachineError, UsageError
from nanogpt_cli.plot.save import KINDS, is_drawing, save
from nanogpt_cli.plot.view import PLAIN


@pytest.mark.parametrize("suffix", [*KINDS, ".SVG"])
def test_each_kind_is_written_as_it_is_drawn(tmp_path: Path, suffix: str):
    path = tmp_path / "deep" / f"loss{suffix}"
    save([HEALTHY], path)
    assert is_drawing(path)
    assert path.read_bytes() == KINDS[suffix.lower()]([HEALTHY], PLAIN)


@pytest.mark.parametrize("name", ["loss.jpg", "loss"])
def test_an_unknown_suffix_is_a_usage_error_that_names_the_known(tmp_path: Path, name: str):
    with pytest.raises(UsageError) as caught:
        save([HEALTHY], tmp_path / name)
    assert name in caught.value.message
    assert ".png, .svg, .pdf, .html" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_a_machine_error(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(MachineError):
        save([HEALTHY], tmp_path / "file" / "loss.svg")
