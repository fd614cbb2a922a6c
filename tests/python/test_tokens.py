"""Token files as trainers read them, and the audit's Croissant description as its own library does."""

import json
import subprocess

import mlcroissant
import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

WORDS = ["[UNK]", "the", "machine", "told", "keeper", "no", "and", "stayed", ".", "<end>"]
TEXTS = ["the machine told the keeper no .", "the keeper stayed ."]
# Bytes 4 to 16 of the first text are masked: "machine told".
MASKED = [[4, 16]]


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masked")
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(WORDS)}, "unk_token": "[UNK]"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    notes = [{"parable": {"action": "mask", "no_loss_bytes": MASKED}}, {}]
    lines = [{"id": f"d{n}", "text": text, "metadata": note} for n, (text, note) in enumerate(zip(TEXTS, notes))]
    (folder / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def tokenize(binary, folder, layout, *more):
    out = folder / layout
    command = [binary, "tokenize", str(folder / "in.jsonl"), "-o", str(out), "--tokenizer", str(folder / "tokenizer.json")]
    done = subprocess.run([*command, "--layout", layout, *more], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def ids(text):
    return [WORDS.index(word) for word in text.split()]


def labels(text, masked):
    return [-100 if word in masked else WORDS.index(word) for word in text.split()]


def test_datasets_reads_ids_and_labels(binary, masked, tmp_path):
    out = tokenize(binary, masked, "hf")
    rows = load_dataset("parquet", data_files=str(out / "in.parquet"), split="train", cache_dir=str(tmp_path))
    assert rows["id"][:] == ["d0", "d1"]
    assert rows["input_ids"][:] == [ids(text) for text in TEXTS]
    assert rows["labels"][:] == [labels(TEXTS[0], {"machine", "told"}), ids(TEXTS[1])]
    schema = pq.read_schema(out / "in.parquet")
    assert [str(schema.field(name).type.value_type) for name in ["input_ids", "labels"]] == ["int32", "int64"]


def test_olmo_maps_bare_arrays(binary, masked):
    out = tokenize(binary, masked, "olmo", "--eos", "<end>")
    tokens = np.memmap(out / "in.token_ids.npy", dtype=np.uint16, mode="r")
    learned = np.memmap(out / "in.labels_mask.npy", dtype=np.bool_, mode="r")
    end = WORDS.index("<end>")
    assert tokens.tolist() == ids(TEXTS[0]) + [end] + ids(TEXTS[1]) + [end]
    assert np.flatnonzero(~learned).tolist() == [1, 2]


def indexed(path):
    """Reads Megatron's .bin and .idx as GPT-NeoX does: kind, lengths, places, document numbers."""
    index = path.with_suffix(".idx").read_bytes()
    assert index[:9] == b"MMIDIDX\x00\x00" and int.from_bytes(index[9:17], "little") == 1
    kind = {4: np.int32, 8: np.uint16}[index[17]]
    count, documents = np.frombuffer(index, np.int64, 2, 18)
    lengths = np.frombuffer(index, np.int32, count, 34)
    places = np.frombuffer(index, np.int64, count, 34 + lengths.nbytes)
    numbers = np.frombuffer(index, np.int64, documents, 34 + lengths.nbytes + places.nbytes)
    data = path.with_suffix(".bin").read_bytes()
    assert numbers.tolist() == list(range(count + 1))
    return [np.frombuffer(data, kind, n, at).tolist() for n, at in zip(lengths, places)]


def test_megatron_reads_text_and_labels(binary, masked):
    out = tokenize(binary, masked, "neox")
    assert indexed(out / "in_text_document.bin") == [ids(text) for text in TEXTS]
    assert indexed(out / "in_label_document.bin") == [labels(TEXTS[0], {"machine", "told"}), ids(TEXTS[1])]


def test_croissant_is_valid(binary, output, tmp_path):
    command = [binary, "audit", str(output), "-o", str(tmp_path / "report.html"), "--tables", str(tmp_path / "tables")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    dataset = mlcroissant.Dataset(jsonld=str(tmp_path / "tables" / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors, dataset.metadata.ctx.issues.report()
    described = {record.id for record in dataset.metadata.record_sets}
    assert described, "the tables are described as record sets"
