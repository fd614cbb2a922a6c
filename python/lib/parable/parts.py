"""A run in parts: each takes its share of the shards and keeps its own books, which add up."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parable import verbs
from parable.core import PathLike, Policy
from parable.errors import RunError


@dataclass(frozen=True)
class Job:
    """What every part needs to know; small enough to send."""

    inputs: list[str]
    out: str
    tasks: int
    policy: str | None
    """Text of the policy; None scans only."""
    options: dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """The parts of a run and their books, added up."""

    folders: list[Path]
    """One output folder for each part, in order."""
    totals: dict[str, int]
    shards: list[dict[str, Any]]
    """Pages of all parts by path."""
    complete: bool
    has_bad: bool


def job(
    inputs: PathLike | Iterable[PathLike],
    out: PathLike,
    tasks: int,
    *,
    policy: Policy | PathLike = "tag-only",
    scan_only: bool = False,
    **options: Any,
) -> Job:
    """What ``run_part`` is to do, checked before anything is started."""
    if tasks < 1:
        raise ValueError(f"tasks={tasks}: at least one")
    if isinstance(inputs, (str, os.PathLike)):
        inputs = [inputs]
    text = None
    if not scan_only:
        text = (policy if isinstance(policy, Policy) else Policy.load(policy)).text
    return Job([os.fspath(given) for given in inputs], os.fspath(out), tasks, text, options)


def run_part(job: Job, rank: int) -> str:
    """Runs part ``rank``, or goes on with it; gives its output folder."""
    folder = os.path.join(job.out, f"part-{rank:05}")
    options = {"resume": True, **job.options, "rank": rank, "world_size": job.tasks}
    if job.policy is None:
        verbs.scan(job.inputs, folder, **options)
    else:
        # Each part's own audit would read its attributes once more; the whole has one.
        options = {"report": False, **options}
        verbs.run(job.inputs, folder, policy=Policy.parse(job.policy), **options)
    return folder


def merge(folders: Iterable[PathLike]) -> Parts:
    """Adds up the books of parts.

    Raises:
        RunError: where two parts hold the same shard, or were made with different settings.
    """
    ledgers = [verbs.Ledger.read(folder) for folder in folders]
    if not ledgers:
        raise RunError("no parts")
    totals: dict[str, int] = {}
    pages: dict[str, dict[str, Any]] = {}
    settings = ("parable", "filter_set", "model", "policy", "seed", "gate")
    for ledger in ledgers:
        for name in settings:
            if ledger.raw[name] != ledgers[0].raw[name]:
                raise RunError(f"{ledger.out} and {ledgers[0].out} differ in their {name}")
        for name, number in ledger.totals.items():
            totals[name] = totals.get(name, 0) + number
        for page in ledger.shards:
            if page["path"] in pages:
                raise RunError(f"{page['path']} is in more than one part")
            pages[page["path"]] = page
    return Parts(
        folders=[ledger.out for ledger in ledgers],
        totals=totals,
        shards=[pages[path] for path in sorted(pages)],
        complete=all(ledger.complete for ledger in ledgers),
        has_bad=any(ledger.has_bad for ledger in ledgers),
    )
