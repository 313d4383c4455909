"""The entry point: commands, exit statuses, and the promise that an error is one message and never a traceback."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from ..errors import Code, Exit, MedDLError

EXIT_STATUSES = """\b
Exit status:
  0  done (warnings are possible)      4  the model was refused
  1  an error of MedDL itself          5  not enough memory, device missing
  2  wrong usage                       6  the result could not be written
  3  the scan was refused              8  some cases done, some failed
  130  cancelled"""


COMMANDS = {
    "segment": "Segment a scan with a model.",
    "batch": "Segment the scans of a DICOM database or a folder.",
    "rank": "Say which scans to correct next: those of which a model is least sure.",
    "plan": "Say what a run will need: patches, memory, time.",
    "check": "Look through training data before a training: why would Dice be 0?",
    "collect": "Add a corrected case to a training set.",
    "train": "Train a network on annotated scans.",
    "evaluate": "Judge a model by what people have drawn, and write a report.",
    "publish": "Make a bundle for others of a model that was trained.",
    "models": "The models on this machine, and those that can be had.",
    "demo": "Segment a phantom body whose truth is known.",
    "codes": "Explain the codes of warnings and refusals.",
}
"""The commands, each in a module of its name, and their help in one line."""


GIVEN = f"{__name__}.given"
"""Where a command finds, in its context's ``meta``, all arguments of the program."""


class _OutputLostError(Exception):
    """What was said could not be written: nobody reads it any more, or the disk is full."""


@contextmanager
def _losing_output() -> Iterator[None]:
    """Tells the loss of what is said from other errors, before click makes an internal error of it."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EPIPE, errno.ENOSPC, errno.EBADF) and error.filename is None:
            raise _OutputLostError(error.strerror) from error
        raise


class _Commands(click.Group):
    """Loads a command's module only when the command is used, so that help comes at once."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parses; ``--help`` writes here."""
        given = tuple(args)  # parsing uses them up
        with _losing_output():
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[GIVEN] = given
        return context

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command."""
        with _losing_output():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f".{cmd_name}", __package__)
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, epilog=EXIT_STATUSES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="meddl")
def cli() -> None:
    """Segment CT and MR scans with deep networks.

    For research. Not for clinical use. Everything stays on this machine; only `meddl models get` connects to another,
    and `meddl batch` where a server is its source.
    """


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits with a documented status."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP, and nohup ignores it
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    status = run(arguments)
    exec("")  # noqa: S102  where an interrupt left code that exec() ran, CPython takes it for uncaught until the next one
    sys.exit(status)


def run(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    from ..waiting import wait_briefly

    wait_briefly()
    try:
        result = cli.main(arguments, prog_name="meddl", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return int(Exit.USAGE)
    except (KeyboardInterrupt, click.exceptions.Abort):
        return _say(MedDLError(Code.CANCELLED, "Cancelled. No unfinished file was left; finished ones stay."))
    except MedDLError as error:
        return _say(error)
    except _OutputLostError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left there cannot be written either
        if isinstance(error.__cause__, BrokenPipeError):
            return int(Exit.OUTPUT)  # who read it has seen enough
        return _say(MedDLError(Code.OUTPUT_UNWRITABLE, f"Standard output cannot be written: {error}.", "Redirect it."))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            return _say_internal(error)
        return _say(MedDLError(Code.FILE_NOT_FOUND, "A path is longer than this system allows.", "Check every path."))
    except Exception as error:  # noqa: BLE001  the last resort: say it, keep the details for who wants them
        return _say_internal(error)
    return int(result) if isinstance(result, int) else int(Exit.OK)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _say(error: MedDLError) -> int:
    click.echo(f"{error.code.value}: {error.message}\n{error.hint}", err=True)
    return int(error.exit)


def _say_internal(error: Exception) -> int:
    if os.environ.get("MEDDL_DEBUG"):
        raise error
    click.echo(
        f"MedDL met an error of its own: {type(error).__name__}: {error}\n"
        "Please report it. MEDDL_DEBUG=1 in the environment shows where it happened.",
        err=True,
    )
    return int(Exit.INTERNAL)
