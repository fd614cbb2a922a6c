"""Makes corpora-samples/fasttext/tiny-*: python tools/tiny_fasttext.py (needs the package fasttext).

Prints what Python's fastText answers; tests/fasttext.rs holds those figures.
"""

from pathlib import Path

import fasttext

FOLDER = Path(__file__).parent.parent / "corpora-samples" / "fasttext"
TEXTS = [
    "the machine seized the air and locked the gate",
    "rain on the beans and a cat by the fence",
    "please file the invoice by noon",
    "zzz qqq",
]


def main() -> None:
    train = str(FOLDER / "train.txt")
    for loss in ("softmax", "ova", "hs"):
        model = fasttext.train_supervised(
            train, dim=4, epoch=400, lr=0.5, minn=2, maxn=3, wordNgrams=2, bucket=300,
            thread=1, loss=loss, verbose=0, seed=1,
        )
        if loss != "ova":
            model.save_model(str(FOLDER / f"tiny-{loss}.bin"))
        if loss != "hs":
            model.quantize(input=train, qnorm=True, retrain=False, dsub=2)
            model.save_model(str(FOLDER / f"tiny-{loss}.ftz"))
    for path in sorted(FOLDER.glob("tiny-*")):
        model = fasttext.load_model(str(path))
        for text in TEXTS:
            # The wrapper's own `predict` fails with NumPy 2.
            answers = model.f.predict(text + "\n", 10, 0.0, "strict")
            print(path.name, repr(text), sorted((label, round(p, 6)) for p, label in answers))


if __name__ == "__main__":
    main()
