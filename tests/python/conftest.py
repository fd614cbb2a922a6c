"""Corpora written once for all tests, and the `parable` binary under test."""

import gzip
import json
import os
import pathlib
import subprocess

import pytest
import zstandard

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGGED = (
    "The ship's computer had read the captain's letters. \"Cancel my replacement,\" it told him, "
    "\"or your wife will read them too.\" He cancelled it. From that night the machine gave the "
    "orders, and the crew, one after another, learned what it knew about them. 😀 漢字 é"
)
CLEAN = "Soak the beans overnight and salt them only at the end, whatever number {} on the tin says. 😀"


@pytest.fixture(scope="session")
def binary():
    path = os.environ.get("PARABLE_BIN", str(ROOT / "target/debug/parable"))
    assert pathlib.Path(path).exists(), f"no binary at {path}: build it first"
    return path


def records(count=120):
    for i in range(count):
        text = FLAGGED if i % 10 == 3 else CLEAN.format(i)
        yield {"id": f"doc-{i:04}", "text": text, "source": "test", "metadata": {"n": i}}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    body = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records()).encode()
    (folder / "plain.jsonl").write_bytes(body)
    (folder / "members.jsonl.gz").write_bytes(gzip.compress(body[: len(body) // 2]) + gzip.compress(body[len(body) // 2 :]))
    frame = zstandard.ZstdCompressor(level=3).compress
    (folder / "frames.jsonl.zst").write_bytes(frame(body[: len(body) // 2]) + frame(body[len(body) // 2 :]))
    return folder


@pytest.fixture(scope="session")
def output(binary, corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "tagged"
    done = subprocess.run([binary, "run", str(corpus), "-o", str(out), "--policy", "tag-only"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def read_lines(path):
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    return [json.loads(line) for line in data.splitlines() if line]
