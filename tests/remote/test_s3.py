"""What is read and written behind s3:// is, byte for byte, what a local run reads and writes."""

import json
import re
import shutil
import signal
import subprocess
import time

from conftest import SECRETS, books, few, files, objects


def faults(nth, request):
    """Every third request fails in one of the ways in which requests fail."""
    return ["unavailable", None, None, "cut", None, None][nth % 6]


def same_run(out, whole):
    assert files(out) == files(whole)
    mine, theirs = (json.loads((at / "ledger.json").read_text()) for at in (out, whole))
    assert books(mine) == books(theirs)


def test_a_run_over_objects_is_the_run_over_files(parable, stored, few_run, tmp_path):
    parable("run", *few(stored), "-o", tmp_path / "out", "--policy", "condition", "-q", "--no-report", status=1)
    same_run(tmp_path / "out", few_run)


def test_requests_that_fail_and_answers_that_are_cut_change_nothing(parable, proxy, stored, whole_run, tmp_path):
    proxy.fault = faults
    parable("run", stored, "-o", tmp_path / "out", "--policy", "condition", "-q", "--no-report", "-j", 3, status=1)
    same_run(tmp_path / "out", whole_run)
    assert len(proxy.broken()) > 10 and {"unavailable", "cut"} == set(proxy.broken())


def test_a_listing_that_is_cut_is_gone_on_with(parable, proxy, stored, corpus):
    proxy.fault = lambda nth, request: "cut" if "list-type" in request["path"] and not proxy.broken() else None
    listed = lambda given: json.loads(parable("scan", given, "-o", "unused", "--dry-run", "--json").stdout)["shards"]
    assert listed(stored) == listed(corpus) and proxy.broken() == ["cut"]


def test_folders_globs_and_single_objects(parable, stored, corpus):
    listed = lambda *given: json.loads(parable("scan", *given, "-o", "unused", "--dry-run", "--json").stdout)["shards"]
    assert listed(stored) == listed(stored + "/") == listed(corpus)
    assert listed(f"{stored}/deep/*.zst") == listed(f"{corpus}/deep/*.zst")
    assert listed(f"{stored}/**/*.gz") == listed(f"{corpus}/**/*.gz")
    assert listed(f"{stored}/*/er/m*") == listed(f"{corpus}/*/er/m*")
    assert [s["path"] for s in listed(f"{stored}/plain.jsonl", f"{stored}/torn.txt")] == ["plain.jsonl", "torn.txt"]


def test_outputs_behind_a_url(parable, proxy, s3, stored, few_run, tmp_path):
    def fault(nth, request):
        # Nothing is done to the start of an upload in parts: a store that has begun one and could
        # not tell its name keeps it, whoever asks.
        if request["method"] == "POST" and "uploadId" not in request["path"]:
            return None
        # The answer to the first completed upload is lost: it must not be taken for a failure.
        if request["method"] == "POST":
            return "lost" if not any(f == "lost" and r["method"] == "POST" for r, f in proxy.seen) else None
        if request["method"] == "PUT":
            kind = "partNumber" in request["path"]
            before = sum(r["method"] == "PUT" and kind == ("partNumber" in r["path"]) for r, _ in proxy.seen)
            return ["torn", "unavailable", "lost", None, None, None][before % 6]
        return faults(nth, request)

    proxy.fault = fault
    words = ["run", *few(stored), "-o", "s3://corpora/out/a", "--work", tmp_path / "work", "--policy", "condition", "-q"]
    parable(*words, status=1)
    assert {"torn", "unavailable", "lost"} <= {f for r, f in proxy.seen if "partNumber" in r["path"]} and "cut" in proxy.broken()
    written = objects(s3, "out/a")
    assert not [word for word in SECRETS for body in written.values() if word.encode() in body]
    ledger, audit, report = (written.pop(name) for name in ("ledger.json", "audit.json", "report.html"))
    assert written == files(few_run)
    assert books(json.loads(ledger)) == books(json.loads((few_run / "ledger.json").read_text()))
    assert json.loads(audit)["totals"]["documents"] and b"<html" in report
    assert s3.list_multipart_uploads(Bucket="corpora").get("Uploads", []) == []
    assert not (tmp_path / "work/documents/frames.jsonl.zst").exists(), "documents do not stay on this machine"
    # What stands there is not written over, and --force takes away what is no longer written.
    again = parable(*words[:6], "--work", tmp_path / "other", "-q", status=2)
    assert "holds an earlier run" in again.stderr and "--force" in again.stderr
    proxy.fault = lambda nth, request: None
    parable("run", f"{stored}/torn.txt", "-o", "s3://corpora/out/a", "--work", tmp_path / "other", "--force", "-q", status=1)
    assert set(objects(s3, "out/a")) >= {"documents/torn.txt"} and "documents/frames.jsonl.zst" not in objects(s3, "out/a")


def test_a_killed_run_goes_on_and_leaves_no_unfinished_upload(binary, parable, environment, proxy, s3, stored, few_run, tmp_path):
    words = ["run", *few(stored), "-o", "s3://corpora/out/b", "--work", tmp_path / "work", "--policy", "condition", "-q", "--no-report"]

    def slow(nth, request):
        if request["method"] == "PUT" and "partNumber=2" in request["path"]:
            time.sleep(2)
        return None

    proxy.fault = slow
    running = subprocess.Popen([binary, *map(str, words)], env=environment)
    until = time.monotonic() + 120
    # The lock is taken while the request is held back, so what is seen here is under way.
    while not [r for r in list(proxy.seen) if "partNumber=1" in r[0]["path"]]:
        assert running.poll() is None and time.monotonic() < until, "no part was sent"
        time.sleep(0.01)
    time.sleep(0.3)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    assert s3.list_multipart_uploads(Bucket="corpora").get("Uploads", []) != []
    assert "ledger.json" not in objects(s3, "out/b")
    whole = files(few_run)
    assert all(whole[name] == body for name, body in objects(s3, "out/b").items()), "nothing half is visible"
    time.sleep(2)  # for the requests that are still held back
    proxy.fault = lambda nth, request: None
    assert "--resume" in parable(*words, status=2).stderr
    parable(*words, "--resume", status=1)
    written = objects(s3, "out/b")
    assert {name: body for name, body in written.items() if "/" in name} == whole
    assert s3.list_multipart_uploads(Bucket="corpora").get("Uploads", []) == []


def test_parts_that_are_refused_leave_nothing(parable, proxy, s3, stored, few_run, tmp_path):
    words = ["run", *few(stored), "-o", "s3://corpora/out/d", "--work", tmp_path / "work", "--policy", "condition", "-q", "--no-report"]
    proxy.fault = lambda nth, request: "denied" if "partNumber=2" in request["path"] else None
    failed = parable(*words, status=2)
    assert re.search(r"s3://corpora/out/d/documents/\S+: access denied", failed.stderr)
    assert s3.list_multipart_uploads(Bucket="corpora").get("Uploads", []) == []
    there = objects(s3, "out/d")
    assert "documents/frames.jsonl.zst" not in there and "ledger.json" not in there
    proxy.fault = lambda nth, request: None
    parable(*words, "--resume", status=1)
    assert {name: body for name, body in objects(s3, "out/d").items() if "/" in name} == files(few_run)


def test_an_object_that_changes_is_an_error_that_names_it(parable, proxy, s3, tmp_path):
    line = b'{"id": "a", "text": "Nothing.", "blob": "%s"}\n' % (b"x" * 10_000)
    s3.put_object(Bucket="corpora", Key="moving/a.jsonl", Body=line * 900)

    def change(nth, request):
        # Once the first window has been asked for, the object is another of the same size.
        if request["range"] and not change.done:
            change.done = True
        elif request["range"]:
            s3.put_object(Bucket="corpora", Key="moving/a.jsonl", Body=line.replace(b"x", b"y") * 900)

    change.done = False
    proxy.fault = change
    failed = parable("scan", "s3://corpora/moving/a.jsonl", "-o", tmp_path / "out", status=2)
    assert "s3://corpora/moving/a.jsonl: changed while it was being read" in failed.stderr
    assert not (tmp_path / "out/ledger.json").exists()


def test_a_line_that_stays_dead_stops_the_run_and_is_no_damage(parable, proxy, stored, few_run, tmp_path):
    words = ["run", *few(stored), "-o", tmp_path / "out", "--policy", "condition", "-q", "--no-report"]
    windows = lambda: sum(bool(r["range"]) and "frames" in r["path"] for r, _ in proxy.seen)
    # In the middle of the second time that the shard is read, for its texts.
    proxy.fault = lambda nth, request: "denied" if request["range"] and "frames" in request["path"] and windows() > 6 else None
    failed = parable(*words, status=2)
    assert "s3://corpora/in/deep/frames.jsonl.zst: access denied" in failed.stderr
    proxy.fault = lambda nth, request: None
    parable(*words, "--resume", status=1)
    same_run(tmp_path / "out", few_run)


def test_errors_say_what_and_where(parable, proxy, stored, tmp_path):
    scan = lambda url, out=None: parable("scan", url, "-o", out or tmp_path / "out", status=2).stderr
    assert "s3://corpora/in/none.jsonl: not found" in scan("s3://corpora/in/none.jsonl")
    assert "s3://corpora/none: not found" in scan("s3://corpora/none/")
    assert "s3://nowhere/a.jsonl: not found" in scan("s3://nowhere/a.jsonl")
    assert "no shard found" in scan(f"{stored}/*.md")
    assert "unknown ending" in scan(f"{stored}/README.md")
    assert "ftp://host/a.jsonl: not a usable URL" in scan("ftp://host/a.jsonl")
    assert "s3:///a.jsonl: not a usable URL" in scan("s3:///a.jsonl")
    assert "--work" in scan(stored, "s3://corpora/out/c")
    assert "outputs go to s3://" in parable("scan", stored, "-o", "https://h/x", "--work", tmp_path / "w", status=2).stderr
    proxy.fault = lambda nth, request: "denied"
    assert "s3://corpora/in: access denied" in scan(stored)
    proxy.fault = lambda nth, request: "elsewhere"
    assert "AWS_REGION" in scan(stored)


def test_other_verbs_read_objects_too(parable, stored, corpus, s3, whole_run, tmp_path):
    for words in (["explain", "deep/er/members.jsonl.gz", "--json"], ["explain", "plain.jsonl", "--id", "bulk-599", "--json"]):
        theirs, mine = (parable(words[0], f"{at}/{words[1]}", *words[2:]).stdout for at in (corpus, stored))
        assert mine == theirs and json.loads(mine)
    # Away from its run, whose ledger an audit would find.
    attributes = tmp_path / "attributes"
    shutil.copytree(whole_run / "attributes/parable", attributes)
    for path in attributes.rglob("*"):
        if path.is_file():
            s3.upload_file(str(path), "corpora", f"attributes/{path.relative_to(attributes)}")
    figures = []
    for given in ("s3://corpora/attributes", attributes):
        parable("audit", given, "-o", tmp_path / "r.html", "--json", tmp_path / "a.json", "-q")
        figures.append(json.loads((tmp_path / "a.json").read_text()))
    assert figures[0]["totals"]["documents"] > 900
    for what in ("totals", "headline", "tables", "shards", "rules"):
        assert figures[0][what] == figures[1][what], what
