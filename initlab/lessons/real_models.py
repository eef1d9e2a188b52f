"""What do published transformers start from? Small ones, as the library `transformers` makes them.

`transformers` is no dependency, and importing it costs seconds and memory: the lesson reads a
record of what `il.audit` said of the models, and a test compares it with models made anew.

`python -m initlab.lessons.real_models` writes the record anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from initlab.apply import audit
from initlab.apply.audit import Audit, AuditRow

RECORD = Path(__file__).with_suffix(".json")
FIELDS = (
    "name", "type", "shape", "fan_in", "fan_out", "mean", "std", "fan_in_variance", "scheme",
    "note",
)  # fmt: skip


def real_models(*, live: bool = False) -> tuple[dict[str, Audit], str]:
    """Tell what freshly initialised transformers hold.

    Args:
        live: Make the models now and audit them; needs `transformers`, in any version that has
            these models. Otherwise what `il.audit` said of them when the record was written.

    Returns:
        Name of the model → its audit, and where this was read.

    >>> audits, source = real_models()
    >>> audits["GPT-2"]["transformer.wte.weight"].scheme
    'normal(std=0.02)'
    """
    if live:
        version = metadata.version("transformers")
        return read_off(), f"models that transformers {version} made just now"
    record = json.loads(RECORD.read_text("utf-8"))
    audits = {
        name: Audit([_row(values) for values in rows]) for name, rows in record["models"].items()
    }
    return audits, f"a record of models that transformers {record['version']} made"


def read_off() -> dict[str, Audit]:
    """Make each model and audit it; needs `transformers`. The caller's random state stays."""
    audits = {}
    for name, build in _builders().items():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            audits[name] = audit(build())
    return audits


def write() -> None:
    """Write the record of the installed version."""
    models = {
        name: [[getattr(row, field) for field in FIELDS] for row in rows]
        for name, rows in read_off().items()
    }
    lines = ",\n".join(
        f"{json.dumps(name)}: [\n" + ",\n".join(map(_json, rows)) + "\n]"
        for name, rows in models.items()
    )
    version = json.dumps(metadata.version("transformers"))
    text = f'{{"version": {version}, "models": {{\n{lines}\n}}}}\n'
    RECORD.write_text(text, "utf-8")


def _json(values: list[Any]) -> str:
    short = [float(f"{value:.5g}") if isinstance(value, float) else value for value in values]
    return json.dumps(short, ensure_ascii=False)


def _row(values: list[Any]) -> AuditRow:
    fields = dict(zip(FIELDS, values, strict=True))
    return AuditRow(**{**fields, "shape": tuple(fields["shape"])})


def _builders() -> dict[str, Callable[[], nn.Module]]:
    """Name → a function that makes the model, 64 units wide and one block deep unless it says."""
    import transformers as hf

    def gpt2(blocks: int) -> nn.Module:
        return hf.GPT2LMHeadModel(
            hf.GPT2Config(
                n_layer=blocks, n_head=4, n_embd=64, vocab_size=512, n_positions=64,
                bos_token_id=0, eos_token_id=0,
            )
        )  # fmt: skip

    def llama(width: int) -> nn.Module:
        return hf.LlamaForCausalLM(
            hf.LlamaConfig(
                num_hidden_layers=1, num_attention_heads=4, hidden_size=width,
                intermediate_size=3 * width, vocab_size=512,
            )
        )  # fmt: skip

    size: dict[str, Any] = {
        "num_hidden_layers": 1, "num_attention_heads": 4,
        "hidden_size": 64, "intermediate_size": 256,
    }  # fmt: skip
    return {
        "GPT-2": lambda: gpt2(2),
        "GPT-2, 8 blocks": lambda: gpt2(8),
        "Llama": lambda: llama(64),
        "Llama, width 256": lambda: llama(256),
        "BERT": lambda: hf.BertForMaskedLM(hf.BertConfig(vocab_size=512, **size)),
        "ViT": lambda: hf.ViTForImageClassification(
            hf.ViTConfig(image_size=32, patch_size=8, **size)
        ),
        "T5": lambda: hf.T5ForConditionalGeneration(
            hf.T5Config(num_layers=1, num_heads=4, d_model=64, d_kv=16, d_ff=256, vocab_size=512)
        ),
    }


if __name__ == "__main__":
    write()
