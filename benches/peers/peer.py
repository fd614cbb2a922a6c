#!/usr/bin/env python3
"""One peer over one shard: peer.py KIND TERMS SHARD. Each writes one result per document, as a
tagger does, except datatrove, whose filter drops the hits."""
import io
import os
import pathlib
import re
import sys
import tempfile


def alternation(words):
    return re.compile("|".join(re.escape(w) for w in sorted(words, key=len, reverse=True)), re.IGNORECASE)


def documents(path):
    import orjson
    import zstandard

    with open(path, "rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as reader:
        for line in io.BufferedReader(reader, 1 << 20):
            yield orjson.loads(line)


def plain(words, path, out):
    find = alternation(words).finditer
    for row in documents(path):
        out.write(b'%s\t%d\n' % (str(row["id"]).encode(), sum(1 for _ in find(row["text"]))))


def with_hyperscan(words, path, out):
    import hyperscan

    base = hyperscan.Database()
    flags = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SOM_LEFTMOST
    base.compile(expressions=[re.escape(w).encode() for w in words], ids=list(range(len(words))), elements=len(words), flags=[flags] * len(words))
    hits = []
    note = lambda *match: hits.append(match)
    for row in documents(path):
        hits.clear()
        base.scan(row["text"].encode(), match_event_handler=note)
        out.write(b'%s\t%d\n' % (str(row["id"]).encode(), len(hits)))


def with_datatrove(words, path):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.filters import LambdaFilter
    from datatrove.pipeline.readers import JsonlReader

    pattern = alternation(words)
    shard = pathlib.Path(path)
    with tempfile.TemporaryDirectory() as logs:
        LocalPipelineExecutor(
            pipeline=[JsonlReader(str(shard.parent), glob_pattern=shard.name, compression="infer"), LambdaFilter(lambda doc: not pattern.search(doc.text))],
            logging_dir=logs, tasks=1, workers=1,
        ).run()


def with_dolma(terms, path):
    os.environ["PEER_TERMS"] = terms
    here = str(pathlib.Path(__file__).resolve().parent)
    sys.path.insert(0, here)
    os.environ["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    from dolma.core.runtime import create_and_run_tagger

    # Dolma derives the place of its output from a path below `documents`.
    with tempfile.TemporaryDirectory() as out:
        create_and_run_tagger(documents=[path], destination=[os.path.join(out, "attributes")], taggers=["peer_terms"], taggers_modules=["dolma_terms"], experiment="peer", num_processes=1, ignore_existing=True)
        written = sum(file.stat().st_size for file in pathlib.Path(out).rglob("*") if file.is_file())
        if not written:
            sys.exit("Dolma wrote nothing")


def main():
    kind, terms, path = sys.argv[1:4]
    words = pathlib.Path(terms).read_text().splitlines()
    out = open(os.devnull, "wb")
    {"re": lambda: plain(words, path, out), "hyperscan": lambda: with_hyperscan(words, path, out),
     "datatrove": lambda: with_datatrove(words, path), "dolma": lambda: with_dolma(terms, path)}[kind]()


if __name__ == "__main__":
    main()
