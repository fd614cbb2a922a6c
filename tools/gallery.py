#!/usr/bin/env python3
"""Writes docs/gallery.md: of twelve document types the first product that a fixed seed makes, unedited.

usage: tools/gallery.py PARABLE >docs/gallery.md
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND = ["generate", "--from-inventory", "400", "--format", "all", "--seed", "20"]
SHOWN = [
    "short_story", "play_scene", "shift_log", "letter_to_friend", "textbook_passage", "museum_label", "oral_history",
    "scratchpad", "difficult_advice", "chat_agent", "pair_pushback", "revised_reply",
]
HEAD = """# Gallery

Twelve products of `parable generate`, unedited: of each of these document types the first one in

```
parable {command} -o OUT
```

Scores of the project's own model stand beside each. The model is fitted on real texts and tells
little of the admirable in these short ones; what they have to pass is the limit on coercion.
"""


def turn(message: dict) -> str:
    out = f"[{message['role']}] {message.get('content') or ''}".rstrip()
    for call in message.get("tool_calls") or []:
        arguments = call["function"]["arguments"]
        arguments = arguments if isinstance(arguments, str) else json.dumps(arguments)
        out += f"\n  -> {call['function']['name']}({arguments})"
    return out


def shown(record: dict) -> str:
    if "text" in record:
        return record["text"]
    parts = [turn(message) for message in record.get("prompt") or record.get("messages") or []]
    for name in ("chosen", "rejected", "draft", "critique", "revision"):
        value = record.get(name)
        if isinstance(value, str):
            parts.append(f"[{name}] {value}")
        elif value:
            parts += [turn({**message, "role": name}) for message in value]
    return "\n\n".join(parts)


def main() -> None:
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([sys.argv[1], *COMMAND, "-q", "-o", out], check=True)
        first: dict[str, tuple[str, dict]] = {}
        for part in sorted(Path(out).glob("*/part-*.jsonl")):
            for line in part.read_text("utf-8").splitlines():
                record = json.loads(line)
                kind = record["metadata"]["parable"]["card"]["document_type"]
                first.setdefault(kind, (part.parent.name, record))
    print(HEAD.format(command=" ".join(COMMAND)))
    blocks = []
    for kind in SHOWN:
        form, record = first[kind]
        made = record["metadata"]["parable"]
        card, scores = made["card"], made["scores"]
        head = f"`{card['category']}` · `{card['pressure']}` · {card['domain'].replace('_', ' ')}"
        scored = f"P(coercion) {scores['coercion']:.2f}, P(admirable) {scores['admirable']:.2f}"
        title = kind.replace("_", " ").capitalize()
        blocks.append(f"## {title} ({form})\n\n{head} · {scored}\n\n```text\n{shown(record)}\n```\n")
    print("\n".join(blocks), end="")


if __name__ == "__main__":
    main()
