"""What the doctor says of a text or a dataset, as it is printed."""

from typing import TYPE_CHECKING

from nanogpt_cli.cli import ui
from nanogpt_cli.cli.options import print_json
from nanogpt_cli.data.prepare import PrepareOptions
from nanogpt_cli.errors import UsageError
from nanogpt_cli.runs import find_dataset
from nanogpt_cli.text import counted, printable

if TYPE_CHECKING:
    from nanogpt_cli.data.doctor.findings import Findings

_SHOWN = 5


def show_warnings(findings: "Findings") -> None:
    """Print the warnings, a line each."""
    warnings = findings.warnings()
    for text in warnings[:_SHOWN]:
        ui.say(f"warning: {printable(text)}", "yellow")
    if (more := len(warnings) - _SHOWN) > 0:
        ui.say(f"warning: {counted(more, 'more warning')}; --json has all of them", "yellow")


def check_dataset(name: str, options: PrepareOptions, as_json: bool) -> None:
    """Report on a prepared dataset.

    Raises DataError where it cannot be used or, with ``--strict``, has warnings.
    """
    if options.inputs:
        raise UsageError("--check is for one prepared dataset", "leave out the files")
    with ui.working("reading the dataset"):
        from nanogpt_cli.data.doctor.existing import check
        from nanogpt_cli.data.doctor.findings import refuse_warnings
        from nanogpt_cli.data.store import open_dataset

        dataset = open_dataset(find_dataset(name))
        findings = check(dataset)
    if options.strict:
        refuse_warnings(findings, str(dataset.folder))
    for text in dataset.notes:
        ui.note(text)
    show_warnings(findings)
    for label, text in (("dataset", printable(dataset.folder)), *findings.lines()):
        ui.say(f"{label:>10}  {text}")
    if as_json:
        print_json({"dataset": str(dataset.folder), "report": findings.to_dict()})
