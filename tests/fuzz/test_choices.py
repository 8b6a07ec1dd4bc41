"""The choices that fuzzing is made of repeat and shrink."""

from __future__ import annotations

from tests.fuzz.choices import Choices, shrink


def words(choices: Choices) -> list[int]:
    return [choices.between(0, 1000) for _ in range(choices.below(50))]


def test_choices_of_one_seed_are_the_same_and_repeat_from_what_was_drawn():
    first = Choices(7)
    made = words(first)
    assert made == words(Choices(7))
    assert made == words(Choices(drawn=first.drawn))
    assert words(Choices(8)) != made


def test_choices_beyond_what_was_drawn_are_the_simplest():
    choices = Choices()
    assert (choices.of("abc"), choices.chance(50), choices.between(3, 9)) == ("a", False, 3)
    assert choices.some("abc", 1, 2) == ["a"]


def test_shrink_finds_the_smallest_case_that_fails():
    def fails(drawn):
        return any(n > 700 for n in words(Choices(drawn=drawn)))

    seed = next(n for n in range(100) if fails(drawn_from(n)))
    smallest = words(Choices(drawn=shrink(drawn_from(seed), fails)))
    assert smallest == [701]


def drawn_from(seed: int) -> list[int]:
    choices = Choices(seed)
    words(choices)
    return choices.drawn
