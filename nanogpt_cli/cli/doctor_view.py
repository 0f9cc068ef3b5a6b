"""What the doctor says of a text or a dataset, as it is printed."""

from typing import TYPE_CHECKING

from nanogpt_cli.cli import ui
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
