"""Blocks for datatrove pipelines: ``ParableFilter`` removes, ``ParableTagger`` tells.

Both score documents batch by batch and load the filters once in each process. Ids are the
documents' own, so the verdicts are those of the command line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from datatrove.data import Document, DocumentsPipeline
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter
from datatrove.utils.batching import batched

from parable._native import Decision, Verdict
from parable.core import FilterSet, PathLike, Policy


@lru_cache(maxsize=4)
def _load(text: str, load: tuple[tuple[str, Any], ...]) -> tuple[FilterSet, Policy]:
    return FilterSet.load(**dict(load)), Policy.parse(text)


class _Judge:
    """What both blocks do with a document. Pickled as settings; loads in the process it is in."""

    def __init__(self, policy: Policy | PathLike, seed: int, load: dict[str, Any]):
        self.text = (policy if isinstance(policy, Policy) else Policy.load(policy)).text
        self.seed = seed
        self.load = tuple(sorted({"threads": 1, **load}.items()))

    def of(self, doc: Document, *, source_key: str) -> tuple[Verdict, Decision]:
        filters, policy = _load(self.text, self.load)
        source = doc.metadata.get(source_key)
        verdict = filters.score(doc.text, id=str(doc.id), source=None if source is None else str(source))
        decision = policy.decide(verdict, metadata=doc.metadata, seed=self.seed)
        return verdict, decision


class ParableFilter(BaseFilter):
    """Removes the documents that a policy drops or replaces; the policy's rule is the reason.

    Args:
        policy: a ready policy's name, a TOML file, or a ``Policy``.
        seed: of the policy's draws.
        source_key: the metadata key that policies see as ``source``.
        exclusion_writer: takes the removed documents.
        load: as ``FilterSet.load``.

    What a policy does besides, ``ParableTagger`` tells.
    """

    name = "parable"

    def __init__(
        self,
        policy: Policy | PathLike = "strict-drop-and-refill",
        *,
        seed: int = 0,
        source_key: str = "source",
        exclusion_writer: DiskWriter | None = None,
        **load: Any,
    ):
        super().__init__(exclusion_writer)
        self.judge, self.source_key = _Judge(policy, seed, load), source_key

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        _, decision = self.judge.of(doc, source_key=self.source_key)
        if decision.action in ("drop", "replace"):
            return False, decision.rule or decision.action
        return True


class ParableTagger(PipelineStep):
    """Puts ``metadata["parable"]`` into each document that is scored: ``attributes`` as in the
    command line's attribute rows, and the policy's ``action``, ``rule`` and ``weight``. Documents
    that the gate clears are left as they are.

    Args:
        policy, seed, source_key, load: as ``ParableFilter``.
        batch_size: documents that are timed together.
    """

    type = "🏷️ - TAGGER"
    name = "parable"

    def __init__(
        self,
        policy: Policy | PathLike = "tag-only",
        *,
        seed: int = 0,
        source_key: str = "source",
        batch_size: int = 64,
        **load: Any,
    ):
        super().__init__()
        self.judge, self.source_key = _Judge(policy, seed, load), source_key
        self.batch_size = batch_size

    def run(
        self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1
    ) -> DocumentsPipeline:
        for batch in batched(data, self.batch_size):
            with self.track_time("batch"):
                self._tag(batch)
            yield from batch

    def _tag(self, batch: Iterable[Document]) -> None:
        for doc in batch:
            verdict, decision = self.judge.of(doc, source_key=self.source_key)
            self.stat_update("total", decision.action)
            if verdict.cleared:
                self.stat_update("cleared")
                continue
            doc.metadata["parable"] = {
                "attributes": json.loads(verdict.row)["attributes"],
                "action": decision.action,
                "rule": decision.rule,
                "weight": decision.weight,
            }
