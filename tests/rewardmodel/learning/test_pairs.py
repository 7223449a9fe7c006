import pytest

from rewardmodel.learning.conversations import Chat
from rewardmodel.learning.pairs import KEPT_PROMPT, Pair, fit, read_pairs
from tests.rewardmodel.learning.planted import planted_rows

ROW = planted_rows(1)[0]
LONG = [{"role": "user", "content": "first " + "the cat sat on the mat " * 30 + "last"}]


def pair(**changed) -> Pair:
    return Pair(**{**ROW, **changed})


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"chosen": "  "}, "empty response"),
        ({"chosen": "same", "rejected": " same "}, "identical"),
        ({"prompt": []}, "no prompt"),
        ({"prompt": [{"role": "user", "content": ""}]}, "empty message"),
        ({"prompt": [{"role": "judge", "content": "x"}]}, "unknown role"),
        ({"preference": 0.4}, "preference"),
        ({"preference": 0.75, "tie": 0.6}, "tie"),
        ({"tie": -0.1}, "tie"),
        ({"votes": [1, 2]}, "votes"),
        ({"votes": [1, 0, -2]}, "votes"),
        ({"preference": "sure"}, "of its own type"),
        ({"margin": 2}, "margin"),
        ({"weight": 0}, "weight"),
        ({"split": "both"}, "split"),
        ({"chosen": None}, "of its own type"),
    ],
)
def test_a_row_nothing_should_be_learned_from_is_refused_with_its_line(changed, sentence):
    with pytest.raises(ValueError, match=f"line 7 .*{sentence}"):
        read_pairs([(7, {**ROW, **changed})])


def test_a_row_without_a_tie_share_has_none():
    assert read_pairs([(1, {**ROW, "preference": 0.75})])[0].outcomes == (0.75, 0.0, 0.25)


@pytest.mark.parametrize(
    ("preference", "tie", "outcomes"),
    [
        (1.0, 0.0, (1, 0, 0)),
        (0.75, 0.5, (0.5, 0.5, 0)),
        (0.5, 1.0, (0, 1, 0)),
        (0.5, 0, (0.5, 0, 0.5)),
    ],
)
def test_half_of_a_tie_counts_for_each_response(preference, tie, outcomes):
    found = read_pairs([(1, {**ROW, "preference": preference, "tie": tie})])[0]
    assert found.outcomes == outcomes
    assert found.decided == (preference > 0.5)


def test_unknown_keys_of_a_row_are_passed_over():
    assert read_pairs([(1, {**ROW, "labeler": "alice"})])[0].chosen == ROW["chosen"]


def test_a_response_ends_with_the_end_token_once(chat: Chat):
    assert chat.response("yes")[-1] == chat.end
    assert chat.response("yes<|im_end|>").count(chat.end) == 1


def test_a_long_prompt_loses_its_beginning_and_a_response_nothing(chat: Chat):
    fitted = fit([pair(prompt=LONG)], chat, max_length=64)
    group = fitted.examples[0].group
    whole = chat.prompt(LONG)
    assert fitted.truncated_prompts == 1
    assert group.prompt == whole[-len(group.prompt) :]
    assert group.responses == [chat.response(ROW["chosen"]), chat.response(ROW["rejected"])]
    assert len(group.prompt) + max(map(len, group.responses)) == 64


def test_a_response_that_leaves_no_room_for_the_prompt_leaves_its_pair_out(chat: Chat):
    text = "cat " * 64
    assert len(chat.response(text)) > 64 - KEPT_PROMPT
    fitted = fit([pair(chosen=text), pair()], chat, max_length=64)
    assert (len(fitted.examples), fitted.left_out) == (1, 1)


def test_padding_with_the_end_token_is_refused(chat: Chat):
    chat.tokenizer.pad_token = chat.tokenizer.eos_token
    with pytest.raises(ValueError, match="padding token of its own"):
        Chat(chat.tokenizer)


def test_a_tokenizer_without_a_chat_template_is_refused(chat: Chat):
    chat.tokenizer.chat_template = None
    with pytest.raises(ValueError, match="chat template"):
        Chat(chat.tokenizer)
