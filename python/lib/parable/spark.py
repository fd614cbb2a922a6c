"""Parable inside Spark: DataFrames through ``mapInArrow``, and whole runs as Spark tasks.

The filters are loaded once in each Python worker. ``run`` shares the shards of a corpus out over
tasks, each of which is a ``parable run`` of its own: a task that dies is tried again by Spark and
goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import FloatType, StringType, StructField, StructType

from parable import parts
from parable.core import FilterSet, PathLike, Policy


def score(df: DataFrame, *, errors: str = "report", **load: Any) -> DataFrame:
    """Attribute rows of a DataFrame, for ``write.parquet``; ``parable.audit`` reads what it wrote.

    Args:
        df: rows with an id, and a text or messages. Select these first: every column is handed
            over to Python.
        errors: ``report`` gives a row without a usable document an empty row and the reason in the
            column ``error``; ``raise`` fails the job.
        load: as ``FilterSet.load``; ``threads`` is 1 by default, as Spark counts cores by tasks.
    """
    settings = tuple(sorted({"threads": 1, **load}.items()))

    def rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        filters = _filters(settings)
        for batch in batches:
            yield from filters.score_batch(batch, errors=errors).to_batches()

    return df.mapInArrow(rows, _attributes(errors, settings))


def apply(
    df: DataFrame,
    policy: Policy | PathLike,
    *,
    seed: int = 0,
    errors: str = "report",
    **load: Any,
) -> DataFrame:
    """The documents that a policy keeps, edited as it says, with the column ``parable``.

    Args:
        policy: a ready policy's name, a TOML file, or a ``Policy``; one that replaces documents
            takes ``run``.
        errors: ``report`` leaves rows without a usable document out; ``raise`` fails the job.
        others: as ``score``.
    """
    text = (policy if isinstance(policy, Policy) else Policy.load(policy)).text
    settings = tuple(sorted({"threads": 1, **load}.items()))

    def rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        filters, rules = _filters(settings), _policy(text)
        for batch in batches:
            passed = filters.apply_batch(batch, rules, seed=seed, errors=errors)
            yield from passed.documents.to_batches()

    kept = [field for field in df.schema.fields if field.name != "parable"]
    return df.mapInArrow(rows, StructType([*kept, StructField("parable", StringType())]))


def run(
    spark: SparkSession,
    inputs: PathLike | Iterable[PathLike],
    out: PathLike,
    *,
    tasks: int,
    threads: int = 1,
    **options: Any,
) -> parts.Parts:
    """A whole ``parable run``, shared out over Spark tasks.

    Task i takes every ``tasks``-th shard and writes ``out/part-<i>``; ``inputs`` and ``out`` must
    mean the same on every node. Repeating the call after a failure goes on with what is there.
    With ``spark.speculation`` on, the second copy of a task fails, as the first holds the folder.

    Args:
        tasks: how many; the same number on every repetition.
        threads: of each task; ``spark.task.cpus`` should say the same.
        options: as ``parable.run``, or as ``parable.scan`` with ``scan_only=True``.

    Returns:
        the parts, with their books added up; ``parable.audit(parts.folders)`` gives the figures of
        the whole.
    """
    job = parts.job(inputs, out, tasks, threads=threads, **options)
    ranks = spark.sparkContext.parallelize(range(tasks), tasks)
    return parts.merge(ranks.map(lambda rank: parts.run_part(job, rank)).collect())


@lru_cache(maxsize=4)
def _filters(settings: tuple[tuple[str, Any], ...]) -> FilterSet:
    return FilterSet.load(**dict(settings))


@lru_cache(maxsize=4)
def _policy(text: str) -> Policy:
    return Policy.parse(text)


def _attributes(errors: str, settings: tuple[tuple[str, Any], ...]) -> StructType:
    """Spark's names for the columns of an empty table of attributes."""
    field = dict(settings).get("text_field", "text").split(".")[0]
    empty = pa.table({field: pa.array([], pa.string())})
    # The loader asks for the built-in filters: a folder may lie on the workers alone.
    columns = FilterSet.load(threads=1, text_field=field).score_batch(empty, errors=errors).schema
    kinds = {pa.string(): StringType(), pa.float32(): FloatType()}
    return StructType([StructField(column.name, kinds[column.type]) for column in columns])
