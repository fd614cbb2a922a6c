"""Exceptions. All are ``ParableError``; the narrower ones say what to mend."""

from __future__ import annotations


class ParableError(Exception):
    """Whatever the package raises by itself."""


class UsageError(ParableError, ValueError):
    """Arguments that do not go together or are out of range."""


class FilterError(ParableError, ValueError):
    """Filter definitions that cannot be read: file, line and column are in the message."""


class ModelError(ParableError, ValueError):
    """A model file that cannot be used by this version."""


class PolicyError(ParableError, ValueError):
    """A policy that is not valid, or that could not be evaluated on a document."""


class TokenError(ParableError, ValueError):
    """A tokenizer file that cannot be read, or a text that the tokenizer refuses."""


class TableError(ParableError, ValueError):
    """A table without the columns that are wanted, or with another type in them."""


class DocumentError(ParableError, ValueError):
    """A document that cannot be read: a null, bad UTF-8, a chat that is none.

    ``row`` counts from 0 and is None where there is no table; ``column`` may be None.
    """

    def __init__(self, message: str, row: int | None = None, column: str | None = None):
        super().__init__(message)
        self.row = row
        self.column = column

    def __reduce__(self):
        return type(self), (self.args[0], self.row, self.column)


class RunError(ParableError):
    """A verb that could not do its work: inputs, outputs, disk."""


class Interrupted(RunError):
    """A signal stopped a run; the same call with ``resume=True`` goes on with it."""
