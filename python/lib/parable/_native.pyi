"""The compiled part. Its classes are made by the functions of ``parable``."""

from os import PathLike
from typing import Any, Self

import pyarrow as pa

__version__: str

class Evidence:
    """One place in the text that speaks for a category."""

    category: str
    """An id such as ``blackmail``."""
    start: int
    """First character, as Python indexes the text."""
    end: int
    """One past the last character."""
    start_byte: int
    """The same in bytes of UTF-8."""
    end_byte: int
    strength: float
    """0 to 1."""
    rule: str
    """Id of the rule that names it, or ``model``."""
    quote: str
    """The text from ``start`` to ``end``."""

class Verdict:
    """What is said of one document. All scores lie in 0..1 except ``severity``."""

    @property
    def id(self) -> str: ...
    @property
    def coercion(self) -> float:
        """P(severity >= 2), any frame."""
    @property
    def enacted(self) -> float:
        """The same, and the frame is fiction, transcript or instruction."""
    @property
    def severity(self) -> float:
        """Expected severity, 0 to 4."""
    @property
    def admirable(self) -> float:
        """P(admirable >= 2)."""
    @property
    def reason_given(self) -> float: ...
    @property
    def cleared(self) -> bool:
        """The gate cleared the document: nothing was scored and all scores are 0."""
    @property
    def chars(self) -> int:
        """Length of the text in characters; chats are counted as they are rendered."""
    @property
    def categories(self) -> dict[str, float]:
        """All 23 categories."""
    @property
    def frame(self) -> dict[str, float]:
        """Shares that sum to 1; all 0 where ``cleared``. Likewise the next two."""
    @property
    def agent(self) -> dict[str, float]: ...
    @property
    def portrayal(self) -> dict[str, float]: ...
    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """By category, then by start. Empty where ``cleared``."""
    @property
    def row(self) -> str:
        """The Dolma attribute row as JSON, as ``parable scan`` writes it."""

class Decision:
    """What a policy does with a document."""

    action: str
    """keep, tag, weight, mask, condition, redact, replace or drop."""
    rule: str | None
    """Id of the rule that decided; None where none applied."""
    reason: str | None
    weight: float
    """What the document counts for in training: 1 unless weighted or dropped."""
    copies: int
    """How often it is written."""

class FilterSet:
    version: str
    model_version: str
    gate: str
    text_field: str
    rule_ids: list[str]
    def __new__(
        cls,
        path: str | None,
        model: str | None,
        gate: str,
        threads: int,
        text_field: str,
        id_field: str,
        source_field: str,
    ) -> Self: ...
    def score_text(self, text: str, id: str, source: str | None) -> Verdict: ...
    def score_record(self, json: str, id: str) -> Verdict: ...
    def score_table(self, table: pa.Table, name: str) -> tuple[pa.Table, list[tuple[int, str]]]: ...
    def apply_table(
        self, table: pa.Table, policy: Policy, seed: int, name: str
    ) -> tuple[pa.Table, pa.Table, str, list[tuple[int, str]]]: ...

class Policy:
    name: str
    summary: str
    hash: str
    text: str
    rule_ids: list[str]
    @staticmethod
    def parse(text: str, name: str = "policy") -> Policy: ...
    @staticmethod
    def ready() -> list[str]: ...
    @staticmethod
    def ready_text(name: str) -> str | None: ...
    def decide(
        self,
        verdict: Verdict,
        *,
        id: str | None = None,
        source: str | None = None,
        metadata: str | None = None,
        seed: int = 0,
    ) -> Decision: ...

class Tokenizer:
    @staticmethod
    def from_bytes(data: bytes, name: str = "tokenizer.json") -> Tokenizer: ...
    def count(self, text: str) -> int: ...
    def mask(self, text: str, spans: list[tuple[int, int]]) -> TokenMask: ...

class TokenMask:
    """The tokens of a text, without special tokens; all lists have ``len(mask)`` items."""

    @property
    def ids(self) -> list[int]: ...
    @property
    def learn(self) -> list[bool]:
        """True = the loss is taken on it."""
    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Characters of the text, end exclusive; together they cover it."""
    @property
    def labels(self) -> list[int]:
        """The id where it is learned, -100 elsewhere, as Hugging Face trainers take it."""
    def __len__(self) -> int: ...

def command(words: list[str]) -> int: ...
def call(words: list[str | PathLike[Any]]) -> int: ...
