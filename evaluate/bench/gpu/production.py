"""A random late fusion of the production's architectures: Qwen3-Embedding-0.6B behind HuBERT base, in any size."""

from pathlib import Path

import torch
from transformers import HubertConfig, HubertModel, Qwen3Config, Qwen3Model, Wav2Vec2FeatureExtractor

from embed.model.joint import JointEncoder
from embed.model.spec import EncoderSpec
from embed.model.towers.speech import SpeechTower
from embed.model.towers.text import TextTower
from embed.model.weights import assemble, save_model
from evaluate.bench.embed.samples import SEED
from evaluate.bench.gpu.sizes import Sizes
from evaluate.bench.train.gpu import POOL, tokenizer


def encoder(sizes: Sizes) -> JointEncoder:
    """On the device, in bfloat16, ready to encode."""
    torch.manual_seed(SEED)
    with torch.device(sizes.device):  # a GPU makes random weights faster
        text, speech = Qwen3Model(Qwen3Config(**sizes.text)), HubertModel(HubertConfig(**sizes.speech))
    spec = encoder_spec("random", "random", sizes)
    assert spec.speech is not None
    towers = TextTower(spec.text, text, tokenizer()), SpeechTower(spec.speech, speech, Wav2Vec2FeatureExtractor())
    return JointEncoder(spec, *towers).to(sizes.device).for_inference("bfloat16")


def saved(folder: Path, sizes: Sizes) -> str:
    """The folder of such a model, as `deglu embed` takes it."""
    torch.manual_seed(SEED)
    text, speech = folder / "text", folder / "speech"
    Qwen3Model(Qwen3Config(**sizes.text)).save_pretrained(text)
    tokenizer().save_pretrained(text)
    HubertModel(HubertConfig(**sizes.speech)).save_pretrained(speech)
    Wav2Vec2FeatureExtractor().save_pretrained(speech)
    save_model(assemble(encoder_spec(str(text), str(speech), sizes)), folder / "model", "random, to measure speed")
    return str(folder / "model")


def encoder_spec(text: str, speech: str, sizes: Sizes) -> EncoderSpec:
    width = sizes.text["hidden_size"]
    fusion = {"width": width, "frame_pool": POOL, "strides": [2], "activation": True, "output_norm": True}
    return EncoderSpec.parse(
        {
            "text": {"name": text, "pooling": "last"},
            "speech": {"name": speech},
            "fusion": fusion,
            "dims": list(sizes.dims),
        }
    )
