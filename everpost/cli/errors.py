"""How a command fails: one sentence on the error stream and exit code 1."""

from typing import Any

import typer
from typer.core import TyperGroup

from everpost.cli.terminal import printable
from everpost.embedded.supervisor import StartError
from everpost.settings import SettingsError


class CommandError(Exception):
    """The command cannot do what was asked; the text says why and what to do."""


class Commands(TyperGroup):
    """A group of commands whose expected errors become a sentence instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:  # Any: typer does not publish its context's base class
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except (CommandError, SettingsError, StartError) as error:
            typer.echo(printable(str(error)), err=True)
            raise typer.Exit(1) from None
