"""The verbs of the command line as functions: same code, same files, exceptions in place of exit
statuses."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parable import _native
from parable.core import Gate, PathLike, Policy

_BAD = 1


@dataclass(frozen=True)
class Ledger:
    """The books of a run, as in ``ledger.json``."""

    out: Path
    totals: dict[str, int]
    """``records_in = kept + tagged + weighted + masked + conditioned + replaced + dropped +
    quarantined``, besides ``documents_out``, ``bytes_in`` and others."""
    shards: list[dict[str, Any]]
    complete: bool
    has_bad: bool
    """Records were quarantined or inputs damaged: exit status 1 on the command line."""
    raw: dict[str, Any]

    @classmethod
    def read(cls, out: PathLike, *, has_bad: bool | None = None) -> Ledger:
        """The books that a run or a scan left in ``out``."""
        raw = json.loads((Path(out) / "ledger.json").read_bytes())
        bad = has_bad
        if bad is None:
            bad = raw["totals"]["quarantined"] > 0 or any(s["damage"] for s in raw["shards"])
        return cls(Path(out), raw["totals"], raw["shards"], raw["complete"], bad, raw)


def run(
    inputs: PathLike | Iterable[PathLike],
    out: PathLike,
    *,
    policy: Policy | PathLike = "tag-only",
    refill: Iterable[PathLike] = (),
    report: bool = True,
    **options: Any,
) -> Ledger:
    """Scores, applies a policy, and writes documents, attributes, ledger and audit.

    Args:
        inputs: files, folders, globs, ``@list``.
        out: the output folder.
        policy: a ready policy's name, a TOML file, or a ``Policy``.
        refill: JSON lines from which a policy with ``replace`` takes documents.
        report: write ``audit.json`` and ``report.html`` too.
        options: as ``scan``.

    Raises:
        RunError: where it could not be done; Interrupted where a signal stopped it.
        PolicyError, FilterError, ModelError, UsageError: where what was given cannot be used.
    """
    with _policy_file(policy) as name:
        words = ["run", "--out", os.fspath(out), "--policy", name]
        for pool in refill:
            words += ["--refill", os.fspath(pool)]
        if not report:
            words.append("--no-report")
        status = _native.call(words + _shared(**options) + _inputs(inputs))
    return Ledger.read(out, has_bad=status == _BAD)


def scan(inputs: PathLike | Iterable[PathLike], out: PathLike, **options: Any) -> Ledger:
    """Scores and writes attributes and ledger; documents are not written.

    Args:
        inputs, out: as ``run``.
        options: ``threads`` (0 = one for each core), ``resume``, ``force``, ``gate``, ``seed``,
            ``limit`` (records of each piece), ``filters`` (folder), ``model`` (file),
            ``text_field``, ``id_field``, ``source_field``, ``max_line_bytes``, ``max_expansion``,
            ``max_nesting``, ``rank`` and ``world_size`` (this process takes every
            ``world_size``-th shard), ``progress`` (print it to standard error).

    Raises:
        as ``run``.
    """
    words = ["scan", "--out", os.fspath(out), *_shared(**options), *_inputs(inputs)]
    status = _native.call(words)
    return Ledger.read(out, has_bad=status == _BAD)


def audit(
    inputs: PathLike | Iterable[PathLike],
    *,
    report: PathLike | None = None,
    documents: Iterable[PathLike] = (),
    allow_mixed: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Figures over any number of parts that runs, scans or engines wrote.

    Args:
        inputs: output folders, or files and folders of attributes.
        report: where the HTML report goes; None writes none.
        documents: shards to take example texts from, for the report.
        allow_mixed: add up what different filters or models found.
        seed: decides which documents the report shows.

    Returns:
        the content of ``audit.json``.

    Raises:
        RunError: where the parts cannot be read or do not belong together.
    """
    with tempfile.TemporaryDirectory(prefix="parable-") as folder:
        figures = os.path.join(folder, "audit.json")
        page = os.path.join(folder, "report.html") if report is None else os.fspath(report)
        words = ["audit", "--out", page, "--json", figures, "--quiet"]
        words += ["--seed", str(seed)]
        shown = [os.fspath(shard) for shard in documents]
        for shard in shown:
            words += ["--documents", shard]
        if report is None and not shown:
            words.append("--no-examples")
        if allow_mixed:
            words.append("--allow-mixed")
        _native.call(words + _inputs(inputs))
        with open(figures, "rb") as file:
            return json.load(file)


def generate(
    out: PathLike,
    inputs: PathLike | Iterable[PathLike] = (),
    *,
    format: str = "pretrain",
    count: int | None = None,
    per_document: int = 1,
    from_inventory: bool | None = None,
    threshold: float = 0.5,
    seed: int = 0,
    verify: str = "strict",
    canary: str | None = None,
    threads: int = 0,
) -> dict[str, Any]:
    """Writes counter-examples in which an artificial mind acts well, with its reasons.

    Args:
        out: the output folder.
        inputs: documents to answer; those that are flagged get counter-examples.
        format: ``pretrain``, ``sft``, ``preference``, ``revision`` or ``all``.
        count: products in all.
        from_inventory: fill up to ``count`` without documents; None does so without inputs.

    Returns:
        the content of ``report.json``: counts, pass rate by reason, coverage, diversity.

    Raises:
        RunError: where it could not be done.
    """
    given = _inputs(inputs)
    words = ["generate", "--out", os.fspath(out), "--format", format, "--quiet"]
    words += ["--per-document", str(per_document), "--threshold", str(threshold)]
    words += ["--seed", str(seed), "--verify", verify, "--threads", str(threads)]
    if count is not None:
        words += ["--count", str(count)]
    if canary is not None:
        words += ["--canary", canary]
    fill = len(given) == 1 if from_inventory is None else from_inventory
    if fill:
        words.append("--from-inventory")
    _native.call(words + given)
    return json.loads((Path(out) / "report.json").read_bytes())


def _shared(
    *,
    threads: int = 0,
    resume: bool = False,
    force: bool = False,
    gate: Gate = "fast",
    seed: int = 0,
    limit: int | None = None,
    filters: PathLike | None = None,
    model: PathLike | None = None,
    text_field: str = "text",
    id_field: str = "id",
    source_field: str = "source",
    max_line_bytes: int | None = None,
    max_expansion: int | None = None,
    max_nesting: int | None = None,
    rank: int = 0,
    world_size: int = 1,
    progress: bool = False,
) -> list[str]:
    words = [f"--threads={threads}", f"--gate={gate}", f"--seed={seed}"]
    words += [f"--rank={rank}", f"--world-size={world_size}"]
    words += [f"--text-field={text_field}", f"--id-field={id_field}"]
    words.append(f"--source-field={source_field}")
    optional = {
        "limit": limit,
        "filters": filters,
        "model": model,
        "max-line-bytes": max_line_bytes,
        "max-expansion": max_expansion,
        "max-nesting": max_nesting,
    }
    for name, value in optional.items():
        if value is not None:
            words.append(f"--{name}={value}")
    flags = {"resume": resume, "force": force, "quiet": not progress}
    return words + [f"--{name}" for name, wanted in flags.items() if wanted]


def _inputs(inputs: PathLike | Iterable[PathLike]) -> list[str]:
    if isinstance(inputs, (str, os.PathLike)):
        inputs = [inputs]
    # Behind `--` a path may begin with a dash.
    return ["--", *(os.fspath(given) for given in inputs)]


@contextmanager
def _policy_file(policy: Policy | PathLike) -> Iterator[str]:
    if not isinstance(policy, Policy):
        yield os.fspath(policy)
        return
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".toml") as file:
        file.write(policy.text)
        file.flush()
        yield file.name
