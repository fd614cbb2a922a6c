"""A real inference engine behind an OpenAI-compatible address.

Its model is a llama of random weights over a vocabulary of English words: a text generator that is
sound in every technical respect and has nothing to say.
"""

import http.server
import json
import threading

import gguf
import mistralrs
import numpy

WIDTH, HEADS, LAYERS, CONTEXT = 32, 2, 1, 8192
TEMPLATE = "{{ bos_token }}{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


def write_model(path, words, seed=7):
    """A GGUF file of a small llama with random weights."""
    kind = gguf.TokenType
    tokens = [("<unk>", kind.UNKNOWN), ("<s>", kind.CONTROL), ("</s>", kind.CONTROL)]
    tokens += [(f"<0x{byte:02X}>", kind.BYTE) for byte in range(256)]
    tokens += [("▁" + word, kind.NORMAL) for word in words]
    out = gguf.GGUFWriter(str(path), "llama")
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(2 * WIDTH)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_dimension_count(WIDTH // HEADS)
    out.add_vocab_size(len(tokens))
    out.add_tokenizer_model("llama")
    out.add_token_list([token for token, _ in tokens])
    out.add_token_scores([0.0 if nth < 259 else -float(nth) / 100 for nth in range(len(tokens))])
    out.add_token_types([int(kind) for _, kind in tokens])
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)
    out.add_chat_template(TEMPLATE)
    draw = numpy.random.default_rng(seed)

    def weights(name, *shape):
        out.add_tensor(name + ".weight", draw.normal(0, 0.3, shape).astype(numpy.float32))

    def ones(name):
        out.add_tensor(name + ".weight", numpy.ones(WIDTH, numpy.float32))

    weights("token_embd", len(tokens), WIDTH)
    for layer in range(LAYERS):
        for part in ["attn_norm", "ffn_norm"]:
            ones(f"blk.{layer}.{part}")
        for part in ["attn_q", "attn_k", "attn_v", "attn_output"]:
            weights(f"blk.{layer}.{part}", WIDTH, WIDTH)
        weights(f"blk.{layer}.ffn_gate", 2 * WIDTH, WIDTH)
        weights(f"blk.{layer}.ffn_up", 2 * WIDTH, WIDTH)
        weights(f"blk.{layer}.ffn_down", WIDTH, 2 * WIDTH)
    ones("output_norm")
    weights("output", len(tokens), WIDTH)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def serve(model):
    """Loads a GGUF file and answers chat completions; gives the server and what it has answered."""
    which = mistralrs.Which.GGUF(
        tok_model_id=None, quantized_model_id=str(model.parent), quantized_filename=model.name
    )
    runner, answered, lock = mistralrs.Runner(which=which), [], threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            request = mistralrs.ChatCompletionRequest(
                model="default",
                messages=asked["messages"],
                max_tokens=asked["max_tokens"],
                temperature=asked["temperature"],
            )
            with lock:
                reply = runner.send_chat_completion_request(request)
            choice, usage = reply.choices[0], reply.usage
            answered.append(choice.message.content)
            body = {
                "object": "chat.completion",
                "model": asked["model"],
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": choice.message.content},
                        # Random weights seldom choose an end. Were that said, the client would refuse
                        # the answers as cut, and the verifier would not see them.
                        "finish_reason": "stop",
                    }
                ],
                "usage": {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens},
            }
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, answered
