"""The errors a user can meet: each carries one clear sentence and the exit code of the command line."""

import os


def shown(name: "str | os.PathLike[str]") -> str:
    """A file name on one line: control characters and bytes that are not text appear as escapes."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class InpaintError(Exception):
    """Something failed for a reason that the user can act on.

    The text names the file or option and says what is wrong with it, in one sentence.
    """

    exit_code = 1


class PhotoError(InpaintError):
    """A photo cannot be read, is damaged, or has a form that is not supported."""


class MaskError(InpaintError):
    """A mask cannot be read or does not fit its photo."""


class OutputError(InpaintError):
    """A result cannot be written: it exists already, or its folder refuses it."""


class WeightsError(InpaintError):
    """A weights file is missing, damaged, or belongs to another architecture."""


class EmptyMask(MaskError):
    """The mask marks nothing, so there is nothing to do (exit code 3)."""

    exit_code = 3


class NothingToDo(InpaintError):
    """There is nothing to work on, such as a folder without photos (exit code 3)."""

    exit_code = 3


class OptionError(InpaintError, ValueError):
    """An option has a value outside its range (exit code 2)."""

    exit_code = 2


class Cancelled(InpaintError):
    """A progress listener asked to stop; nothing was changed."""


class RecipeError(InpaintError):
    """A recipe cannot be read, or its photo or weights are not those it was made with."""
