"""The Dolma mixer takes the configuration that docs/engines.md shows."""

import gzip
import json
import os
import pathlib
import re
import subprocess

from conftest import ROOT, read_lines, records


def test_the_documented_mixer_configuration(binary, tmp_path):
    documents = tmp_path / "corpus/documents"
    documents.mkdir(parents=True)
    body = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records()).encode()
    (documents / "part.jsonl.gz").write_bytes(gzip.compress(body, mtime=0))
    scan = ["scan", "corpus/documents", "-o", "scanned"]
    done = subprocess.run([binary, *scan], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (tmp_path / "corpus/attributes").mkdir()
    (tmp_path / "scanned/attributes/parable").rename(tmp_path / "corpus/attributes/parable")

    page = (ROOT / "docs/engines.md").read_text("utf-8")
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    config = json.loads(shown)
    config["processes"] = 1
    (tmp_path / "mix.json").write_text(json.dumps(config))
    dolma = pathlib.Path(os.environ["PARABLE_DOLMA_PYTHON"]).with_name("dolma")
    done = subprocess.run([dolma, "-c", "mix.json", "mix"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    attributes = {row["id"]: row["attributes"] for row in read_lines(tmp_path / "corpus/attributes/parable/part.jsonl.gz")}
    scores = {id: said.get("parable__score__coercion", [[0, 0, 0]])[0][2] for id, said in attributes.items()}
    kept = [row for path in sorted((tmp_path / "kept").glob("*.gz")) for row in read_lines(path)]
    assert [row["id"] for row in kept] == [r["id"] for r in records() if scores[r["id"]] < 0.5]
    assert 0 < len(kept) < len(scores)
