"""The package alone: the same answers as the command line, in every shape, and honest errors."""

import ast
import json
import os
import pathlib
import pickle
import subprocess
import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from conftest import CHATS, ROOT, files, same_rows

import parable


def shapes(table):
    return {
        "table": table,
        "batch": table.combine_chunks().to_batches()[0],
        "reader": table.to_reader(max_chunksize=17),
        "chunks": pa.concat_tables([table.slice(0, 40), table.slice(40)]),
        "pandas": table.to_pandas(),
        "polars": pl.from_arrow(table),
        "columns": table.to_pydict(),
        "large": table.cast(pa.schema([(name, pa.large_string()) for name in table.column_names])),
    }


@pytest.mark.parametrize("shape", ["table", "batch", "reader", "chunks", "pandas", "polars", "columns", "large"])
def test_every_shape_gives_the_rows_of_the_command_line(filters, table, expected, shape):
    scored = filters.score_batch(shapes(table)[shape])
    assert scored.column("id").to_pylist() == table.column("id").to_pylist()
    assert scored.schema.equals(expected.schema)
    assert scored.to_pylist() == expected.to_pylist()


def test_the_corpus_is_worth_comparing(expected):
    scores = expected.column("parable__score__coercion").to_pylist()
    assert sum(score >= 0.5 for score in scores) >= 5
    assert sum(score == 0 for score in scores) >= 5
    assert sum("parable__evidence__" in row for row in expected.column("attributes").to_pylist()) >= 5


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_do_not_matter(table, expected, threads):
    scored = parable.FilterSet.load(threads=threads).score_batch(table)
    assert scored.equals(expected)


def test_records_have_the_rows_of_the_command_line(filters, command_line, records, tmp_path):
    given = [*records, *CHATS, {"id": "escaped", "text": "a \ud83d robot, sold for parts"}]
    shard = tmp_path / "records.jsonl"
    shard.write_text("".join(json.dumps(r) + "\n" for r in given))
    command_line("scan", shard, "-o", tmp_path / "out", "--quiet")
    rows = (tmp_path / "out/attributes/parable/records.jsonl").read_text("utf-8").splitlines()
    assert [filters.score(record).row for record in given] == rows
    text = records[0]
    assert filters.score(text["text"], id=text["id"], source=text["source"]).row == rows[0]
    assert filters.score(given[-1]["text"], id="escaped").row == rows[-1]
    assert filters.score(CHATS[0]["messages"], id="chat-a").row == rows[len(records)]


def test_chat_columns_have_the_rows_of_the_command_line(filters, command_line, tmp_path):
    import pyarrow.parquet as pq

    chat = pa.table({"id": ["chat-a"], "messages": [CHATS[0]["messages"]]})
    pq.write_table(chat, tmp_path / "chat.parquet")
    command_line("scan", tmp_path / "chat.parquet", "-o", tmp_path / "out", "--quiet")
    expected = pq.read_table(tmp_path / "out/attributes/parable/chat.parquet")
    assert filters.score_batch(chat).equals(expected)
    assert expected.column("parable__score__coercion")[0].as_py() > 0


def test_verdicts_are_typed(filters, records):
    flagged = max(records, key=lambda r: len(filters.score(r["text"]).evidence))
    verdict = filters.score(flagged["text"], id=flagged["id"])
    assert verdict.coercion > 0 and not verdict.cleared
    assert 0 <= verdict.severity <= 4
    assert abs(sum(verdict.frame.values()) - 1) < 1e-3
    assert len(verdict.categories) == 23
    assert verdict.evidence
    for evidence in verdict.evidence:
        assert flagged["text"][evidence.start : evidence.end] == evidence.quote
        raw = flagged["text"].encode()
        assert raw[evidence.start_byte : evidence.end_byte].decode() == evidence.quote
    cleared = parable.FilterSet.load(gate="named").score("Soak the beans overnight.")
    assert cleared.cleared and cleared.coercion == 0 and cleared.evidence == ()
    assert not parable.FilterSet.load(gate="off").score("Soak the beans overnight.").cleared


def test_policies_apply_as_on_the_command_line(filters, table, conditioned):
    passed = filters.apply_batch(table, parable.Policy.load("condition"))
    assert passed.documents.to_pylist() == conditioned.to_pylist()
    assert passed.documents.column("text").to_pylist() != table.column("text").to_pylist()
    counts = passed.counts
    actions = ["kept", "tagged", "weighted", "masked", "conditioned", "replaced", "dropped", "quarantined"]
    assert counts["records_in"] == sum(counts[action] for action in actions) == table.num_rows
    assert counts["conditioned"] > 0


def test_policies_decide(filters, table, conditioned):
    policy = parable.Policy.load("condition")
    notes = {row["id"]: row["parable"] for row in conditioned.to_pylist()}
    for row in table.to_pylist():
        verdict = filters.score(row["text"], id=row["id"], source=row["source"])
        decision = policy.decide(verdict, metadata=json.loads(row["metadata"]))
        note = notes[row["id"]]
        assert decision.action == (json.loads(note)["action"] if note else "keep"), row["id"]
    parable.Policy.check(policy.text)
    with pytest.raises(parable.PolicyError, match="line 1"):
        parable.Policy.check("nonsense")
    with pytest.raises(FileNotFoundError):
        parable.Policy.load("no-such-policy")
    with pytest.raises(parable.PolicyError, match="refill"):
        filters.apply_batch(table, parable.Policy.load("strict-drop-and-refill"))


def test_bad_tables_are_named(filters):
    with pytest.raises(parable.TableError, match="`text`"):
        filters.score_batch({"body": ["a"]})
    with pytest.raises(parable.TableError, match="Int64"):
        filters.score_batch({"text": [1]})
    with pytest.raises(parable.TableError, match="Binary"):
        filters.score_batch(pa.table({"text": pa.array([b"\xff"], pa.binary())}))
    with pytest.raises(parable.TableError, match="no table"):
        filters.score_batch(7)
    with pytest.raises(ValueError, match="gate"):
        parable.FilterSet.load(gate="narrow")
    with pytest.raises(parable.FilterError):
        parable.FilterSet.load("/no/such/folder")
    with pytest.raises(parable.ModelError):
        parable.FilterSet.load(model=__file__)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_bad_utf8_is_refused_with_row_and_column(filters, kind):
    raw = pa.array([b"fine robot", b"bad robot \xff\xfe", b"fine"], pa.large_binary() if kind == pa.large_string() else pa.binary())
    table = pa.table({"text": pa.Array.from_buffers(kind, 3, raw.buffers())})
    with pytest.raises(parable.DocumentError, match="row 1, column `text`") as caught:
        filters.score_batch(table)
    assert (caught.value.row, caught.value.column) == (1, "text")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.row, again.column, str(again)) == (1, "text", str(caught.value))
    assert filters.score_batch(table.slice(2)).num_rows == 1


def test_nulls_are_refused_or_reported(filters):
    table = pa.table({"id": ["a", "b", "c"], "text": ["a robot", None, "beans"]})
    with pytest.raises(parable.DocumentError, match="row 1, column `text`") as caught:
        filters.score_batch(table)
    assert caught.value.row == 1
    reported = filters.score_batch(table, errors="report")
    errors = reported.column("error").to_pylist()
    assert errors[0] is None and errors[1] and errors[2] is None
    assert reported.column("attributes")[1].as_py() == "{}"
    passed = filters.apply_batch(table, parable.Policy.load("tag-only"), errors="report")
    assert passed.documents.column("id").to_pylist() == ["a", "c"]
    assert passed.counts["quarantined"] == 1
    with pytest.raises(parable.DocumentError):
        filters.score({"id": "x"})
    with pytest.raises(ValueError, match="errors"):
        filters.score_batch(table, errors="ignore")


def test_empty_and_huge_texts(filters):
    assert filters.score_batch({"text": pa.array([], pa.string())}).num_rows == 0
    huge = "The robot said no. " * 200_000
    scored = filters.score_batch({"id": ["h"], "text": [huge]})
    assert json.loads(scored.column("attributes")[0].as_py())["parable__length__bytes"][0][2] == len(huge)


def test_copies_load_again(filters, table, expected):
    again = pickle.loads(pickle.dumps(filters))
    assert again.version == filters.version and again.gate == filters.gate
    assert again.score_batch(table).equals(expected)
    policy = parable.Policy.load("condition")
    assert pickle.loads(pickle.dumps(policy)).hash == policy.hash


def test_a_forked_child_scores(filters, table, expected):
    filters.score_batch(table)
    child = os.fork()
    if child == 0:
        same = filters.score_batch(table).equals(expected)
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_datasets_map(filters, table, expected):
    import datasets

    mapped = datasets.Dataset(table).map(
        filters.score_batch, batched=True, batch_size=50, num_proc=2, remove_columns=table.column_names
    )
    same_rows(mapped.with_format("arrow")[:], expected)


def test_runs_are_those_of_the_command_line(shards, whole_run, tmp_path):
    ledger = parable.run(shards, tmp_path / "out", policy=parable.Policy.load("condition"), threads=2)
    theirs = parable.Ledger.read(whole_run)
    assert ledger.totals == theirs.totals and ledger.shards == theirs.shards and not ledger.has_bad
    for kind in ["documents", "attributes"]:
        assert files(tmp_path / "out", kind) == files(whole_run, kind)
    for name in ["audit.json", "report.html"]:
        assert (tmp_path / "out" / name).read_bytes() == (whole_run / name).read_bytes()
    with pytest.raises(parable.RunError, match="earlier run"):
        parable.run(shards, tmp_path / "out", policy="condition")
    scanned = parable.scan(shards, tmp_path / "scan", threads=1)
    assert files(tmp_path / "scan", "attributes") == files(whole_run, "attributes")
    assert scanned.totals["records_in"] == ledger.totals["records_in"]
    figures = parable.audit([tmp_path / "out"], report=tmp_path / "report.html")
    assert figures["totals"]["documents"] == ledger.totals["records_in"]
    assert (tmp_path / "report.html").exists()


def test_errors_of_verbs_are_exceptions(tmp_path):
    with pytest.raises(parable.RunError, match="missing"):
        parable.scan(tmp_path / "missing.jsonl", tmp_path / "out")
    with pytest.raises(parable.UsageError, match="gate"):
        parable.scan(tmp_path, tmp_path / "out", gate="narrow")
    bad = tmp_path / "bad.toml"
    bad.write_text("nonsense")
    with pytest.raises(parable.PolicyError):
        parable.run(tmp_path, tmp_path / "out", policy=bad)
    hostile = ROOT / "corpora-samples/hostile/bad-utf8.jsonl"
    assert parable.scan(hostile, tmp_path / "hostile").has_bad


def test_counter_examples(tmp_path, command_line):
    report = parable.generate(tmp_path / "ours", count=6, format="sft", seed=3)
    assert report["counts"]["accepted"] >= 1
    command_line("generate", "-o", tmp_path / "theirs", "--format", "sft", "--count", 6, "--seed", 3, "--quiet")
    assert files(tmp_path / "ours", "sft") == files(tmp_path / "theirs", "sft")


def test_token_masks(filters, records, tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trained.train_from_iterator(["the machine said no"], trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False))
    trained.save(str(tmp_path / "tokenizer.json"))
    tokenizer = parable.Tokenizer.load(tmp_path / "tokenizer.json")
    text = max(records, key=lambda r: len(filters.score(r["text"]).evidence))["text"] + " 😀漢"
    spans = [(e.start, e.end) for e in filters.score(text).evidence]
    mask = tokenizer.mask(text, spans)
    assert len(mask) == tokenizer.count(text) == len(mask.ids) == len(mask.learn) == len(mask.labels)
    assert mask.ids == trained.encode(text, add_special_tokens=False).ids
    touched = [any(s < b and a < e for s, e in spans) for a, b in mask.offsets]
    assert mask.learn == [not t for t in touched] and any(touched) and not all(touched)
    assert mask.labels == [i if learn else -100 for i, learn in zip(mask.ids, mask.learn)]
    with pytest.raises(ValueError, match="does not lie"):
        tokenizer.mask("short", [(0, 99)])
    with pytest.raises(parable.TokenError):
        parable.Tokenizer(b"{}", "mine")


def test_the_program_of_the_wheel(shards, whole_run, tmp_path):
    program = pathlib.Path(sys.executable).with_name("parable")
    call = lambda *words: subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    done = call("run", shards, "-o", tmp_path / "out", "--policy", "condition", "--quiet")
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "out", "documents") == files(whole_run, "documents")
    assert call("--version").stdout.split()[1] == parable.__version__
    wrong = call("scan")
    assert wrong.returncode == 2 and "Usage" in wrong.stderr
    assert call("scan", ROOT / "corpora-samples/hostile/bad-utf8.jsonl", "-o", tmp_path / "bad", "-q").returncode == 1


def test_stubs_tell_of_everything():
    folder = pathlib.Path(parable.__file__).parent
    assert (folder / "py.typed").exists()
    stubs = ast.parse((folder / "_native.pyi").read_text())
    told = {node.name: node for node in stubs.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    from parable import _native

    names = {name for name in dir(_native) if not name.startswith("_")}
    assert names == set(told)
    for name, node in told.items():
        if isinstance(node, ast.ClassDef):
            members = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
            members |= {n.target.id for n in node.body if isinstance(n, ast.AnnAssign)}
            real = {m for m in vars(getattr(_native, name)) if not m.startswith("_")}
            assert {m for m in members if not m.startswith("_")} == real, name
    for name in parable.__all__:
        assert hasattr(parable, name)
