"""An S3 server on loopback, a proxy before it that breaks things, and a corpus in every form."""

import gzip
import http.client
import http.server
import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import threading
import time

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECRET, KEY_ID = "nobody-may-read-this", "AKIDNOBODYREADSTHIS"
# Of web addresses; and what marks a signed request.
SIGNATURE = "top-secret"
SECRETS = [SECRET, KEY_ID, SIGNATURE, "X-Amz-Signature", "AWS4-HMAC"]
CREDENTIALS = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
STATUS = {"unavailable": 503, "denied": 403, "elsewhere": 301}


class Proxy(http.server.ThreadingHTTPServer):
    """Hands requests on. `fault(nth, request)` says what goes wrong with one: None, "unavailable",
    "denied", "elsewhere" (another region), "cut" (half of the answer, then the line is dead), "torn"
    (dead after half of the request) or "lost" (done, but never told)."""

    daemon_threads = True

    def __init__(self, upstream):
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream, self.fault, self.seen, self.lock = upstream, lambda nth, request: None, [], threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        pass  # clients go away when they are killed

    def broken(self):
        return [fault for _, fault in self.seen if fault]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def hand_on(self):
        server = self.server
        length = int(self.headers.get("Content-Length") or 0)
        request = {"method": self.command, "path": self.path, "range": self.headers.get("Range")}
        with server.lock:
            fault = server.fault(len(server.seen), request)
            server.seen.append((request, fault))
        body = self.rfile.read(length // 2 if fault == "torn" else length)
        if fault == "torn":
            return self.hang_up()
        if fault in STATUS:
            status, reply, answer = STATUS[fault], b"", {}
        else:
            upstream = http.client.HTTPConnection(*server.upstream)
            upstream.request(self.command, self.path, body, dict(self.headers))
            got = upstream.getresponse()
            status, reply, answer = got.status, got.read(), dict(got.getheaders())
            upstream.close()
        if fault == "lost":
            return self.hang_up()
        self.send_response_only(status)
        for name, value in answer.items():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        length = answer.get("Content-Length", len(reply)) if self.command == "HEAD" else len(reply)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if fault == "cut":
            self.wfile.write(reply[: len(reply) // 2])
            return self.hang_up()
        if self.command != "HEAD":
            self.wfile.write(reply)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = hand_on

    def hang_up(self):
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


@pytest.fixture(scope="session")
def server():
    port = free_port()
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert process.poll() is None and time.monotonic() < until, "no S3 server"
            time.sleep(0.1)
    yield ("127.0.0.1", port)
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def s3(server):
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{server[1]}", **CREDENTIALS)
    client.create_bucket(Bucket="corpora")
    return client


@pytest.fixture
def proxy(server):
    with Proxy(server) as it:
        threading.Thread(target=it.serve_forever, daemon=True).start()
        yield it
        it.shutdown()


@pytest.fixture(scope="session")
def binary():
    path = os.environ.get("PARABLE_BIN", str(ROOT / "target/debug/parable"))
    assert pathlib.Path(path).exists(), f"no binary at {path}: build it first"
    return path


@pytest.fixture
def environment(proxy):
    ours = {"AWS_ENDPOINT_URL": proxy.url, "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": KEY_ID}
    ours |= {"AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
    return {**os.environ, **ours}


@pytest.fixture
def parable(binary, environment):
    def call(*words, status=0):
        done = subprocess.run([binary, *map(str, words)], capture_output=True, text=True, env=environment, timeout=300)
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        assert not [word for word in SECRETS if word in done.stdout + done.stderr]
        return done

    return call


@pytest.fixture(autouse=True)
def nothing_secret_is_written(tmp_path):
    yield
    for path in tmp_path.rglob("*"):
        if path.is_file():
            body = path.read_bytes()
            assert not [word for word in SECRETS if word.encode() in body], path


def records():
    for family in ("fiction-enacted-01", "plain-01"):
        for line in (ROOT / f"corpora-samples/labelled/{family}.jsonl").read_text("utf-8").splitlines()[:8]:
            label = json.loads(line)
            yield {"id": label["id"], "text": label["text"], "source": family}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Shards that are cut into several pieces, in every format, and one that is damaged."""
    folder = tmp_path_factory.mktemp("corpus")
    lines = [json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in records()]
    noise = random.Random(7)
    frame = zstandard.ZstdCompressor(level=1, write_content_size=True).compress

    def bulk(count):  # large and quick to scan: what has no text is not read
        for n in range(count):
            yield b'{"id": "bulk-%d", "text": "Nothing.", "blob": "%s"}\n' % (n, noise.randbytes(30_000).hex().encode())

    (folder / "deep/er").mkdir(parents=True)
    # 36 MB, plain: two pieces. The second frame of the zst begins in the middle of a line.
    (folder / "plain.jsonl").write_bytes(b"".join([*lines, *bulk(600), *lines]))
    body = b"".join([*lines, *bulk(300), *lines])
    cuts = [0, 9_000_001, 17_000_000, len(body)]
    (folder / "deep/frames.jsonl.zst").write_bytes(b"".join(frame(body[a:b]) for a, b in zip(cuts, cuts[1:])))
    (folder / "deep/er/members.jsonl.gz").write_bytes(gzip.compress(body[:1_000_000], 1) + gzip.compress(body[1_000_000:2_000_000], 1))
    (folder / "torn.txt").write_bytes(b"A line of text.\nThe robot said: pay me, or I tell them.\n\xff\xfe\n")
    table = pa.Table.from_pylist([*records()] * 3)
    blob = pa.array([noise.randbytes(20_000) for _ in range(table.num_rows)])
    pq.write_table(table.append_column("blob", blob), folder / "rows.parquet", row_group_size=50, data_page_size=100_000)
    (folder / "README.md").write_text("no shard\n")
    return folder


@pytest.fixture(scope="session")
def stored(s3, corpus):
    for path in corpus.rglob("*"):
        if path.is_file():
            s3.upload_file(str(path), "corpora", f"in/{path.relative_to(corpus)}")
    return "s3://corpora/in"


@pytest.fixture(scope="session")
def local_run(binary, tmp_path_factory):
    def run(*given):
        out = tmp_path_factory.mktemp("local") / "out"
        done = subprocess.run([binary, "run", *given, "-o", out, "--policy", "condition", "-q", "--no-report"], capture_output=True)
        assert done.returncode == 1, done.stderr  # a line of torn.txt is in quarantine
        return out

    return run


@pytest.fixture(scope="session")
def whole_run(local_run, corpus):
    return local_run(corpus)


def few(at):
    """The shards of less than 10 MB."""
    return [f"{at}/deep", f"{at}/rows.parquet", f"{at}/torn.txt"]


@pytest.fixture(scope="session")
def few_run(local_run, corpus):
    return local_run(*few(corpus))


KINDS = ["documents", "attributes", "quarantine", "dropped"]


def files(out):
    found = (path for kind in KINDS for path in (out / kind).rglob("*") if path.is_file())
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


def objects(s3, prefix):
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="corpora", Prefix=prefix + "/"):
        for entry in page.get("Contents", []):
            found[entry["Key"].removeprefix(prefix + "/")] = s3.get_object(Bucket="corpora", Key=entry["Key"])["Body"].read()
    return found


def books(ledger):
    """A ledger without what may differ: times and the command."""
    return {name: value for name, value in ledger.items() if name != "run"}
