"""Prints the reference vectors of tests/encoder.rs: python tools/tiny_bert.py (needs transformers, torch).

The weights are made from a formula that the test repeats.
"""

import math

import torch
from transformers import BertConfig, BertModel

HIDDEN, LAYERS, HEADS, WIDE, WORDS, POSITIONS = 32, 2, 4, 64, 40, 64


def fill(nth: int, tensor: torch.Tensor, name: str) -> None:
    flat = [math.sin(0.7 * nth + 0.37 * i + 0.001 * i * i) for i in range(tensor.numel())]
    values = torch.tensor(flat, dtype=torch.float64).reshape(tensor.shape)
    norm = "LayerNorm.weight" in name
    tensor.data = (1.0 + 0.1 * values if norm else 0.5 * values).to(torch.float32)


def main() -> None:
    config = BertConfig(
        vocab_size=WORDS, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=WIDE, max_position_embeddings=POSITIONS, type_vocab_size=2,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    for nth, (name, tensor) in enumerate(sorted(model.named_parameters())):
        fill(nth, tensor, name)
    for ids in ([2, 5, 6, 7, 3], [2, 11, 9, 30, 8, 8, 39, 4, 3]):
        with torch.no_grad():
            states = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        mean = states.mean(0)
        mean = mean / mean.norm()
        print(ids, [round(v, 6) for v in mean[:8].tolist()], round(mean.sum().item(), 6))


if __name__ == "__main__":
    main()
