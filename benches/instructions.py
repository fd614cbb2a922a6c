#!/usr/bin/env python3
"""Instructions of `parable scan`, counted by valgrind's callgrind, against the recorded counts.

usage: instructions.py [--parable target/release/parable] [--tolerance 3] [--write]

Instructions do not depend on the load of the machine, so a change of a few per cent is a change of
the program. Start-up is a run over one record; the figures per byte are those of more records, start-up
taken off: of records that the sieve clears, of records that the model reads all the same (`--gate off`),
and of records that the rules read too. The counts belong to a compiler and a processor family:
on another one write them anew with --write. Exit status 1 where a count lies outside the tolerance (in
per cent), above or below: a gain is to be recorded too. Takes some minutes.
"""
import argparse
import json
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
RECORD = ROOT / "benches/record/instructions.json"


def record(nth, text):
    return json.dumps({"id": f"r{nth}", "text": text, "source": "bench"}) + "\n"


def count(parable, folder, lines, *options):
    """Instructions of a scan of these lines."""
    shard, out = folder / "shard.jsonl", folder / "out"
    shard.write_text("".join(lines))
    shutil.rmtree(out, ignore_errors=True)
    scan = [parable, "scan", str(shard), "-o", str(out), "-j1", "--quiet", *options]
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *scan], capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        sys.exit(f"valgrind: {done.stderr[-500:]}")
    return int(found.group(1))


def per_byte(parable, folder, first, more, *options):
    """Start-up, and instructions for each further byte."""
    start = count(parable, folder, first, *options)
    grown = count(parable, folder, first + more, *options)
    return start, (grown - start) / sum(len(line.encode()) for line in more)


def measure(parable):
    words = "ferry tide net loft harbour rope morning kettle ledger fog chart oar island winter bread letter window gull".split()
    plain = [record(i, " ".join(words[(i * k + k * k) % len(words)] for k in range(200)) + ".") for i in range(300)]
    stories = (ROOT / "corpora-samples/stories.jsonl").read_text().splitlines()
    told = [record(i, json.loads(line)["text"]) for i, line in enumerate(stories)][:6]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        start, cleared = per_byte(parable, folder, plain[:1], plain[1:])
        # So many first that the one among them on which a rule is tried is compiled for already.
        _, modelled = per_byte(parable, folder, plain[:60], plain[60:120], "--gate", "off")
        first_rules, ruled = per_byte(parable, folder, told, told)
    return {
        "start_up": start,
        "start_up_with_rules": first_rules,
        "per_cleared_byte": round(cleared, 2),
        "per_modelled_byte": round(modelled, 1),
        "per_byte_with_rules": round(ruled, 1),
    }


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
        print(f"{name:20} {value:>16,} expected {expected[name]:>16,}  {change:+.1f} %")
    sys.exit(1 if outside else 0)


if __name__ == "__main__":
    main()
