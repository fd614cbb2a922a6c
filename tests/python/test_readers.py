"""What `parable run` writes must open in the programs that users already have."""

import json
import os
import pathlib
import subprocess

import datasets
import pyarrow.json
import pytest
from conftest import CLEAN, FLAGGED, read_lines, records
from datatrove.pipeline.readers import JsonlReader

SHARDS = ["plain.jsonl", "members.jsonl.gz", "frames.jsonl.zst"]


@pytest.mark.parametrize("shard", SHARDS)
def test_rows_align_and_offsets_are_code_points(output, shard):
    documents = read_lines(output / "documents" / shard)
    attributes = read_lines(output / "attributes" / "parable" / shard)
    assert [d["id"] for d in documents] == [r["id"] for r in records()]
    assert [a["id"] for a in attributes] == [d["id"] for d in documents]
    flagged = 0
    for document, row in zip(documents, attributes):
        for name, spans in row["attributes"].items():
            for start, end, score in spans:
                assert isinstance(start, int) and isinstance(end, int) and isinstance(score, (int, float))
                if name.startswith("parable__evidence_bytes__"):
                    assert 0 <= start < end <= len(document["text"].encode())
                    document["text"].encode()[start:end].decode()
                else:
                    assert 0 <= start <= end <= len(document["text"])
                if name.startswith("parable__score__"):
                    assert (start, end) == (0, len(document["text"]))
        if row["attributes"].get("parable__score__coercion", [[0, 0, 0]])[0][2] >= 0.5:
            flagged += 1
            assert document["text"] == FLAGGED
            assert document["metadata"]["parable"]["action"] == "tag"
            assert document["metadata"]["n"] % 10 == 3
    assert flagged == 12


def test_untouched_documents_keep_their_bytes(output, corpus):
    before = (corpus / "plain.jsonl").read_bytes().splitlines()
    after = (output / "documents" / "plain.jsonl").read_bytes().splitlines()
    same = [a == b for a, b in zip(before, after, strict=True)]
    assert sum(same) == 108


@pytest.mark.parametrize("shard", SHARDS)
def test_datasets_loads_them(output, shard, tmp_path):
    loaded = datasets.load_dataset("json", data_files=str(output / "documents" / shard), split="train", cache_dir=str(tmp_path))
    assert loaded.num_rows == 120
    assert loaded[0]["text"] == CLEAN.format(0)


def test_pyarrow_reads_them(output):
    table = pyarrow.json.read_json(output / "documents" / "plain.jsonl")
    assert table.num_rows == 120
    assert table.column("text")[3].as_py() == FLAGGED


@pytest.mark.parametrize("shard", SHARDS)
def test_datatrove_reads_them(output, shard):
    reader = JsonlReader(str(output / "documents"), glob_pattern=shard, compression="infer")
    documents = list(reader.run(rank=0, world_size=1))
    assert [d.id for d in documents] == [r["id"] for r in records()]
    assert documents[3].text == FLAGGED


def test_dolma_mixes_by_our_attributes(output, tmp_path):
    """The real mixer drops exactly the documents whose coercion score is at least 0.5."""
    dolma = pathlib.Path(os.environ["PARABLE_DOLMA_PYTHON"]).with_name("dolma")
    config = {
        "streams": [
            {
                "name": "kept",
                "documents": [str(output / "documents" / "members.jsonl.gz")],
                "attributes": ["parable"],
                "filter": {"exclude": ["$.attributes[?(@.parable__score__coercion && @.parable__score__coercion[0] && @.parable__score__coercion[0][2] >= 0.5)]"]},
                "output": {"path": str(tmp_path / "mixed"), "max_size_in_bytes": 100000000},
            }
        ],
        "processes": 1,
    }
    (tmp_path / "mix.json").write_text(json.dumps(config))
    done = subprocess.run([dolma, "-c", str(tmp_path / "mix.json"), "mix"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = sorted((tmp_path / "mixed").glob("*.gz"))
    assert written, done.stderr
    kept = [row for path in written for row in read_lines(path)]
    assert [row["id"] for row in kept] == [r["id"] for r in records() if r["metadata"]["n"] % 10 != 3]
