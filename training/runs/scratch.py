"""An untrained compact CLIPSeg: the same transformers classes with a small config and its own byte-level BPE tokenizer."""

import json
from collections.abc import Iterable

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation, CLIPSegProcessor, CLIPTokenizer, ViTImageProcessorPil

from core.models.clipseg import PromptSegmenter, initialise_decoder

SCRATCH = "scratch"
"""The checkpoint name that stands for untrained weights."""
_END = "</w>"
_START_TOKEN, _STOP_TOKEN = "<|startoftext|>", "<|endoftext|>"
_SIDE_PX, _CONTEXT = 128, 77


def untrained_segmenter(
    prompts: Iterable[str], seed: int, *, hidden: int = 128, layers: int = 4, side_px: int = _SIDE_PX
) -> PromptSegmenter:
    """A compact CLIPSeg with random weights: patches of 16 px of a square of side_px, `layers` vision layers of which three are
    extracted. So small a square is context for the branch that stands behind it, not a mask of its own."""
    torch.manual_seed(seed)
    tokenizer = byte_level_tokenizer(prompts)
    tower = {"num_hidden_layers": layers, "num_attention_heads": 4, "hidden_size": hidden, "intermediate_size": 4 * hidden}
    config = CLIPSegConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": _CONTEXT,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={**tower, "patch_size": 16, "image_size": side_px},
        projection_dim=64,
        reduce_dim=64,
        decoder_intermediate_size=256,
        use_complex_transposed_convolution=True,
        extract_layers=[layers // 3, 2 * layers // 3, layers - 1],
    )
    images = ViTImageProcessorPil(
        size={"height": side_px, "width": side_px},
        image_mean=[0.485, 0.456, 0.406],  # as the published CLIPSeg checkpoints, which use ImageNet's
        image_std=[0.229, 0.224, 0.225],
    )
    clipseg = CLIPSegForImageSegmentation(config).eval()
    initialise_decoder(clipseg.decoder)
    return PromptSegmenter(clipseg, CLIPSegProcessor(images, tokenizer))


def byte_level_tokenizer(prompts: Iterable[str], merges: int = 512) -> CLIPTokenizer:
    """CLIP's tokenizer with a vocabulary of its own: every byte, every byte at a word's end, then the merges learnt here."""
    plain = CLIPTokenizer()
    learner = Tokenizer(models.BPE(end_of_word_suffix=_END))
    learner.normalizer, learner.pre_tokenizer = (plain.backend_tokenizer.normalizer, plain.backend_tokenizer.pre_tokenizer)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner.train_from_iterator(
        prompts,
        trainers.BpeTrainer(
            vocab_size=len(alphabet) + merges, initial_alphabet=alphabet, end_of_word_suffix=_END, show_progress=False
        ),
    )
    pairs = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    tokens = [*alphabet, *(byte + _END for byte in alphabet), *("".join(pair) for pair in pairs), _START_TOKEN, _STOP_TOKEN]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=_CONTEXT)
