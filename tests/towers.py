"""Small random models of the production architectures, kept as ordinary checkpoints, loaded by the real path."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    HubertConfig,
    HubertModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3Model,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperModel,
)

from embed.model.spec import EncoderSpec
from embed.model.weights import assemble, save_model

LETTERS = "abcdefghijklmnopqrstuvwxyz:.?'é "


def _tokenizer(folder: Path, closing: bool) -> int:
    """One token a letter; `closing` frames every text with <s> and </s>."""
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", *LETTERS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    if closing:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
    return len(vocabulary)


def _qwen3(folder: Path) -> None:
    size = _tokenizer(folder, closing=False)
    config = Qwen3Config(
        vocab_size=size, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=512, pad_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    Qwen3Model(config).save_pretrained(folder)


def _bert(folder: Path) -> None:
    size = _tokenizer(folder, closing=True)
    config = BertConfig(
        vocab_size=size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        pad_token_id=0,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)


# Sizes for all that hear the wave itself, and how the large checkpoints of these families differ from the base ones.
WAVES: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
    "layerdrop": 0.1, "initializer_range": 0.3,
}  # fmt: skip
LARGE: dict[str, Any] = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}


def _hubert(folder: Path, **changes: Any) -> None:
    model = HubertModel(HubertConfig(**WAVES | changes))
    norm = model.encoder.pos_conv_embed.batch_norm
    if norm is not None:  # Fresh statistics are of zeros and ones, which would hide what it does to padding.
        norm.running_mean.normal_()
        norm.bias.data.normal_()
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)


def _wav2vec2(folder: Path, **changes: Any) -> None:
    Wav2Vec2Model(Wav2Vec2Config(**WAVES | changes)).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)


def _wavlm(folder: Path, **changes: Any) -> None:
    WavLMModel(WavLMConfig(**WAVES | changes)).save_pretrained(folder)
    # The base checkpoints leave the wave's scale as it is.
    Wav2Vec2FeatureExtractor(do_normalize="do_stable_layer_norm" in changes).save_pretrained(folder)


def _w2v_bert(folder: Path, **changes: Any) -> None:
    config = Wav2Vec2BertConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, layerdrop=0.1,
        initializer_range=0.3, **changes,
    )  # fmt: skip
    Wav2Vec2BertModel(config).save_pretrained(folder)
    SeamlessM4TFeatureExtractor().save_pretrained(folder)


def _whisper(folder: Path) -> None:
    config = WhisperConfig(
        vocab_size=64, d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)


def _embedding_gemma(folder: Path) -> None:
    """As `google/embeddinggemma-2`, with its picture side, which is not loaded; tokens of the marks are the last."""
    from transformers import EmbeddingGemma2Config, EmbeddingGemma2Model, Gemma4AudioFeatureExtractor  # since 5.24

    size = _tokenizer(folder, closing=True)
    text = {
        "vocab_size": size + 5, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "global_head_dim": 8,
        "num_global_key_value_heads": 2, "hidden_size_per_layer_input": 16, "embedding_dim": 192,
        "initializer_range": 0.3, "sliding_window": 8,
    }  # fmt: skip
    audio = {
        "model_type": "gemma4_audio", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "output_proj_dims": 48, "subsampling_conv_channels": [128, 8], "initializer_range": 0.3,
    }  # fmt: skip
    config = EmbeddingGemma2Config(
        text_config=text, audio_config=audio, vision_config=None, boa_token_id=size, eoa_token_index=size + 1,
        audio_token_id=size + 2, image_token_id=size + 3, video_token_id=size + 4,
    )  # fmt: skip
    EmbeddingGemma2Model(config).save_pretrained(folder)
    Gemma4AudioFeatureExtractor().save_pretrained(folder)


SPEECH_MAKERS: dict[str, Callable[[Path], None]] = {
    "whisper": _whisper,
    "hubert": _hubert,
    "hubert-large": partial(_hubert, **LARGE),
    "hubert-batch-norm": partial(_hubert, conv_pos_batch_norm=True),  # as mHuBERT-147
    "wav2vec2": _wav2vec2,
    "wav2vec2-layer-norm": partial(_wav2vec2, feat_extract_norm="layer"),
    "wav2vec2-large": partial(_wav2vec2, **LARGE),
    "wavlm": _wavlm,
    "wavlm-large": partial(_wavlm, **LARGE),
    "w2v-bert": _w2v_bert,
    "w2v-bert-relative": partial(_w2v_bert, position_embeddings_type="relative"),
    "w2v-bert-rotary": partial(_w2v_bert, position_embeddings_type="rotary"),
}
MAKERS: dict[str, Callable[[Path], None]] = {
    "qwen3": _qwen3,
    "bert": _bert,
    "embedding-gemma": _embedding_gemma,
    **SPEECH_MAKERS,
}


Tiny = Callable[[str], str]


def towers_in(root: Path) -> Tiny:
    """The folder of a small random checkpoint by architecture, made below `root` once."""

    def folder(kind: str) -> str:
        place = root / kind
        if not place.is_dir():
            torch.manual_seed(0)
            place.mkdir(parents=True)
            MAKERS[kind](place)
        return str(place)

    return folder


def encoder_values(tiny: Tiny, text: str = "bert", speech: str | None = "whisper") -> dict[str, Any]:
    """The values of an EncoderSpec over tiny towers: mean pooling for BERT, last for Qwen3."""
    values: dict[str, Any] = {
        "text": {"name": tiny(text), "pooling": "last" if text == "qwen3" else "mean", "query": "query: "},
        "dims": [32, 16, 8],
    }
    if speech is not None:
        values |= {"speech": {"name": tiny(speech)}, "fusion": {"width": 16}}
    return values


def model_in(folder: Path, values: dict[str, Any]) -> str:
    """A model directory with random fusion weights, ready for `load_model`."""
    torch.manual_seed(0)
    save_model(assemble(EncoderSpec.parse(values)), folder, "# A tiny random model\n")
    return str(folder)
