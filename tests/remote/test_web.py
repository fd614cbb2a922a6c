"""Files behind a plain web server, with and without ranges."""

import datetime
import http.server
import ipaddress
import json
import re
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from conftest import SIGNATURE, books, files


class Plain(http.server.SimpleHTTPRequestHandler):
    """Whole files only, and only to those who have the signature."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if query != f"signature={SIGNATURE}":
            return self.send_error(403)
        self.server.asked.append((path, self.headers.get("Range")))
        super().do_GET()


class Ranges(Plain):
    """Ranges too; no entity tags, so that the time of the last change tells contents apart."""

    def send_head(self):
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        path = self.translate_path(self.path)
        if not wanted:
            return super().send_head()
        with open(path, "rb") as file:
            body = file.read()
        start, end = int(wanted[1]), min(int(wanted[2]) + 1, len(body))
        if start >= len(body):
            return self.send_error(416)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(body)}")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        self.wfile.write(body[start:end])


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """An authority, and a certificate of this machine with its key."""
    folder = tmp_path_factory.mktemp("certificates")
    now = datetime.datetime.now(datetime.UTC)
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("authority", "machine")}
    names = {name: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in keys}
    for name, key in keys.items():
        authority = name == "authority"
        made = x509.CertificateBuilder().subject_name(names[name]).issuer_name(names["authority"])
        made = made.public_key(key.public_key()).serial_number(x509.random_serial_number())
        made = made.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        made = made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        if not authority:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            made = made.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        signed = made.sign(keys["authority"], hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "machine.key").write_bytes(keys["machine"].private_bytes(*form))
    return folder


@pytest.fixture(params=[Plain, Ranges])
def web(request, corpus, certificates, environment):
    handler = lambda *words: request.param(*words, directory=str(corpus))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        encrypted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        encrypted.load_cert_chain(certificates / "machine.pem", certificates / "machine.key")
        server.socket = encrypted.wrap_socket(server.socket, server_side=True)
        environment["SSL_CERT_FILE"] = str(certificates / "authority.pem")
        server.asked, server.kind = [], request.param
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_run_over_addresses_is_the_run_over_files(parable, web, corpus, tmp_path):
    names = ["deep/frames.jsonl.zst", "deep/er/members.jsonl.gz", "rows.parquet"]
    (corpus / "empty.jsonl").touch()
    at = f"https://127.0.0.1:{web.server_address[1]}"
    given = [f"{at}/{name}?signature={SIGNATURE}" for name in [*names, "empty.jsonl"]]
    remote, local = tmp_path / "remote", tmp_path / "local"
    # Status 1: the gzip file ends within a record.
    parable("run", *given, "-o", remote, "--policy", "condition", status=1)
    parable("run", *(corpus / name for name in [*names, "empty.jsonl"]), "-o", local, "--policy", "condition", "-q", "--no-report", status=1)
    (corpus / "empty.jsonl").unlink()
    assert files(remote) == files(local)
    ledgers = [json.loads((out / "ledger.json").read_text()) for out in (remote, local)]
    assert books(ledgers[0]) == books(ledgers[1])
    ranged = [r for path, r in web.asked if r and path == "/deep/frames.jsonl.zst"]
    assert len(ranged) > 8 if web.kind is Ranges else len(ranged) <= 4


def test_what_the_server_refuses(parable, web, tmp_path):
    at = f"https://127.0.0.1:{web.server_address[1]}"
    denied = parable("scan", f"{at}/plain.jsonl?signature=wrong", "-o", tmp_path / "out", status=2)
    assert f"{at}/plain.jsonl: access denied" in denied.stderr and "wrong" not in denied.stderr
    missing = parable("scan", f"{at}/none.jsonl?signature={SIGNATURE}", "-o", tmp_path / "out", status=2)
    assert f"{at}/none.jsonl: not found" in missing.stderr


@pytest.mark.parametrize("web", [Plain], indirect=True)
def test_a_certificate_that_nobody_vouches_for_is_refused(parable, web, environment, certificates, tmp_path):
    # The machine's own certificate is no authority.
    environment["SSL_CERT_FILE"] = str(certificates / "machine.pem")
    at = f"https://127.0.0.1:{web.server_address[1]}/plain.jsonl"
    refused = parable("scan", f"{at}?signature={SIGNATURE}", "-o", tmp_path / "out", status=2)
    assert at in refused.stderr and "certificate" in refused.stderr and web.asked == []
