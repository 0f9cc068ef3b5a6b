"""Flags made from settings: choices are those that are registered when the command runs."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import typer

from nanogpt_cli.cli.options import Command, print_json, with_settings
from nanogpt_cli.errors import UsageError
from nanogpt_cli.registry import Registry
from nanogpt_cli.setting import setting

DRINKS = Registry("--drink", {"tea": "none:TEA", "coffee": "none:COFFEE"})


@dataclass(frozen=True)
class Order:
    drink: str = field(
        default="tea", metadata={"help": "What to drink: tea (green).", "choices": DRINKS}
    )
    size: Literal["small", "large"] = setting("small", "How much.")
    sugar: int | None = setting(None, "How many lumps.")


@pytest.fixture
def order():
    """Run a command that takes an order, and return what was typed of it."""
    orders: list[dict[str, Any]] = []

    @with_settings(order=Order)
    def command(*, given: dict[str, Any]) -> None:
        orders.append(given)

    app = typer.Typer(add_completion=False)
    app.command(cls=Command)(command)

    def run(*args: str) -> dict[str, Any]:
        app([*args, "-q"], standalone_mode=False)
        return orders.pop()

    return run


def test_only_what_was_typed_is_given(order):
    assert order() == {}
    assert order("--drink", "coffee", "--sugar=2") == {"drink": "coffee", "sugar": 2}
    assert order("--size", "large") == {"size": "large"}


def test_a_name_that_is_registered_later_is_a_choice_from_then_on(order, capsys):
    with pytest.raises(UsageError, match="unknown --drink milk"):
        order("--drink", "milk")
    DRINKS.register("milk", "none:MILK")
    try:
        assert order("--drink=milk") == {"drink": "milk"}
        with pytest.raises(IndexError):  # the help is shown instead
            order("--help")
        assert "What to drink: tea (green). Also: coffee, milk." in capsys.readouterr().out
    finally:
        DRINKS.unregister("milk")
    with pytest.raises(UsageError, match="unknown --drink milk"):
        order("--drink", "milk")


def test_json_has_nothing_that_a_terminal_obeys(capsys):  # row 86
    document = {"reply": "grün 日本 \x9b31m \u202egnp.\u2069 \x7f\u2028 \U000e0041\n"}
    print_json(document)
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert "grün 日本 \\u009b31m" in out
    assert json.loads(out) == document
