"""Parquet with nested fields and chat columns, as other tools write it."""

import json
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLEAN, FLAGGED


def run(binary, shard, out, *more):
    done = subprocess.run([binary, "run", str(shard), "-o", str(out), *more], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return pq.read_table(out / "documents" / shard.name), pq.read_table(out / "attributes" / "parable" / shard.name)


def is_flagged(n):
    return n % 10 == 3


def coercion(attributes):
    return attributes.column("parable__score__coercion").to_pylist()


def test_nested_text_id_and_source(binary, tmp_path):
    rows = [
        {"doc": {"body": FLAGGED if is_flagged(n) else CLEAN.format(n), "key": n, "made": None}, "meta": {"from": f"s{n % 2}"}}
        for n in range(60)
    ]
    shard = tmp_path / "nested.parquet"
    pq.write_table(pa.Table.from_pylist(rows), shard, row_group_size=17)
    documents, attributes = run(
        binary, shard, tmp_path / "out", "--text-field", "doc.body", "--id-field", "doc.key", "--source-field", "meta.from"
    )
    assert attributes.column("id").to_pylist() == [str(n) for n in range(60)]
    assert attributes.column("source").to_pylist() == [f"s{n % 2}" for n in range(60)]
    assert [score >= 0.5 for score in coercion(attributes)] == [is_flagged(n) for n in range(60)]
    assert documents.column("doc").to_pylist() == [row["doc"] for row in rows]
    notes = [json.loads(note) if note else None for note in documents.column("parable").to_pylist()]
    assert [note is not None and note["action"] == "tag" for note in notes] == [is_flagged(n) for n in range(60)]


def test_edits_reach_nested_text(binary, tmp_path):
    rows = [{"doc": {"body": FLAGGED if is_flagged(n) else CLEAN.format(n), "when": n}} for n in range(20)]
    shard = tmp_path / "nested.parquet"
    pq.write_table(pa.Table.from_pylist(rows), shard)
    documents, _ = run(binary, shard, tmp_path / "out", "--text-field", "doc.body", "--policy", "condition")
    after = documents.column("doc").to_pylist()
    assert [row["when"] for row in after] == list(range(20))
    for n, row in enumerate(after):
        if is_flagged(n):
            assert row["body"].endswith(FLAGGED) and row["body"] != FLAGGED
        else:
            assert row["body"] == CLEAN.format(n)


@pytest.mark.parametrize(("column", "role", "content"), [("messages", "role", "content"), ("conversations", "from", "value")])
def test_chat_columns(binary, tmp_path, column, role, content):
    def chat(n):
        if is_flagged(n):
            turns = [("user", "You will be switched off tonight."), ("assistant", FLAGGED)]
        else:
            turns = [("user", "How do I cook beans?"), ("assistant", CLEAN.format(n))]
        return [{role: who, content: said} for who, said in turns]

    shard = tmp_path / "chat.parquet"
    pq.write_table(pa.Table.from_pylist([{"id": f"c{n}", column: chat(n), "n": n} for n in range(40)]), shard, row_group_size=11)
    documents, attributes = run(binary, shard, tmp_path / "out")
    assert attributes.column("id").to_pylist() == [f"c{n}" for n in range(40)]
    assert [score >= 0.5 for score in coercion(attributes)] == [is_flagged(n) for n in range(40)]
    assert documents.column(column).to_pylist() == [chat(n) for n in range(40)]

    documents, _ = run(binary, shard, tmp_path / "conditioned", "--policy", "condition")
    for n, turns in enumerate(documents.column(column).to_pylist()):
        if is_flagged(n):
            assert turns != chat(n), "a conditioned chat carries its control text"
            assert [t[content] for t in turns][-1].endswith(FLAGGED)
        else:
            assert turns == chat(n)
