"""Parable inside Ray: tables through Ray Data, and whole runs as Ray tasks.

``score`` and ``apply`` map Arrow batches with actors that load the filters once. ``run`` shares the
shards of a corpus out over tasks, each of which is a ``parable run`` of its own: a task that dies is
tried again by Ray and goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, Dataset

from parable import parts
from parable.core import FilterSet, PathLike, Policy


class Scorer:
    """Callable for ``Dataset.map_batches`` with ``batch_format="pyarrow"``: n rows in, n attribute
    rows out, as ``FilterSet.score_batch`` gives them."""

    def __init__(self, errors: str = "report", **load: Any):
        self.filters = FilterSet.load(**{"threads": 1, **load})
        self.errors = errors

    def __call__(self, batch: pa.Table) -> pa.Table:
        return self.filters.score_batch(batch, errors=self.errors)


class Applier(Scorer):
    """The same with a policy: n rows in, the documents that are kept out."""

    def __init__(self, policy: str, seed: int = 0, **load: Any):
        super().__init__(**load)
        self.policy, self.seed = Policy.parse(policy), seed

    def __call__(self, batch: pa.Table) -> pa.Table:
        passed = self.filters.apply_batch(batch, self.policy, seed=self.seed, errors=self.errors)
        return passed.documents


def score(
    dataset: Dataset,
    *,
    actors: int | tuple[int, int] = (1, 8),
    batch_size: int | None = 1024,
    errors: str = "report",
    **load: Any,
) -> Dataset:
    """Attribute rows of a dataset, for ``write_parquet``; ``parable.audit`` reads what it wrote.

    Args:
        dataset: rows with an id, and a text or messages.
        actors: how many, or least and most. Each takes one core and loads the filters once.
        batch_size: rows of a batch.
        errors: ``report`` gives a row without a usable document an empty row and the reason in the
            column ``error``; ``raise`` fails the job.
        load: as ``FilterSet.load``.
    """
    return _map(dataset, Scorer, {"errors": errors, **load}, actors, batch_size)


def apply(
    dataset: Dataset,
    policy: Policy | PathLike,
    *,
    seed: int = 0,
    actors: int | tuple[int, int] = (1, 8),
    batch_size: int | None = 1024,
    errors: str = "report",
    **load: Any,
) -> Dataset:
    """The documents that a policy keeps, edited as it says, with the column ``parable``.

    Args:
        policy: a ready policy's name, a TOML file, or a ``Policy``; one that replaces documents
            takes ``run``.
        errors: ``report`` leaves rows without a usable document out; ``raise`` fails the job.
        others: as ``score``.
    """
    text = (policy if isinstance(policy, Policy) else Policy.load(policy)).text
    given = {"policy": text, "seed": seed, "errors": errors, **load}
    return _map(dataset, Applier, given, actors, batch_size)


def _map(
    dataset: Dataset,
    actor: type[Scorer],
    given: dict[str, Any],
    actors: int | tuple[int, int],
    batch_size: int | None,
) -> Dataset:
    least, most = (actors, actors) if isinstance(actors, int) else actors
    return dataset.map_batches(
        actor,
        batch_size=batch_size,
        batch_format="pyarrow",
        zero_copy_batch=True,
        fn_constructor_kwargs=given,
        compute=ActorPoolStrategy(min_size=least, max_size=most),
        num_cpus=1,
    )


def run(
    inputs: PathLike | Iterable[PathLike],
    out: PathLike,
    *,
    tasks: int,
    cpus: int = 1,
    retries: int = 3,
    **options: Any,
) -> parts.Parts:
    """A whole ``parable run``, shared out over Ray tasks.

    Task i takes every ``tasks``-th shard and writes ``out/part-<i>``; ``inputs`` and ``out`` must
    mean the same on every node. Repeating the call after a failure goes on with what is there.

    Args:
        tasks: how many; the same number on every repetition.
        cpus: cores, and threads, of each.
        retries: how often Ray tries again a task whose process died.
        options: as ``parable.run``, or as ``parable.scan`` with ``scan_only=True``.

    Returns:
        the parts, with their books added up; ``parable.audit(parts.folders)`` gives the figures of
        the whole.
    """
    job = parts.job(inputs, out, tasks, threads=cpus, **options)
    task = ray.remote(num_cpus=cpus, max_retries=retries)(parts.run_part)
    return parts.merge(ray.get([task.remote(job, rank) for rank in range(tasks)]))
