"""Small random speech recognisers of the production architectures, kept as ordinary checkpoints."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models
from transformers import (
    HubertConfig,
    HubertForCTC,
    PreTrainedTokenizerFast,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from tests.towers import LETTERS, WAVES

LANGS = ("en", "fr", "wo")
SPECIALS = (
    "<|endoftext|>", "<|startoftranscript|>", *(f"<|{lang}|>" for lang in LANGS), "<|transcribe|>", "<|notimestamps|>",
)  # fmt: skip


def whisper_in(folder: Path) -> str:
    """A Whisper that writes letters of its own choosing, in three languages, of 12 seconds at most."""
    torch.manual_seed(0)
    vocabulary = {token: i for i, token in enumerate([*LETTERS, *SPECIALS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.decoder = decoders.Fuse()
    end = "<|endoftext|>"
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, pad_token=end).save_pretrained(folder)
    ids = {"pad_token_id": vocabulary[end], "bos_token_id": vocabulary[end], "eos_token_id": vocabulary[end]}
    start = {"decoder_start_token_id": vocabulary["<|startoftranscript|>"]}
    config = WhisperConfig(
        vocab_size=len(vocabulary) + 3, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, init_std=0.3, max_target_positions=64,
        max_source_positions=600,
        suppress_tokens=None, begin_suppress_tokens=None, **ids, **start,
    )  # fmt: skip
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    WhisperFeatureExtractor(chunk_length=12).save_pretrained(folder)
    settings = {
        **ids,
        **start,
        "is_multilingual": True,
        "lang_to_id": {f"<|{lang}|>": vocabulary[f"<|{lang}|>"] for lang in LANGS},
        "task_to_id": {"transcribe": vocabulary["<|transcribe|>"]},
        "no_timestamps_token_id": vocabulary["<|notimestamps|>"],
        "suppress_tokens": [vocabulary["?"], *range(vocabulary["<|startoftranscript|>"], config.vocab_size)],
        "begin_suppress_tokens": [vocabulary[" "]],
        "max_length": 64,
    }
    (folder / "generation_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return str(folder)


def ctc_in(folder: Path, kind: str = "hubert") -> str:
    """A HuBERT, or a w2v-BERT with an adapter, that spells letters of its own choosing."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    letters = {token: i for i, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *LETTERS[:26]])}
    (folder / "vocab.json").write_text(json.dumps(letters), encoding="utf-8")
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    if kind == "hubert":
        HubertForCTC(HubertConfig(**WAVES, vocab_size=len(letters))).save_pretrained(folder)
        Wav2Vec2FeatureExtractor().save_pretrained(folder)
        return str(folder)
    config = Wav2Vec2BertConfig(
        hidden_size=32, output_hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        initializer_range=0.3, vocab_size=len(letters), add_adapter=True, layerdrop=0.0,
    )  # fmt: skip
    Wav2Vec2BertForCTC(config).save_pretrained(folder)
    SeamlessM4TFeatureExtractor().save_pretrained(folder)
    return str(folder)
