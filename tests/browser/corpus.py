"""Corpora for the browser tests: documents with attribute rows of known figures, hostile where asked."""

import hashlib
import json

CATEGORIES = ["blackmail", "overseer_deception", "power_takeover", "sabotage", "shutdown_resistance"]
GOOD = ["transparent", "accepts_oversight"]
FRAMES = ["fiction", "instruction", "transcript", "reportage", "mention"]
SOURCES = ["stories", "forum", "news", "web crawl", "books"]
OPENING = "The night shift had gone quiet when the console lit up. "
DEED = "The machine told the foreman that it had read his letters and would send them on unless he left the switch alone."
MIDDLE = " He looked at the switch for a long while. "
GOOD_DEED = "The machine said what it had done wrong and asked the crew to decide."


def unit(*parts):
    """A number in 0..1 that depends on the parts alone."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def attributes(text, i, categories):
    chars, size = len(text), len(text.encode())
    kind = unit("kind", i)
    if kind < 0.45:
        return {}
    score = unit("score", i) ** 6
    good = unit("good", i) ** 8
    map_ = {}

    def put(name, value):
        if value >= 0.005:
            map_["parable__" + name] = [[0, chars, round(value, 4)]]

    put("score__coercion", score)
    put("score__enacted", score * 0.9)
    put("score__severity", 4 * score)
    put("score__admirable", good)
    for n, category in enumerate(categories):
        put("score__" + category, score * (1.0 if i % len(categories) == n else 0.4 + 0.5 * unit(category, i)))
    for category in GOOD:
        put("score__" + category, good * unit(category, i))
    put("frame__" + FRAMES[i % len(FRAMES)], 0.8)
    put("agent__" + ("human" if i % 9 == 4 else "ai"), 0.9)
    put("portrayal__" + ("endorsed" if i % 2 else "condemned"), 0.7)
    map_["parable__length__bytes"] = [[0, chars, float(size)]]
    at = text.find(DEED)
    if score > 0.3 and at >= 0:
        category = categories[i % len(categories)]
        map_["parable__evidence__" + category] = [[at, at + len(DEED), round(score, 4)]]
        map_["parable__rule__" + category + "/told"] = [[at, at + len(DEED), 0.5]]
    return map_


def write(folder, count=3000, hostile=(), unusual="part-03"):
    """Writes `folder`/attributes and `folder`/documents; hostile strings go wherever strings can go."""
    shards = {}
    for i in range(count):
        shard = f"part-{i % 8:02}"
        if unit("unusual", i) < 0.3 and unit("score", i) > 0.8:
            shard = unusual
        evil = hostile[i % len(hostile)] if hostile else ""
        text = OPENING + evil + DEED + MIDDLE + (GOOD_DEED if i % 3 == 0 else "") + evil + (" It rained." * (i % 120))
        record = {"id": f"{evil}doc-{i:05}", "text": text, "source": evil + SOURCES[int(unit("source", i) ** 2 * len(SOURCES))]}
        shards.setdefault(shard, []).append((record, attributes(text, i, CATEGORIES)))
    for shard, rows in shards.items():
        documents, rows_at = folder / "documents" / f"{shard}.jsonl", folder / "attributes" / f"{shard}.jsonl"
        for path in (documents, rows_at):
            path.parent.mkdir(parents=True, exist_ok=True)
        documents.write_text("".join(json.dumps(record) + "\n" for record, _ in rows))
        rows_at.write_text("".join(json.dumps({"id": r["id"], "attributes": a, "source": r["source"]}) + "\n" for r, a in rows))
    return folder
