"""A Dolma tagger for the term list named by PEER_TERMS. A module of its own: Dolma's worker processes
import it by name."""
import os
import pathlib
import re

from dolma import BaseTagger, add_tagger
from dolma.core.data_types import DocResult, Document, Span

WORDS = pathlib.Path(os.environ["PEER_TERMS"]).read_text().splitlines()
PATTERN = re.compile("|".join(re.escape(w) for w in sorted(WORDS, key=len, reverse=True)), re.IGNORECASE)


@add_tagger("peer_terms")
class Terms(BaseTagger):
    def predict(self, doc: Document) -> DocResult:
        spans = [Span(start=m.start(), end=m.end(), type="term") for m in PATTERN.finditer(doc.text)]
        return DocResult(doc=doc, spans=spans)
