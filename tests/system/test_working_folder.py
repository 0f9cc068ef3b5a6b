"""The folder in which the program is started: what lies in it, and where it is gone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_files import well_behaved

HERE = str(Path(__file__).parents[2])


def test_modules_in_the_working_folder_are_not_imported():
    for name in ("typer", "rich", "pathlib", "json"):
        Path(f"{name}.py").write_text("raise SystemExit(f'{__file__} was imported')")
    for environment in ({}, {"PYTHONPATH": HERE}):
        done = subprocess.run(
            [sys.executable, "-m", "nanogpt_cli", "plot-log"],
            env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 3, done.stderr
        assert "was imported" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="a working folder cannot be removed")
def test_a_working_folder_that_is_gone_is_named(nanogpt):
    Path("gone").mkdir()
    os.chdir("gone")
    Path("../gone").rmdir()
    for line in (["train"], ["chat"], ["eval"], ["prepare"], ["plot-log"], ["migrate-ckpt", "x"]):
        got = nanogpt(*line)
        assert well_behaved(got, (5,)) == 5
        assert "the folder in which nanogpt was started is gone" in got[2]
    assert nanogpt("train", "--help")[0] == nanogpt("--version")[0] == 0
