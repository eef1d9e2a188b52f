"""Networks from a model library: every parameter is initialised or told, and they still run."""

import pytest
import torch
import transformers as hf

import initlab as il

TEXT = {"input_ids": torch.arange(12).reshape(2, 6)}
IMAGE = {"pixel_values": torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))}
NETWORKS = {  # name → (model, batch, which parameters are left alone: unknown ones and tied ones)
    "gpt2": (
        lambda: hf.GPT2LMHeadModel(hf.GPT2Config(n_layer=2, n_head=2, n_embd=32, vocab_size=64)),
        TEXT,
        {"lm_head.weight"},
    ),
    "bert": (
        lambda: hf.BertForMaskedLM(
            hf.BertConfig(
                num_hidden_layers=2,
                num_attention_heads=2,
                hidden_size=32,
                intermediate_size=64,
                vocab_size=64,
            )
        ),
        TEXT,
        {"cls.predictions.bias", "cls.predictions.decoder.weight"},
    ),
    "vit": (
        lambda: hf.ViTForImageClassification(
            hf.ViTConfig(
                num_hidden_layers=2,
                num_attention_heads=2,
                hidden_size=32,
                intermediate_size=64,
                image_size=32,
                patch_size=8,
            )
        ),
        IMAGE,
        {"vit.embeddings.cls_token", "vit.embeddings.position_embeddings"},
    ),
    "resnet": (
        lambda: hf.ResNetForImageClassification(
            hf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
        ),
        IMAGE,
        set(),
    ),
    "convnext": (
        lambda: hf.ConvNextForImageClassification(
            hf.ConvNextConfig(hidden_sizes=[8, 16, 16, 16], depths=[1, 1, 1, 1])
        ),
        IMAGE,
        {f"convnext.encoder.stages.{i}.layers.0.layer_scale_parameter" for i in range(4)},
    ),
    "llama": (
        lambda: hf.LlamaForCausalLM(
            hf.LlamaConfig(
                num_hidden_layers=2,
                num_attention_heads=2,
                hidden_size=32,
                intermediate_size=64,
                vocab_size=64,
            )
        ),
        TEXT,
        {
            *(
                f"model.layers.{i}.{n}_layernorm.weight"
                for i in (0, 1)
                for n in ("input", "post_attention")
            ),
            "model.norm.weight",
        },
    ),
    "t5": (
        lambda: hf.T5ForConditionalGeneration(
            hf.T5Config(num_layers=2, num_heads=2, d_model=32, d_kv=16, d_ff=64, vocab_size=64)
        ),
        {**TEXT, "decoder_input_ids": TEXT["input_ids"]},
        None,
    ),
}


@pytest.mark.parametrize(("make", "batch", "left"), NETWORKS.values(), ids=NETWORKS)
def test_every_parameter_is_accounted_for(make, batch, left):
    model = make()
    report = il.initialize(model, "xavier_uniform", generator=torch.Generator().manual_seed(0))
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    assert [row.name for row in report] == names
    assert all(row.note for row in report.left)
    if left is not None:
        assert {row.name for row in report.left} == left
    else:  # T5: its own normalisation layers, and the embedding under its other names
        assert {row.type for row in report.left} == {"T5LayerNorm", "Linear", "Embedding"}
        assert all("norm" in row.layer or row.note.startswith("tied") for row in report.left)
    for row in report:
        if row.fan_in:
            assert row.std_given == pytest.approx((2 / (row.fan_in + row.fan_out)) ** 0.5)
            assert row.std_got == pytest.approx(row.std_given, rel=0.35)
    with torch.no_grad():
        assert model.eval()(**batch).logits.isfinite().all()


def test_gpt2_layers_have_the_fans_of_what_they_compute():
    report = il.initialize(NETWORKS["gpt2"][0](), "kaiming_normal")
    row = next(row for row in report if row.name == "transformer.h.0.mlp.c_fc.weight")
    assert (row.shape, row.fan_in, row.fan_out) == ((32, 128), 32, 128)
