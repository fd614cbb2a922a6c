"""datatrove's own executor, two tasks in two processes."""

import json

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

import parable
from parable.datatrove import ParableFilter, ParableTagger

DROP = """
name = "drop-enacted"
summary = "No stories of coercion"
[[rule]]
id = "enacted"
reason = "shows coercion"
when = { at_least = { enacted = 0.5 } }
do = { action = "drop" }
"""


def pipeline(shards, out, step, logs):
    executor = LocalPipelineExecutor(
        pipeline=[JsonlReader(str(shards), glob_pattern="*.jsonl*"), step, JsonlWriter(str(out), compression=None)],
        tasks=2,
        workers=2,
        logging_dir=str(logs),
    )
    executor.run()
    lines = [line for path in sorted(out.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    return {doc["id"]: doc for doc in map(json.loads, lines)}


def test_the_tagger_says_what_the_command_line_says(shards, whole_run, tmp_path):
    tagged = pipeline(shards, tmp_path / "out", ParableTagger("condition"), tmp_path / "logs")
    expected = {}
    for path in (whole_run / "attributes/parable").iterdir():
        data = path.read_bytes()
        if path.suffix == ".gz":
            import gzip

            data = gzip.decompress(data)
        for line in data.splitlines():
            row = json.loads(line)
            expected[row["id"]] = row["attributes"]
    assert set(tagged) == {id for id in expected if not id.startswith("odd-1#")}, "empty texts are skipped"
    found = {id: doc["metadata"].get("parable", {"attributes": {}}) for id, doc in tagged.items()}
    assert all(found[id]["attributes"] == expected[id] for id in found)
    actions = [said.get("action") for said in found.values()]
    assert "condition" in actions and "keep" in actions


def test_the_filter_removes_what_the_policy_drops(shards, command_line, tmp_path):
    (tmp_path / "drop.toml").write_text(DROP)
    command_line("run", shards, "-o", tmp_path / "run", "--policy", tmp_path / "drop.toml", "--quiet")
    policy = parable.Policy.parse(DROP)
    excluded = JsonlWriter(str(tmp_path / "excluded"), compression=None)
    step = ParableFilter(policy, exclusion_writer=excluded)
    kept = pipeline(shards, tmp_path / "out", step, tmp_path / "logs")
    dropped = {}
    for path in (tmp_path / "excluded").glob("*.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            doc = json.loads(line)
            dropped[doc["id"]] = doc
    import gzip

    ours = set()
    for path in (tmp_path / "run/documents").iterdir():
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        ours |= {json.loads(line)["id"] for line in data.splitlines()}
    assert set(kept) == {id for id in ours if not id.startswith("odd-1#")}
    assert dropped and not set(kept) & set(dropped)
    assert {doc["metadata"]["filter_reason"] for doc in dropped.values()} == {"enacted"}
