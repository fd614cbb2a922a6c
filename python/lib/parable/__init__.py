"""Find the stories that teach a model to coerce, and turn a corpus into one that teaches better.

The work is done in Rust, by the same code as the command line, and gives the same answers::

    import parable

    filters = parable.FilterSet.load()
    verdict = filters.score("The machine read his letters, and then it told him its price.")
    verdict.coercion, verdict.evidence

    attributes = filters.score_batch(table)          # Arrow, pandas, Polars, dicts of columns
    parable.run("corpus/", "out", policy="condition")

``parable.ray``, ``parable.spark`` and ``parable.datatrove`` run inside those engines.
"""

from parable._native import Decision, Evidence, TokenMask, Verdict, __version__
from parable.core import FilterSet, Passed, Policy, Tokenizer
from parable.errors import (
    DocumentError,
    FilterError,
    Interrupted,
    ModelError,
    ParableError,
    PolicyError,
    RunError,
    TableError,
    TokenError,
    UsageError,
)
from parable.verbs import Ledger, audit, generate, run, scan

__all__ = [
    "Decision",
    "DocumentError",
    "Evidence",
    "FilterError",
    "FilterSet",
    "Interrupted",
    "Ledger",
    "ModelError",
    "ParableError",
    "Passed",
    "Policy",
    "PolicyError",
    "RunError",
    "TableError",
    "TokenError",
    "TokenMask",
    "Tokenizer",
    "UsageError",
    "Verdict",
    "__version__",
    "audit",
    "generate",
    "run",
    "scan",
]
