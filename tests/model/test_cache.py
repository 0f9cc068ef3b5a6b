"""Cached decoding equals its naive twin, whatever the lengths of the rows."""

import pytest
import torch

POSITIONS = ["default", "rope", "relative"]
ARCHES = ["gpt2", "modern"]


@pytest.fixture(params=POSITIONS)
def pos_embd(request):
    return request.param


@pytest.fixture(params=ARCHES)
def model(request, tiny, pos_embd):
    return tiny(pos_embd=pos_embd, arch=request.param, ngram_rows=64)


def draw(*lengths):
    return [torch.randint(0, 37, (n,)).tolist() for n in lengths]


@torch.no_grad()
def feed(model, cache, rows):
    """Feed lists of ids, one a row, padded; return what comes out for each (count, C)."""
    T = max(map(len, rows))
    idx = torch.tensor([row + [36] * (T - len(row)) for row in rows])
    counts = torch.tensor([len(row) for row in rows])
    hidden = model.hidden(idx, cache, counts)
    return [out[:n] for out, n in zip(hidden, counts.tolist(), strict=True)]


@torch.no_grad()
def naive(model, ids, count):
    """What the last ``count`` of one sequence come to, everything computed anew."""
    return model.hidden(torch.tensor([ids]))[0, len(ids) - count :]


def check(model, cache, held, new):
    """Feed ``new`` ids behind those ``held``, a list for each row, and compare with the twin."""
    outs = feed(model, cache, new)
    for row, (out, ids) in enumerate(zip(outs, new, strict=True)):
        held[row] += ids
        if ids:
            twin = naive(model, held[row], len(ids))
            torch.testing.assert_close(out, twin, rtol=1e-4, atol=1e-5)
    assert cache.lengths.tolist() == [len(ids) for ids in held]


@pytest.mark.parametrize("pieces", [[16], [1] * 16, [5, 1, 1, 6, 3]])
def test_cached_decoding_equals_uncached(model, pieces):
    ids = torch.randint(0, 37, (2, 16))
    cache = model.new_cache(2)
    parts = [model.hidden(piece, cache) for piece in ids.split(pieces, dim=1)]
    torch.testing.assert_close(torch.cat(parts, 1), model.hidden(ids), rtol=1e-4, atol=1e-5)


def test_rows_have_lengths_of_their_own(model):
    cache, held = model.new_cache(3), [[], [], []]
    check(model, cache, held, draw(7, 1, 4))  # prompts, padded
    for _ in range(4):
        check(model, cache, held, draw(1, 1, 1))
    check(model, cache, held, draw(2, 3, 0))  # one waits
    check(model, cache, held, draw(0, 5, 1))
    check(model, cache, held, draw(3, 1, 7))  # the first and the last reach the end


def test_rows_of_one_length_part_and_meet_again(model):
    cache, held = model.new_cache(2), [[], []]
    check(model, cache, held, draw(4, 4))
    check(model, cache, held, draw(1, 3))
    check(model, cache, held, draw(3, 1))
    check(model, cache, held, draw(2, 2))


def test_a_row_is_truncated_and_used_again_while_others_continue(model):
    cache, held = model.new_cache(3), [[], [], []]
    check(model, cache, held, draw(6, 9, 3))
    cache.truncate(1, 0)
    held[1] = []
    check(model, cache, held, draw(1, 4, 1))
    cache.truncate(0, 2)
    held[0] = held[0][:2]
    check(model, cache, held, draw(3, 1, 1))
    check(model, cache, held, draw(1, 1, 1))
    with pytest.raises(ValueError, match="row 0 holds 6 tokens, not 7"):
        cache.truncate(0, 7)


def test_rows_are_dropped_added_and_repeated(model):
    cache, held = model.new_cache(3), [[], [], []]
    check(model, cache, held, draw(6, 9, 3))
    cache = cache.select([2, None, 0, 0])
    held = [held[2], [], list(held[0]), list(held[0])]
    check(model, cache, held, draw(1, 5, 2, 1))
    assert cache.rows == 4


def test_a_row_is_moved_to_the_place_of_one_that_is_over(model):
    cache, held = model.new_cache(3), [[], [], []]
    check(model, cache, held, draw(7, 2, 4))
    cache.move(2, 0)
    cache, held = cache.head(2), [held[2], held[1]]
    check(model, cache, held, draw(1, 1))
    check(model, cache, held, draw(3, 9))


def test_one_row_is_a_cache_on_the_same_memory(model):
    cache, held = model.new_cache(3), [[], [], []]
    check(model, cache, held, draw(6, 9, 3))
    check(model, cache.row(1), held[1:2], draw(5))
    assert cache.lengths.tolist() == [6, 14, 3]
    check(model, cache, held, draw(1, 1, 1))


def test_one_row_may_be_padded(model):
    cache, held = model.new_cache(1), [[]]
    check(model, cache, held, draw(5))
    ids = torch.randint(0, 37, (1, 8))
    with torch.no_grad():
        out = model.hidden(ids, cache, torch.tensor([3]))[:, :3]
    held[0] += ids[0, :3].tolist()
    torch.testing.assert_close(out[0], naive(model, held[0], 3), rtol=1e-4, atol=1e-5)
    check(model, cache, held, draw(1))


def test_rows_do_not_spread_what_is_not_finite(model):
    """A row that overflowed is used again, and one never written to is read beside a longer one."""
    cache, held = model.new_cache(2), [[], []]
    for part in (cache.keys, cache.values):
        part.fill_(torch.nan)  # what memory may hold
    check(model, cache, held, draw(2, 9))
    cache.keys[:, 1, :, :9] = cache.values[:, 1, :, :9] = torch.nan
    cache.truncate(1, 0)
    held[1] = []
    check(model, cache, held, draw(5, 1))


def test_an_interrupted_call_holds_nothing(model):
    cache, held = model.new_cache(2), [[], []]
    check(model, cache, held, draw(5, 2))
    hook = model.transformer.h[1].register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        feed(model, cache, draw(3, 1))
    hook.remove()
    assert cache.lengths.tolist() == [5, 2]
    check(model, cache, held, draw(1, 3))


def interrupt(*_):
    raise KeyboardInterrupt


def test_more_than_a_block_and_impossible_counts_are_refused(model):
    cache = model.new_cache(2)
    feed(model, cache, draw(16, 3))
    with pytest.raises(ValueError, match="17 tokens do not fit a block_size of 16"):
        feed(model, cache, draw(1, 1))
    assert feed(model, cache, draw(0, 1))[1].isfinite().all()  # the full row waits
    with pytest.raises(ValueError, match="counts"):
        model.hidden(torch.zeros(2, 1, dtype=torch.long), cache, torch.tensor([0, 2]))
