#!/usr/bin/env python3
"""The same damaged files given to parable and to its peers: what comes out, and who says what is lost.

usage: benches/peers/damage.py PARABLE [PYTHON...] [--keep DIR] [--only WORD] > table.md

PARABLE is the program. Each PYTHON is the interpreter of a virtual environment; every one that can import
datatrove or dolma gives a column for it. Parquet needs pyarrow in one of them (or in the Python that runs
this), and the commands `zstd` and `gzip` must be on the path. A set-up that works:

    python3 -m venv dt && dt/bin/pip install 'datatrove[io,processing]'
    python3 -m venv do && do/bin/pip install dolma backports.zstd     # without the second no .zst is read
    benches/peers/damage.py target/release/parable dt/bin/python do/bin/python

Every case is a folder of five shards: one of 400 records, which is damaged, and four sound ones of 20
records, two before and two after it by name. Each tool reads the folder in one process of its own:

    scan       parable scan --allow-bad 100% --gate off
    run        parable run --policy tag-only --allow-bad 100% --gate off
    datatrove  JsonlReader or ParquetReader, JsonlWriter, LocalPipelineExecutor with one task
    dolma      dolma tag with a tagger that notes a checksum of the text; it reads no Parquet

All files come from one seed. --keep leaves files and outputs in DIR, a new folder, in place of a temporary one;
--only takes the cases whose name holds WORD.
"""

import argparse
import collections
import datetime
import gzip
import json
import os
import platform
import random
import re
import signal
import subprocess
import sys
import tempfile
import zlib
from importlib import metadata
from pathlib import Path

RECORDS, SIBLING, SIBLINGS, SECONDS = 400, 20, "abyz", 180
FORMATS = ["jsonl", "jsonl.gz", "jsonl.zst", "parquet"]
WORDS = "the ferry robot island harbour told crew airlock fog café opened shut six machine letter — asked".split()
PACKAGES = "datatrove dolma fsspec smart_open orjson msgspec pyarrow zstandard backports.zstd".split()
TAGGER = """import zlib
from dolma import BaseTagger, add_tagger
from dolma.core.data_types import DocResult, Span
@add_tagger("checksum")
class Checksum(BaseTagger):
    def predict(self, doc):
        return DocResult(doc=doc, spans=[Span(start=0, end=len(doc.text), type="sum", score=zlib.crc32(doc.text.encode()))])
"""
LEGEND = f"""
Each cell: records out of the {RECORDS} sound ones of the damaged shard; exit status; how a loss is told.
*Counted*: the tool's own books give a number of records or places for the file. *File named*: a warning or an
error names the file, without a number. *Message*: a warning or an error that does not name it. **SILENT**: something
is lost or altered and nothing is said. A dash: nothing is lost. *Altered*: the id came out with another text (for
`scan` not looked at). *Bad lines out*: lines added as damage that came out as records. *Others*: how many of the
four sound shards came out whole, where not all did; dolma shuffles the files by a fixed seed, so a tool that stops at
the first bad file shows more or fewer by chance. `scan` of Parquet has rows for quarantined records, counted as out.
"""


def records(prefix, count, draw):
    return [(f"{prefix}{n:04}", " ".join(draw.choices(WORDS, k=draw.randint(8, 60))) + f" {n}.") for n in range(count)]


def zstd(data, *options):
    return subprocess.run(["zstd", "-cq", *options], input=data, capture_output=True, check=True).stdout


def pack(form, rows, bad=(), check="--no-check", pyarrow=None):
    """A shard; the bad lines (for Parquet: pairs of hexadecimal or null) stand in its middle."""
    if form == "parquet":
        rows = [[cell.encode().hex() for cell in row] for row in rows]
        rows[len(rows) // 2 : len(rows) // 2] = bad
        return child(pyarrow, "write", json.dumps(rows).encode())
    lines = [json.dumps({"id": id, "text": text}, ensure_ascii=False).encode() + b"\n" for id, text in rows]
    lines[len(lines) // 2 : len(lines) // 2] = bad
    if form == "jsonl.gz":  # two members, of three quarters and a quarter of the records
        cut = len(lines) * 3 // 4
        return b"".join(gzip.compress(b"".join(part), mtime=0) for part in (lines[:cut], lines[cut:]))
    if form == "jsonl.zst":  # ten frames, without checksums as Python's zstandard writes them
        step = -(-len(lines) // 10)
        return b"".join(zstd(b"".join(lines[i : i + step]), check) for i in range(0, len(lines), step))
    return b"".join(lines)


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]


def cases(pyarrow):
    """Yields format, damage, bytes of the damaged shard, number of bad lines in it. Damage to a record goes in
    before compression, damage to bytes after it."""
    draw = random.Random(20)
    rows = records("r", RECORDS, draw)
    noise = draw.randbytes(300)
    deep = b'{"id":"deep","text":"Deep.","meta":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    odd = [b'{"id":null,"text":"No id."}\n', b'{"id":"bare"}\n', b'{"id":"typed","text":42}\n']
    for form in FORMATS:
        if form == "parquet" and not pyarrow:
            continue
        table, make = form == "parquet", lambda *a, **k: pack(form, rows, *a, pyarrow=pyarrow, **k)
        sound = make()
        at = len(sound) * 9 // 20  # beside the middle, where a frame or row group may end
        yield form, "none", sound, 0
        yield form, "byte flipped near the middle", flip(sound, at), 0
        if form == "jsonl.zst":
            checked = make(check="--check")
            yield form, "the same, frames with checksums", flip(checked, len(checked) * 9 // 20), 0
        yield form, "truncated near the middle", sound[:at], 0
        yield form, "last byte cut", sound[:-1], 0
        yield form, "100 bytes missing near the middle", sound[:at] + sound[at + 100 :], 0
        yield form, "300 random bytes appended", sound + noise, 0
        if table:
            yield form, "one text of bad UTF-8", make([[b"bad".hex(), b"Bad \xff\xfe".hex()]]), 1
            yield form, "a null id, a null text", make([[None, b"No id.".hex()], [b"bare".hex(), None]]), 2
        else:
            yield form, "one line of bad UTF-8", make([b'{"id":"bad","text":"Bad \xff\xfe"}\n']), 1
            yield form, "one line 100,000 levels deep", make([deep]), 1
            yield form, "null id, no text, text a number (3 lines)", make(odd), 3
        other = {"jsonl": "jsonl.zst", "jsonl.gz": "jsonl.zst", "jsonl.zst": "jsonl.gz", "parquet": "jsonl"}[form]
        yield form, f"{other} content under this name", pack(other, rows), 0
        yield form, "empty file", b"", 0


def child(python, what, data=b""):
    """What `in_environment` prints in that Python."""
    return subprocess.run([python, __file__, "--child", what], input=data, capture_output=True, check=True).stdout


def in_environment(what, *args):
    if what == "versions":
        held = {name.lower(): dist.version for dist in metadata.distributions() if (name := dist.metadata["Name"])}
        return print(json.dumps({name: held[name] for name in PACKAGES if name in held}))
    if what == "datatrove":
        from datatrove.executor import LocalPipelineExecutor
        from datatrove.pipeline.readers import JsonlReader, ParquetReader
        from datatrove.pipeline.writers import JsonlWriter

        source, out, form = args
        reader = ParquetReader if form == "parquet" else JsonlReader
        pipeline = [reader(source), JsonlWriter(f"{out}/documents", compression=None)]
        LocalPipelineExecutor(pipeline=pipeline, tasks=1, workers=1, logging_dir=f"{out}/logs").run()
        return
    import pyarrow.parquet

    if what == "write":
        unhex = [[cell and bytes.fromhex(cell) for cell in row] for row in json.load(sys.stdin)]
        columns = [pyarrow.array(column, pyarrow.binary()).view(pyarrow.string()) for column in zip(*unhex)]
        sink = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(pyarrow.table(columns, names=["id", "text"]), sink, row_group_size=50)
        sys.stdout.buffer.write(sink.getvalue())
    else:  # every row of a Parquet file as a line
        for row in pyarrow.parquet.read_table(pyarrow.BufferReader(sys.stdin.buffer.read())).to_pylist():
            print(json.dumps({key: row[key] for key in ("id", "text") if key in row}))
    sys.stdout.flush()
    os._exit(0)  # pyarrow's threads now and then abort at an ordinary end


def start(command, **environment):
    """Exit status, or None where it hung, and standard error."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               start_new_session=True, env=os.environ | environment)
    try:
        said, hung = process.communicate(timeout=SECONDS)[1], False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, hung = process.communicate()[1], True
    return None if hung else process.returncode, said.decode(errors="replace")


def read(folder, pyarrow):
    """Every whole record below a folder, whatever state its files are in."""
    out = []
    for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
        unpack = {".gz": ["gzip", "-dc"], ".zst": ["zstd", "-dcq"]}.get(path.suffix)
        data = path.read_bytes() if path.suffix != ".parquet" else child(pyarrow, "read", path.read_bytes())
        if unpack:
            data = subprocess.run(unpack, input=data, capture_output=True).stdout
        for raw in data.splitlines():
            try:
                out.append(json.loads(raw))
            except (RecursionError, ValueError) as error:
                out += [{"id": "deep"}] * isinstance(error, RecursionError)
    return out


def complaint(said, hurt):
    """How an error or a warning on standard error tells: does it name the damaged file?"""
    told = [text for text in said.splitlines() if re.search(r"\b(WARNING|ERROR)\b|\w(Error|Exception)\b|Failed to", text)]
    return "file named" if any(hurt in text for text in told) else "message" if told else None


class Parable:
    def __init__(self, program, verb, pyarrow):
        self.program, self.verb, self.pyarrow, self.name = program, verb, pyarrow, f"parable {verb}"

    def run(self, source, out, hurt):
        extra = ["--policy", "tag-only", "--no-report"] if self.verb == "run" else []
        status, said = start([self.program, self.verb, "-q", "--allow-bad", "100%", "--gate", "off", *extra, "-o", out, source])
        if not (out / "ledger.json").exists():
            return status, [], complaint(said, hurt) or ("file named" if hurt in said else None)
        ledger = json.loads((out / "ledger.json").read_text())
        books = next(shard for shard in ledger["shards"] if shard["path"].endswith(hurt))
        told = "counted" if books["damage"] or books["quarantined"] else complaint(said, hurt)
        if self.verb == "run":
            return status, [(r["id"], r.get("text")) for r in read(out / "documents", self.pyarrow)], told
        rows = read(out / "attributes", self.pyarrow)  # a quarantined record has one too, without attributes
        return status, [(r["id"], None) for r in rows if r.get("attributes", True)], told


class Datatrove:
    def __init__(self, python, name):
        self.python, self.name = python, name

    def run(self, source, out, hurt):
        status, said = start([self.python, __file__, "--child", "datatrove", source, out, Path(hurt).suffix[1:]])
        return status, [(r.get("id"), r.get("text")) for r in read(out / "documents", None)], complaint(said, hurt)


class Dolma(Datatrove):
    def run(self, source, out, hurt):
        if hurt.endswith(".parquet"):
            return 0, [], "not run"
        out.mkdir()
        (out / "checksum.py").write_text(TAGGER)
        command = [self.python, "-m", "dolma.cli", "tag", "--documents", f"{source}/*", "--destination", f"{out}/tags"]
        status, said = start([*command, "--taggers", "checksum", "--tagger_modules", "checksum"], PYTHONPATH=str(out))
        rows = [(r["id"], next(iter(r["attributes"].values()))) for r in read(out / "tags", None)]
        return status, [(id, int(spans[0][2]) if spans else 0) for id, spans in rows], complaint(said, hurt)


def cell(status, out, told, expected, siblings, bad):
    if told == "not run":
        return told
    seen = collections.Counter(id for id, _ in out)
    kept = sum(id in seen for id in expected)
    checksum = lambda text: text if isinstance(text, int) else zlib.crc32(str(text).encode())
    altered = sum(text is not None and id in expected and checksum(text) != checksum(expected[id]) for id, text in out)
    foreign = sum(number for id, number in seen.items() if id not in expected and id not in siblings)
    twice = sum(number > 1 for id, number in seen.items() if id in expected or id in siblings)
    others = sum(all(f"{s}{n:04}" in seen for n in range(SIBLING)) for s in SIBLINGS)
    lost = kept < len(expected) or altered or foreign < bad
    words = [str(kept), "hung" if status is None else f"exit {status}", told or ("**SILENT**" if lost else "–")]
    words += [f"{altered} altered"] * bool(altered) + [f"{twice} ids twice"] * bool(twice)
    words += [f"{foreign} of {bad} bad lines out" if bad else f"{foreign} of no known id"] * bool(foreign)
    return "; ".join(words + [f"others {others}/{len(SIBLINGS)}"] * (others < len(SIBLINGS)))


def main():
    if sys.argv[1:2] == ["--child"]:
        return in_environment(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parable")
    parser.add_argument("python", nargs="*")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    held = {python: json.loads(child(python, "versions")) for python in [*args.python, sys.executable]}
    pyarrow = next((python for python in held if "pyarrow" in held[python]), None)
    tools = [Parable(args.parable, verb, pyarrow) for verb in ("scan", "run")]
    for python in args.python:
        more = " with backports.zstd" if "backports.zstd" in held[python] else ""
        for kind in (Datatrove, Dolma):
            if (name := kind.__name__.lower()) in held[python]:
                tools.append(kind(python, f"{name} {held[python][name]}{more}"))
    version = subprocess.check_output([args.parable, "--version"], text=True).strip()
    print(f"{datetime.date.today()}, {platform.system()}, Python {platform.python_version()}: {version}", end="")
    print("".join("; " + " ".join(" ".join(pair) for pair in held[python].items()) for python in args.python) + ".")
    print(LEGEND)
    print("| format | damage |", " | ".join(tool.name for tool in tools), "|")
    print("|---|---|" + "---|" * len(tools))
    draw = random.Random(21)
    siblings = {s: records(s, SIBLING, draw) for s in SIBLINGS}
    names, packed = {id for rows in siblings.values() for id, _ in rows}, {}
    with tempfile.TemporaryDirectory() as temporary:
        place = (args.keep or Path(temporary)).resolve()
        for nth, (form, damage, data, bad) in enumerate(cases(pyarrow)):
            if args.only not in f"{form} {damage}":
                continue
            source, hurt = place / f"{nth:02}" / "in", f"m-hurt.{form}"
            source.mkdir(parents=True)
            (source / hurt).write_bytes(data)
            if form not in packed:
                packed[form] = {s: pack(form, rows, pyarrow=pyarrow) for s, rows in siblings.items()}
            for s, sound in packed[form].items():
                (source / f"{s}-sound.{form}").write_bytes(sound)
            expected = dict(records("r", RECORDS, random.Random(20))) if data else {}
            cells = [cell(*tool.run(source, source.parent / str(n), hurt), expected, names, bad)
                     for n, tool in enumerate(tools)]
            print(f"| {form} | {damage} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
