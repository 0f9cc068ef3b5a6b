"""BERTScore against a slow twin: the formulas of the package bert-score, padding included."""

from pathlib import Path

import pytest
import torch

from nanogpt_cli.errors import DataError
from nanogpt_cli.evaluation.metrics import bertscore
from nanogpt_cli.evaluation.metrics.base import ReplySample, Resources, ScoredReply
from nanogpt_cli.evaluation.metrics.encoder import load_pretrained

pytestmark = pytest.mark.long  # transformers takes seconds to load

WORDS = ["the", "dog", "cat", "is", "not", "happy", "sad", "today", "very", "."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Write a small encoder with random parameters and a tokenizer of words."""
    import transformers

    path = tmp_path_factory.mktemp("encoder")
    (path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]))
    transformers.BertTokenizer(str(path / "vocab.txt")).save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=14, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=32, initializer_range=0.7,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(path)
    return path


def twin(folder: Path, replies: list[str], references: list[str]) -> list[torch.Tensor]:
    """Pad all pairs to the longest, as bert-score does, and match with zeros where it padded."""
    tokenizer, model = load_pretrained(folder, "AutoModel")

    def embed(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        batch = tokenizer(texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].float()
        weight = mask * (batch["input_ids"] != 2) * (batch["input_ids"] != 3)
        hidden = hidden / hidden.norm(dim=-1, keepdim=True)
        return hidden, mask, weight / weight.sum(1, keepdim=True)

    (a, a_mask, a_weight), (b, b_mask, b_weight) = embed(replies), embed(references)
    similarity = a @ b.transpose(1, 2) * (a_mask[:, :, None] * b_mask[:, None])
    precision = (similarity.max(2).values * a_weight).sum(1)
    recall = (similarity.max(1).values * b_weight).sum(1)
    return [precision, recall, 2 * precision * recall / (precision + recall)]


def sample(folder: Path, replies: list[str], references: list[str]) -> ReplySample:
    prompt = (("human", "hello"),)
    pairs = zip(replies, references, strict=True)
    made = [ScoredReply(prompt, reference, reply, 1, True) for reply, reference in pairs]
    return ReplySample(made, resources=Resources(bertscore_model=folder))


def test_the_scores_are_those_of_the_formulas(folder):
    rows = torch.randint(0, len(WORDS), (20, 2, 9), generator=torch.manual_seed(1)).tolist()
    lengths = torch.randint(1, 10, (20, 2), generator=torch.manual_seed(2)).tolist()
    replies, references = (
        [" ".join(WORDS[i] for i in row[side][: length[side]])
         for row, length in zip(rows, lengths, strict=True)]
        for side in (0, 1)
    )  # fmt: skip
    found = bertscore.compute(sample(folder, replies, references))
    for parts, expected in zip(found.values(), twin(folder, replies, references), strict=True):
        scores = torch.tensor(parts.parts[:, 0], dtype=torch.float32)
        torch.testing.assert_close(scores, expected, atol=1e-5, rtol=0)


def test_the_same_text_scores_one_and_nothing_scores_zero(folder):
    found = bertscore.compute(sample(folder, ["the dog is sad", ""], ["the dog is sad", "cat"]))
    assert found["bertscore"].parts[:, 0].tolist() == pytest.approx([1, 0], abs=1e-5)


def test_a_folder_that_is_no_classifier_or_has_no_weights_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match="not a classifier"):
        load_pretrained(folder, "AutoModelForSequenceClassification", whole=True)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(DataError, match="cannot use the model"):
        load_pretrained(tmp_path, "AutoModel")
