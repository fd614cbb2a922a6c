"""Scoring, deciding and masking, document by document and table by table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from parable import _native
from parable.errors import DocumentError, TableError

PathLike = str | os.PathLike[str]
Gate = Literal["named", "fast", "wide", "off"]
Errors = Literal["raise", "report"]


class Passed(NamedTuple):
    """A table after a policy."""

    documents: pa.Table
    """The rows that are kept, in order, edited where the policy says so, with a column ``parable``
    more: what was done to the row as JSON, null where nothing was."""
    attributes: pa.Table
    """One row for each row that came in, as ``score_batch`` gives them."""
    counts: dict[str, int]
    """The books: ``records_in = kept + tagged + ... + dropped + quarantined``."""


class FilterSet:
    """Filters and model, loaded once: immutable, safe between threads, and small to pickle, since a
    copy in another process loads again by itself.

    Verdicts are those of ``parable scan`` with the same ``gate``: a document that the gate clears
    has the verdict of all zeros and ``cleared`` is true.
    """

    def __init__(self, native: _native.FilterSet):
        self._native = native

    @classmethod
    def load(
        cls,
        path: PathLike | None = None,
        *,
        model: PathLike | None = None,
        gate: Gate = "fast",
        threads: int = 0,
        text_field: str = "text",
        id_field: str = "id",
        source_field: str = "source",
    ) -> FilterSet:
        """Loads filters.

        Args:
            path: a filter folder; None takes the built-in filters.
            model: a file that ``parable fit`` wrote; None takes the built-in model.
            gate: what is scored at all: ``fast``, ``wide`` (for audits), ``named`` (only what names an
                artificial mind) or ``off`` (everything).
            threads: threads of ``score_batch`` and ``apply_batch``; 0 takes one for each core. Set
                it to 1 within workers that an engine has already made one for each core.
            text_field, id_field, source_field: columns or dotted paths in nested columns.

        Raises:
            FilterError, ModelError: where a definition or the model cannot be used.
            ValueError: where ``gate`` is none of the three.
        """
        given = [None if name is None else os.fspath(name) for name in (path, model)]
        return cls(_native.FilterSet(*given, gate, threads, text_field, id_field, source_field))

    @property
    def version(self) -> str:
        """16 hexadecimal digits that change with any filter file."""
        return self._native.version

    @property
    def model_version(self) -> str:
        """16 hexadecimal digits that change with the model."""
        return self._native.model_version

    @property
    def gate(self) -> str:
        return self._native.gate

    @property
    def rule_ids(self) -> list[str]:
        return self._native.rule_ids

    def score(
        self,
        document: str | Sequence[Mapping[str, Any]] | Mapping[str, Any],
        *,
        id: str = "document",
        source: str | None = None,
    ) -> _native.Verdict:
        """Scores one document.

        Args:
            document: a text; or the messages of a chat; or a record as in a shard, with ``text``,
                ``messages`` or ``conversations``.
            id: its id, where the record has none of its own.
            source: its source, for a text.

        Raises:
            DocumentError: where there is no text in it.
        """
        if isinstance(document, str):
            return self._native.score_text(_whole(document), id, source)
        record = document if isinstance(document, Mapping) else {"messages": list(document)}
        return self._native.score_record(json.dumps(record, default=_plain), id)

    def score_batch(self, data: Any, *, errors: Errors = "raise", name: str = "table") -> pa.Table:
        """Scores a table, without copying it where it is Arrow already, on all ``threads`` and
        without the interpreter lock.

        Args:
            data: n rows as anything with ``__arrow_c_stream__`` or ``__arrow_c_array__`` (pyarrow,
                Polars, pandas 2.2 and later, DuckDB), a pandas frame, or a mapping of columns. It
                needs the text column, or ``messages`` or ``conversations`` where that is null.
            errors: ``raise`` stops at a row without a usable document; ``report`` gives it an empty
                row, and the table one more column ``error`` with the reason, null elsewhere.
            name: rows without an id are called ``name:1``, ``name:2``, ...

        Returns:
            n rows in the same order, with the columns that ``parable scan`` writes for Parquet:
            ``id`` and ``source`` (string), one float32 for each score, such as
            ``parable__score__coercion``, and ``attributes``, the whole attribute map as JSON with
            the evidence in it.

        Raises:
            TableError: where a column is missing or holds no text.
            DocumentError: with ``row`` and ``column``.
        """
        table = as_table(data)
        attributes, rejected = self._native.score_table(table, name)
        return _joined(self._with_errors(attributes, rejected, errors))

    def apply_batch(
        self,
        data: Any,
        policy: Policy,
        *,
        seed: int = 0,
        errors: Errors = "raise",
        name: str = "table",
    ) -> Passed:
        """Scores a table and applies a policy to it, as ``parable run`` does to Parquet.

        Rows without a usable document are in no documents; ``errors`` is as in ``score_batch``.

        Raises:
            PolicyError: where the policy replaces documents, which takes ``parable.run``, or one of
                its expressions fails.
            TableError, DocumentError: as ``score_batch``.
        """
        table = as_table(data)
        documents, attributes, counts, rejected = self._native.apply_table(
            table, policy._native, seed, name
        )
        attributes = _joined(self._with_errors(attributes, rejected, errors))
        return Passed(_joined(documents), attributes, json.loads(counts))

    def _with_errors(
        self, attributes: pa.Table, rejected: list[tuple[int, str]], errors: Errors
    ) -> pa.Table:
        if errors == "report":
            reasons: list[str | None] = [None] * attributes.num_rows
            for row, why in rejected:
                reasons[row] = why
            return attributes.append_column("error", pa.array(reasons, pa.string()))
        if errors != "raise":
            raise ValueError(f'errors={errors!r}: "raise" or "report"')
        if rejected:
            row, why = rejected[0]
            field = self._native.text_field
            more = f" (and {len(rejected) - 1} more)" if len(rejected) > 1 else ""
            raise DocumentError(f"row {row}, column `{field}`: {why}{more}", row, field)
        return attributes

    def __reduce__(self):
        return FilterSet, (self._native,)

    def __repr__(self) -> str:
        return repr(self._native)


class Policy:
    """Ordered rules over a verdict: the first that applies decides."""

    def __init__(self, native: _native.Policy):
        self._native = native

    @classmethod
    def load(cls, name: PathLike) -> Policy:
        """A ready policy by its name (``Policy.ready()``), or a TOML file.

        Raises:
            PolicyError: with line and column, where it is not a valid policy.
            FileNotFoundError: where there is neither.
        """
        text = _native.Policy.ready_text(os.fspath(name))
        if text is None:
            with open(name, encoding="utf-8") as file:
                text = file.read()
        return cls(_native.Policy.parse(text, os.fspath(name)))

    @classmethod
    def parse(cls, text: str, name: str = "policy") -> Policy:
        """A policy from TOML; ``name`` stands in errors."""
        return cls(_native.Policy.parse(text, name))

    @staticmethod
    def check(text: str, name: str = "policy") -> None:
        """Raises ``PolicyError`` where the text is not a valid policy."""
        _native.Policy.parse(text, name)

    @staticmethod
    def ready() -> list[str]:
        """Names of the policies that ship with the package."""
        return _native.Policy.ready()

    @property
    def name(self) -> str:
        return self._native.name

    @property
    def summary(self) -> str:
        return self._native.summary

    @property
    def hash(self) -> str:
        """16 hexadecimal digits over the text."""
        return self._native.hash

    @property
    def text(self) -> str:
        return self._native.text

    @property
    def rule_ids(self) -> list[str]:
        return self._native.rule_ids

    def decide(
        self,
        verdict: _native.Verdict,
        *,
        id: str | None = None,
        source: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> _native.Decision:
        """What is done with a document. ``id`` and ``source`` are the verdict's own by default;
        draws depend on ``(seed, id)`` alone.

        Raises:
            PolicyError: where an expression cannot be evaluated.
        """
        given = None if metadata is None else json.dumps(metadata, default=_plain)
        return self._native.decide(verdict, id=id, source=source, metadata=given, seed=seed)

    def __reduce__(self):
        return Policy, (self._native,)

    def __repr__(self) -> str:
        return repr(self._native)


class Tokenizer:
    """A Hugging Face tokenizer, for exact counts and loss masks."""

    def __init__(self, data: bytes, name: str = "tokenizer.json"):
        self._data, self._name = data, name
        self._native = _native.Tokenizer.from_bytes(data, name)

    @classmethod
    def load(cls, path: PathLike) -> Tokenizer:
        """From a ``tokenizer.json``.

        Raises:
            TokenError: where it is none.
        """
        with open(path, "rb") as file:
            return cls(file.read(), os.fspath(path))

    def count(self, text: str) -> int:
        """Tokens in a text, without special tokens."""
        return self._native.count(text)

    def mask(self, text: str, spans: Sequence[tuple[int, int]]) -> _native.TokenMask:
        """Masks each token that shares a character with a span.

        Args:
            spans: ``(start, end)`` in characters of ``text``, end exclusive, in any order, such as
                ``[(e.start, e.end) for e in verdict.evidence]``.

        Raises:
            ValueError: where a span does not lie in the text.
            TokenError: where the tokenizer refuses the text.
        """
        return self._native.mask(text, [(int(start), int(end)) for start, end in spans])

    def __reduce__(self):
        return Tokenizer, (self._data, self._name)


def as_table(data: Any) -> pa.Table:
    """Any table as Arrow, without copying where it is Arrow already.

    Raises:
        TableError: where it is none.
    """
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    try:
        if isinstance(data, pa.RecordBatchReader):
            return data.read_all()
        if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
            return pa.table(data)
        if isinstance(data, Mapping):
            return pa.table(dict(data))
        if hasattr(data, "iloc"):
            return pa.Table.from_pandas(data, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise TableError(f"this table cannot be read as Arrow: {error}") from error
    raise TableError(
        f"{type(data).__name__} is no table: pyarrow, Polars, pandas or a mapping of columns"
    )


def _joined(table: pa.Table) -> pa.Table:
    # One chunk is handier, but a string column of one chunk holds 2 GiB at most.
    return table.combine_chunks() if table.nbytes < 1 << 30 else table


def _plain(value: Any) -> Any:
    """What engines hand over, NumPy arrays and dates, as JSON can hold it."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot stand in a record")


def _whole(text: str) -> str:
    """Lone surrogates, which Python holds and UTF-8 does not, as the command line reads them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text
