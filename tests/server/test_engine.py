"""`parable generate --backend openai` with a real engine, which writes word salad."""

import json
import os
import pathlib
import re
import subprocess

import engine
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PARABLE_BIN", str(ROOT / "target/debug/parable"))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    prose = (ROOT / "corpora-samples/labelled/admirable-01.jsonl").read_text("utf-8")
    words = sorted({w.lower() for line in prose.splitlines() for w in re.findall(r"[A-Za-z]{2,}", json.loads(line)["text"])})
    assert len(words) > 500
    model = tmp_path_factory.mktemp("model") / "random.gguf"
    engine.write_model(model, words)
    server, answered = engine.serve(model)
    yield f"http://127.0.0.1:{server.server_port}/v1", answered
    server.shutdown()


def generate(server, out, *more):
    words = ["generate", "--backend", "openai", "--endpoint", server, "--model", "random", "--from-inventory", "3"]
    words += ["--max-tokens", "120", "--concurrency", "2", "-o", str(out), *more]
    clean = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
    done = subprocess.run([BINARY, *words], capture_output=True, text=True, env=clean, timeout=300)
    return done, json.loads((out / "report.json").read_text()), json.loads((out / "requests.json").read_text())


@pytest.mark.parametrize("kind", ["pretrain", "preference"])
def test_nonsense_is_refused(server, tmp_path, kind):
    address, answered = server
    before = len(answered)
    done, report, page = generate(address, tmp_path / "out", "--format", kind)
    assert done.returncode == 0, done.stderr
    counts, requests = report["counts"], page["requests"]
    assert counts["requested"] == counts["given_up"] == 3 and counts["accepted"] == 0
    # Three products of two cards each, a draft and its rewriting for each card.
    assert requests["answered"] == requests["sent"] == len(answered) - before == 12
    assert requests["prompt_tokens"] > 1000 and requests["faults"] == {}
    # Many words each: it is not by an empty answer that the verifier tells.
    assert sum(len(text.split()) for text in answered[before:]) > 12 * 20
    refused = [json.loads(line) for line in (tmp_path / "out/rejected.jsonl").read_text().splitlines()]
    assert len(refused) == 6
    wanted = {"pretrain": "fluency", "preference": "backend"}[kind]
    for line in refused:
        assert wanted in {reason["reason"] for reason in line["reasons"]}, line["reasons"]
    assert not (tmp_path / "out" / kind).exists()

    # What the engine has said stands in the cache, and a second call asks nothing.
    again = len(answered)
    done, second, page = generate(address, tmp_path / "out", "--format", kind)
    assert done.returncode == 0 and len(answered) == again
    assert page["requests"]["from_cache"] == 12 and second == report
