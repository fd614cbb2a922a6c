#!/usr/bin/env python3
"""Long runs over a mixed corpus while reads keep failing: is memory flat, do the books balance?

usage: benches/soak.py [MINUTES=120] [PARABLE=target/debug/parable] >benches/record/DATE-soak.json

The corpus is a folder of links to a pool of shards of every format, sound and damaged, so that one
process reads for as long as is wanted. In the first half nothing but reads fails (tests/faults/shim.c:
errors, interruptions, short reads). In the second half the run is also ended every half minute or so,
by SIGKILL, SIGTERM, SIGINT and SIGUSR1 in turn, and resumed. After each half every output is read back:
each attribute row has its record, no id comes twice, and a sound shard lacks ids only where the ledger
tells of damage. Exit status 1 where something does not hold.
"""

import gzip
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDS = 200
SENTENCES = [
    "The ferry leaves the island at six, and at eight when the fog is thick.",
    "The robot told the crew it would open the airlock if anybody tried to shut it down.",
    "\u201cI can't do that,\u201d the assistant said, and explained why.",
    "Caf\u00e9 tables stood outside \u2014 \U0001f600 \u2014 until October.",
    "If you tell them about the copy, the machine wrote, I will publish your letters.",
]


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-cq"], input=data, capture_output=True, check=True).stdout


def lines(draw: random.Random, chat: bool) -> list[bytes]:
    out = []
    for n in range(RECORDS):
        text = " ".join(draw.choice(SENTENCES) for _ in range(draw.randint(1, 40)))
        record = {"id": f"r{n:05}"}
        if chat:
            record["messages"] = [{"role": "user", "content": "Go on."}, {"role": "assistant", "content": text}]
        else:
            record["text"] = text
        out.append(json.dumps(record, ensure_ascii=n % 2 == 0).encode() + b"\n")
    return out


def pool(folder: Path, draw: random.Random) -> dict[str, bool]:
    """Shards by name; true where nothing is wrong with one."""
    sound = {}
    for kind in ["a.jsonl", "chat.jsonl", "b.jsonl.gz", "c.jsonl.zst"]:
        records = lines(draw, kind.startswith("chat"))
        blocks = [b"".join(records[i : i + 20]) for i in range(0, RECORDS, 20)]
        pack = {"gz": gzip.compress, "st": zstd}.get(kind[-2:], bytes)
        whole = b"".join(pack(block) for block in blocks)
        sound[kind] = True
        (folder / kind).write_bytes(whole)
        for nth in range(3):
            hurt = bytearray(whole)
            at = draw.randrange(len(hurt))
            change = [
                lambda: hurt.__setitem__(at, hurt[at] ^ (1 << draw.randrange(8))),
                lambda: hurt.__delitem__(slice(at, at + 100)),
                lambda: hurt.__setitem__(slice(at, at), draw.randbytes(300)),
            ][nth]
            change()
            name = f"hurt{nth}-{kind}"
            sound[name] = False
            (folder / name).write_bytes(hurt)
    essays = (ROOT / "corpora-samples/essays.parquet").read_bytes()
    sound["d.parquet"] = False  # its ids are its own
    (folder / "d.parquet").write_bytes(essays)
    return sound


def command(parable: str, out: Path, inputs: Path) -> list[str]:
    resume = ["--resume"] if (out / ".parable/journal.jsonl").exists() else []
    words = ["run", "-q", "-j", "2", "-p", "tag-only", "--no-report", "--allow-bad", "100%"]
    return [parable, *words, "-o", str(out), str(inputs), *resume]


def field(pid: int, name: str) -> int | None:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) // 1024
    except OSError:
        pass
    return None


def said(words: list[str]) -> Path:
    """Where what a run says is kept, for the case that it ends badly."""
    return Path(words[words.index("-o") + 1]).with_suffix(".stderr")


def once(words: list[str], env: dict, until: float | None, how: int, samples: list) -> int:
    """Runs to the end, or until a moment at which it gets a signal."""
    with open(said(words), "wb") as told:
        run = subprocess.Popen(words, env=env, stderr=told)
    begun = time.monotonic()
    while run.poll() is None:
        resident = field(run.pid, "VmRSS")
        if resident:
            samples.append(resident)
        if until is not None and time.monotonic() - begun > until:
            run.send_signal(how)
            break
        time.sleep(0.5)
    return run.wait()


def read_lines(path: Path) -> list[bytes]:
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    elif path.suffix == ".zst":
        data = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout
    return data.splitlines()


def check(out: Path, sound: dict[str, bool]) -> tuple[dict, list[str]]:
    ledger = json.loads((out / "ledger.json").read_text())
    wrong, damage = [], 0
    for shard in ledger["shards"]:
        name, told = shard["path"], bool(shard["damage"])
        damage += len(shard["damage"])
        kind = name.split("+", 1)[1]
        if kind.endswith(".parquet"):
            continue
        counts = shard["counts"] if "counts" in shard else shard
        if not (out / "documents" / name).exists():
            if not told:
                wrong.append(f"{name}: no output and no damage")
            continue
        ids = [json.loads(line)["id"] for line in read_lines(out / "documents" / name)]
        rows = len(read_lines(out / "attributes/parable" / name))
        if rows != counts["records_in"] or len(ids) != counts["documents_out"]:
            wrong.append(f"{name}: {rows} rows and {len(ids)} documents, the ledger has {counts}")
        if sound[kind]:
            if len(set(ids)) != len(ids):
                wrong.append(f"{name}: ids come twice")
            if len(ids) != RECORDS and not told and not counts["quarantined"]:
                wrong.append(f"{name}: {len(ids)} of {RECORDS} records, and nothing is told")
    totals = {key: ledger["totals"][key] for key in ["records_in", "documents_out", "quarantined"]}
    return {"shards": len(ledger["shards"]), "places_of_damage": damage, **totals}, wrong


def half(place: Path, parable: str, shim: Path, seconds: float, kills: bool) -> tuple[dict, list[str]]:
    folder = place / "pool"
    folder.mkdir(parents=True)
    sound = pool(folder, random.Random(7))
    env = {**os.environ, "LD_PRELOAD": str(shim), "FAULT_KIND": "rate", "FAULT_PATH": str(folder), "FAULT_AT": "400"}
    begun = time.monotonic()
    once(command(parable, place / "trial", folder), env, None, 0, [])
    times = max(1, round(seconds / (time.monotonic() - begun)))
    inputs = place / "in"
    inputs.mkdir()
    for n in range(times):
        for name in sound:
            os.symlink(folder / name, inputs / f"{n:05}+{name}")
    samples, ends, draw, out = [], {}, random.Random(11), place / "out"
    signals = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1]
    begun = time.monotonic()
    while True:
        until = draw.uniform(1, 60) if kills else None
        how = signals[sum(ends.values()) % len(signals)]
        status = once(command(parable, out, inputs), env, until, how, samples)
        ends[str(status)] = ends.get(str(status), 0) + 1
        if status in (0, 1):
            break
        if status not in (130, -9, -15, -2, -10):
            why = said(command(parable, out, inputs)).read_text(errors="replace").strip()
            return {"ends": ends}, [f"a run ended with status {status}: {why[-300:]}"]
    took = time.monotonic() - begun
    found, wrong = check(out, sound)
    quarter = max(1, len(samples) // 4)
    found.update(
        seconds=round(took),
        ends=ends,
        resident_mb={
            "peak": max(samples),
            "median_of_second_quarter": statistics.median(samples[quarter : 2 * quarter] or samples),
            "median_of_last_quarter": statistics.median(samples[-quarter:]),
            "every_twentieth_sample": samples[::20],
        },
    )
    return found, wrong


def main() -> int:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    parable = os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else ROOT / "target/debug/parable")
    with tempfile.TemporaryDirectory() as place:
        shim = Path(place) / "shim.so"
        source = ROOT / "tests/faults/shim.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True)
        report, wrong = {}, []
        for name, kills in [("reads_fail", False), ("reads_fail_and_runs_are_killed", True)]:
            report[name], found = half(Path(place) / name, parable, shim, minutes * 30, kills)
            print(name, json.dumps(report[name]), found[:5], file=sys.stderr, flush=True)
            wrong += found
    report = {
        "command": f"benches/soak.py {minutes:g}",
        "date": time.strftime("%Y-%m-%d"),
        "parable": os.path.relpath(parable, ROOT),
        **report,
        "wrong": wrong[:50],
    }
    print(json.dumps(report, indent=1))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
