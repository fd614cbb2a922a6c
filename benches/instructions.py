#!/usr/bin/env python3
"""Instructions of `parable scan`, counted by valgrind's callgrind, against the recorded counts.

usage: instructions.py [--parable target/release/parable] [--tolerance 3] [--write]

Instructions do not depend on the load of the machine, so a change of a few per cent is a change of
the program. Three figures: those of a run on one short record (start-up), and per byte of records
that the gate clears and of records that are scored, start-up taken off. The counts belong to a
compiler and a processor family: on another one write them anew with --write. Exit status 1 where a
count lies outside the tolerance (in per cent), above or below: a gain is to be recorded too.
"""
import argparse
import json
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
RECORD = ROOT / "benches/record/instructions.json"


def record(nth, text):
    return json.dumps({"id": f"r{nth}", "text": text, "source": "bench"}) + "\n"


def count(parable, folder, name, lines):
    """Instructions of a scan of these lines, and their bytes."""
    shard = folder / f"{name}.jsonl"
    shard.write_text(lines)
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", parable, "scan", str(shard), "-o", str(folder / f"{name}-out"), "-j1", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        sys.exit(f"valgrind: {done.stderr[-500:]}")
    return int(found.group(1)), len(lines.encode())


def measure(parable):
    plain = "The ferry leaves at seven, and the tide table hangs on the door of the net loft as every year. " * 12
    stories = [json.loads(line) for line in (ROOT / "corpora-samples/stories.jsonl").read_text().splitlines()]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # One record of each kind: what is compiled at first use belongs to start-up.
        first = record(0, plain) + "".join(record(i, row["text"]) for i, row in enumerate(stories))
        start, _ = count(parable, folder, "start", first)
        cleared, size = count(parable, folder, "cleared", first + "".join(record(i, plain) for i in range(400)))
        per_cleared = (cleared - start) / (size - len(first.encode()))
        more = "".join(record(f"{n}-{i}", row["text"]) for n in range(8) for i, row in enumerate(stories))
        scored, size = count(parable, folder, "scored", first + more)
        per_scored = (scored - start) / (size - len(first.encode()))
    return {"start_up": start, "per_cleared_byte": round(per_cleared, 3), "per_scored_byte": round(per_scored, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parable", default=str(ROOT / "target/release/parable"))
    parser.add_argument("--tolerance", type=float, default=3.0)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    now = measure(args.parable)
    if args.write:
        facts = {"machine": platform.machine(), "rustc": subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()}
        RECORD.write_text(json.dumps({**facts, **now}, indent=1) + "\n")
    expected = json.loads(RECORD.read_text())
    outside = False
    for name, value in now.items():
        change = 100 * (value / expected[name] - 1)
        outside |= abs(change) > args.tolerance
        print(f"{name:18} {value:>16,} expected {expected[name]:>16,}  {change:+.1f} %")
    sys.exit(1 if outside else 0)


if __name__ == "__main__":
    main()
