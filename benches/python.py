#!/usr/bin/env python3
"""score_batch of the Python package beside the library, on the same texts with one thread.

usage: benches/python.py LINES.jsonl [ROUNDS=5]

Run it where a release wheel is installed (docs/python.md). It scores the first 16 MB of LINES as one table and
runs `cargo bench --bench micro -- score_tables` on the same lines, in turns; prints MB of text a second of each and
the ratio of the medians.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import parable
import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
BYTES = 16 << 20


def table(path: str) -> pa.Table:
    """Ids and texts of the whole lines in the first BYTES of a file, in batches of 1,024 rows."""
    data = open(path, "rb").read(BYTES)
    rows = [json.loads(line) for line in data[: data.rindex(b"\n")].split(b"\n") if line]
    whole = pa.table({"id": [str(r["id"]) for r in rows], "text": [r["text"] for r in rows]})
    return pa.Table.from_batches(whole.combine_chunks().to_batches(max_chunksize=1024))


def python(filters: parable.FilterSet, rows: pa.Table, size: int) -> float:
    before = time.perf_counter()
    assert filters.score_batch(rows).num_rows == rows.num_rows
    return size / (time.perf_counter() - before) / 1e6


def rust(path: str) -> float:
    env = {**os.environ, "PARABLE_BENCH_LINES": os.path.abspath(path)}
    words = ["cargo", "bench", "-q", "--bench", "micro", "--", "score_tables"]
    out = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout
    # Columns of the second line: fastest, slowest, median, mean.
    speeds = re.findall(r"([0-9.]+) ([KMG])B/s", out)
    return float(speeds[2][0]) * {"K": 1e-3, "M": 1.0, "G": 1e3}[speeds[2][1]]


def main() -> None:
    path, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    rows = table(path)
    size = sum(len(text.encode()) for text in rows["text"].to_pylist())
    filters = parable.FilterSet.load(threads=1)
    python(filters, rows, size)  # the rules' patterns are compiled at the first need
    of_python, of_rust = [], []
    for _ in range(rounds):
        of_python.append(python(filters, rows, size))
        of_rust.append(rust(path))
    print("score_batch  MB/s", *(f"{speed:.1f}" for speed in of_python))
    print("library      MB/s", *(f"{speed:.1f}" for speed in of_rust))
    print(f"ratio of medians  {statistics.median(of_python) / statistics.median(of_rust):.2f}")


if __name__ == "__main__":
    main()
