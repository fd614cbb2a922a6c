#!/usr/bin/env python3
"""CPU seconds per GB of parable and its peers, as whole processes, beside bare decompression.

usage: compare.py [--parable BIN] [--runs 3] [--sample-mb 8] [--only ROW,...] [--json OUT] SHARD.jsonl.zst...
Needs zstd; each peer is optional (see README.md beside this file).
"""
import argparse
import gzip
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def cpu(command, **options):
    """CPU seconds of a command and all its children, wall seconds, exit status."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, time.perf_counter() - start, done


def terms():
    """The lexicon of artificial agents, includes resolved, wildcards cut to their stem."""
    seen, todo, out = set(), ["artificial_agents"], set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        lexicon = tomllib.loads((ROOT / "filters/lexicons" / f"{name}.toml").read_text())
        todo += [include.lstrip("@") for include in lexicon.get("include", [])]
        out |= {term.strip("*").lower() for term in lexicon["terms"]}
    return sorted(term for term in out if len(term) >= 2)


def cut(shards, folder, megabytes):
    """The first whole lines of the shards, up to a size, as plain, zst and gz, and an empty shard."""
    limit, kept, lines = megabytes * 1_000_000, 0, []
    for shard in shards:
        with subprocess.Popen(["zstd", "-dc", shard], stdout=subprocess.PIPE) as reader:
            for line in reader.stdout:
                if kept + len(line) > limit:
                    break
                kept += len(line)
                lines.append(line)
            reader.kill()
    body = b"".join(lines)
    for name, data in (("sample", body), ("empty", b'{"id":"0","text":"nothing","source":"x"}\n')):
        place = folder / name / "documents"
        place.mkdir(parents=True)
        (place / "part.jsonl").write_bytes(data)
        (place / "part.jsonl.gz").write_bytes(gzip.compress(data, 3))
        subprocess.run(["zstd", "-q", "-3", str(place / "part.jsonl"), "-o", str(place / "part.jsonl.zst")], check=True)
    return kept


def rows(args, folder):
    """name -> (command for a shard path, whether it runs on the sample only, environment)."""
    wordlist = folder / "terms.txt"
    python = sys.executable
    peer = str(HERE / "peer.py")
    out = {
        "parable-scan": (lambda p: [args.parable, "scan", p, "-o", str(folder / "scan-out"), "--force", "--threads", "1", "--quiet"], False),
        "python-hyperscan": (lambda p: [python, peer, "hyperscan", str(wordlist), p], False),
        "rg": (lambda p: ["sh", "-c", f"zstd -dcq '{p}' | LC_ALL=C rg -c -i -F -f '{wordlist}' - || [ $? = 1 ]"], False),
        "python-re": (lambda p: [python, peer, "re", str(wordlist), p], True),
        "datatrove": (lambda p: [python, peer, "datatrove", str(wordlist), p], True),
        "dolma": (lambda p: [args.dolma_python, peer, "dolma", str(wordlist), p.replace(".zst", ".gz")], True),
    }
    wordlist.write_text("\n".join(terms()) + "\n")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", nargs="+")
    parser.add_argument("--parable", default=str(ROOT / "target/release/parable"))
    parser.add_argument("--dolma-python", default=sys.executable)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--sample-mb", type=int, default=8)
    parser.add_argument("--only", help="names of rows, with commas between them")
    parser.add_argument("--json")
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="peers-"))
    try:
        table = measure(args, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{'program':18} {'CPU s/GB':>10} {'x zstd -dc':>11}  note")
    for name, row in table.items():
        if "why" in row:
            print(f"{name:18} {'-':>10} {'-':>11}  {row['why']}")
        else:
            print(f"{name:18} {row['cpu_s_per_gb']:10.2f} {row['ratio']:11.2f}  {row['on']}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(table, indent=1))


def measure(args, folder):
    sample_bytes = cut(args.shards, folder, args.sample_mb)
    whole_bytes = sum(int(subprocess.run(f"zstd -dcq '{s}' | wc -c", shell=True, stdout=subprocess.PIPE, check=True).stdout) for s in args.shards)
    sample = str(folder / "sample/documents/part.jsonl.zst")
    empty = str(folder / "empty/documents/part.jsonl.zst")
    table = {}
    for name, (command, on_sample) in rows(args, folder).items():
        if args.only and name not in args.only.split(","):
            continue
        yard, used, why = [], [], None
        paths, size = ([sample], sample_bytes) if on_sample else (args.shards, whole_bytes)
        start = cpu(command(empty))
        if start[2].returncode:
            why = (start[2].stderr or "does not start").strip().splitlines()[-1][:100]
        for _ in range(0 if why else args.runs):
            yard.append(sum(cpu(["zstd", "-dcq", path])[0] for path in args.shards) / whole_bytes * 1e9)
            total = 0.0
            for path in paths:
                spent, _, done = cpu(command(path))
                if done.returncode:
                    why = done.stderr.strip().splitlines()[-1][:100] if done.stderr.strip() else f"exit {done.returncode}"
                total += max(spent - start[0], 0.0)
            used.append(total / size * 1e9)
        if why:
            table[name] = {"why": why}
            continue
        ratios = [a / b for a, b in zip(used, yard)]
        table[name] = {
            "cpu_s_per_gb": statistics.median(used), "ratio": statistics.median(ratios),
            "runs": used, "zstd_runs": yard, "on": f"{size / 1e6:.0f} MB, start-up {start[0]:.2f} s taken off",
        }
        table.setdefault("zstd", {"cpu_s_per_gb": statistics.median(yard), "ratio": 1.0, "runs": yard, "on": f"{whole_bytes / 1e6:.0f} MB"})
    return table


if __name__ == "__main__":
    main()
