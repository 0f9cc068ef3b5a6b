"""What the project is made of: pinned dependencies, and a wheel that works anywhere."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import nanogpt_cli
from nanogpt_cli.cli.topics import TOPICS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DIRECT = [
    Requirement(text)
    for texts in (
        PROJECT["build-system"]["requires"],
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
    )
    for text in texts
    if not text.startswith("nanogpt-cli[")  # one extra made of others
]


def pins() -> dict[str, tuple[str, str]]:
    """Return the version of each line of constraints.txt, and the comment beside it."""
    found = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([\w.-]+)==(\S+)(?: +# (.+))?", line)
            assert match, line
            found[canonicalize_name(match[1])] = match[2], match[3] or ""
    return found


@pytest.mark.parametrize("requirement", DIRECT, ids=str)
def test_each_requirement_is_pinned_with_a_reason(requirement: Requirement) -> None:
    version, reason = pins()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version)
    assert len(reason.split()) > 1


def test_indirect_requirements_are_pinned() -> None:
    pinned, brought = pins(), set()
    waiting = {canonicalize_name(requirement.name) for requirement in DIRECT}
    while waiting:
        brought.add(name := waiting.pop())
        try:
            further = [Requirement(text) for text in requires(name) or ()]
        except PackageNotFoundError:  # another system's, or a tool that is not installed
            continue
        needed = (r for r in further if not r.marker or r.marker.evaluate({"extra": ""}))
        waiting |= {canonicalize_name(r.name) for r in needed} - brought
    assert len(brought) > 60
    assert brought - set(pinned) == set()


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, without this checkout on its path."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env=env | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def test_the_version_is_said_without_loading_torch() -> None:
    program = (
        "import sys; from nanogpt_cli import cli; code = cli.run(['--version']);"
        "sys.exit(bool({'torch', 'numpy'} & set(sys.modules) or code))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"nanogpt {nanogpt_cli.__version__}\n")


@pytest.mark.long
def test_the_wheel_works_outside_of_the_checkout(tmp_path: Path) -> None:
    tools, place, empty = (tmp_path / name for name in ("tools", "place", "empty"))
    empty.mkdir()
    for folder in (tools, place):
        run(sys.executable, "-m", "venv", folder, cwd=empty)
    pip = "-m", "pip", "--disable-pip-version-check"
    try:
        run(tools / "bin/python", *pip, "install", "-c", ROOT / "constraints.txt", "hatchling",
            cwd=empty)  # fmt: skip
    except AssertionError as error:
        pytest.skip(f"hatchling cannot be installed here: {str(error).splitlines()[-1]}")
    run(tools / "bin/hatchling", "build", "-t", "sdist", "-d", tmp_path, cwd=ROOT)
    [source] = tmp_path.glob("*.tar.gz")
    if (ROOT / ".git").exists():
        check_source(source)
    run(tools / "bin/python", *pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index",
        source, "-w", tmp_path, cwd=empty)  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")
    check_wheel(wheel)

    python, nanogpt = place / "bin/python", place / "bin/nanogpt"
    run(python, *pip, "install", "--no-deps", "--no-index", wheel, cwd=empty)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    libraries = Path(run(python, "-c", where, cwd=empty))
    (libraries / "present.pth").write_text(sysconfig.get_path("purelib"))
    package = run(python, "-c", "import nanogpt_cli; print(nanogpt_cli.__file__)", cwd=empty)
    assert Path(package).is_relative_to(place)

    assert "prepare" in run(nanogpt, "--help", cwd=empty)
    assert "tokenizer.json" in run(nanogpt, "help", "tokenizers", cwd=empty)
    assert run(nanogpt, "--version", cwd=empty) == f"nanogpt {nanogpt_cli.__version__}"
    assert json.loads(run(nanogpt, "prepare", "--json", cwd=empty))["out"] == "data/demo"
    run(nanogpt, "train", "--max-iters=3", "--n-layer=1", "--n-head=2", "--n-embd=16",
        "--block-size=16", "--batch-size=2", "--eval-iters=1", "--device=cpu",
        cwd=empty)  # fmt: skip
    answer = json.loads(run(nanogpt, "chat", "-p", "hello", "--json", cwd=empty))
    assert answer["tokens"] > 0


def check_source(archive: Path) -> None:
    """Check that the files in git are there, and no others."""
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    kept = set(run("git", "ls-files", cwd=ROOT).splitlines())
    assert names - {"PKG-INFO"} == {name for name in kept if not name.startswith(".ci/")}


def check_wheel(archive: Path) -> None:
    """Check that the package, its data and the licences are there, and nothing else."""
    with zipfile.ZipFile(archive) as wheel:
        names = set(wheel.namelist())
        [about] = [name for name in names if name.endswith("/METADATA")]
        metadata = wheel.read(about).decode()
        corpus = wheel.read("nanogpt_cli/assets/demo_corpus.txt")
    assert corpus == (ROOT / "data/demo_corpus.txt").read_bytes()
    info = Path(about).parent
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "nanogpt_cli").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "nanogpt_cli/py.typed" in package
    licences = {f"{info}/licenses/{name}" for name in PROJECT["project"]["license-files"]}
    others = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    corpus_file = {"nanogpt_cli/assets/demo_corpus.txt"}
    pages = {f"nanogpt_cli/assets/docs/{topic.page}" for topic in TOPICS.values()}
    assert names == package | licences | others | corpus_file | pages
    assert archive.stat().st_size < 5e6
    assert "Classifier: Typing :: Typed" in metadata
    assert "License-Expression: MIT" in metadata
    assert "Requires-Dist: torch" in metadata
