"""The desk a review takes place at: shows one thing after another, reads keys, collects decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

import click

from ..wording import count
from ..workflow.lines import Line
from ..workflow.review import Act, Decision, Keys, Review, press
from . import screen
from .common import print_lines
from .keys import Keyboard, line

_DONE = {
    Decision.ACCEPT: "accepted",
    Decision.REJECT: "rejected",
    Decision.SKIP: "skipped",
    Decision.OURS: "ours",
    Decision.THEIRS: "theirs",
}
_SAID = {Act.ITEMS: "whole", Act.OPEN: "open", Act.COMMAND: "record again"}
_AROUND = 5  # rows for what stands above and below a difference
_WORD = 8  # columns for what a key meant, behind the prompt
_MOST = 100_000  # rows of a difference that are looked at to say how many are left out


class Topic(Protocol):
    """What a review is about: things numbered from 0."""

    #: What keys mean, and how that is told: in a line, in a short one, and at length.
    keys: Keys
    prompt: str
    short_prompt: str
    help: str

    def __len__(self) -> int:
        """How many things."""
        ...

    def body(self, number: int, /, *, full: bool) -> Iterable[Line]:
        """What is reviewed, and what changed in it."""
        ...

    def looks_secret(self, number: int, /) -> bool:
        """Whether accepting it needs a confirmation."""
        ...

    def confirm(self, number: int, /) -> None:
        """It was accepted all the same."""
        ...

    def act(self, number: int, act: Act, keyboard: Keyboard, /) -> None:
        """Do what only this topic knows."""
        ...


class Desk:
    """One topic, one person.

    Parameters
    ----------
    topic, keyboard:
        What is reviewed, and where keys come from.
    """

    def __init__(self, topic: Topic, keyboard: Keyboard) -> None:
        self.topic = topic
        self.keyboard = keyboard
        self.review = Review(len(topic))
        self._prompted = ""

    def sit(self) -> Review:
        """Review until the end or until the person says so; raises Left when they go otherwise."""
        self._show()
        while True:
            key = self.keyboard.key()
            if not key:
                continue
            before = self.review
            self.review, act = press(before, key, self.topic.keys, looks_secret=self.topic.looks_secret)
            if act is Act.END:
                self._echo("quit" if self.review.position is not None else "")
                return self.review
            self._answer(before, act)

    def _answer(self, before: Review, act: Act) -> None:
        number = before.position
        if act is Act.MOVED:
            self._moved(before)
        elif act is Act.UNKNOWN:
            return
        elif act is Act.NOTHING_TO_UNDO:
            self._say("nothing to undo")
        elif act is Act.HELP:
            self._say(self.topic.help)
        elif number is None:
            return
        elif act is Act.HELD:
            self._say("not accepted: it looks like a secret. ! accepts it all the same, r rejects it")
        elif act is Act.CONFIRM:
            self._confirm(number)
        elif act is Act.DIFF:
            self._echo("diff")
            page(self.topic.body(number, full=True), self.keyboard)
            self._prompt()
        else:
            self._echo(_SAID[act])
            self.topic.act(number, act, self.keyboard)
            self._prompt()

    def _moved(self, before: Review) -> None:
        if len(self.review.steps) < len(before.steps):
            self._echo("undone")
        else:
            step = self.review.steps[-1]
            word = _DONE[next(iter(step.values()))]
            self._echo(word if len(step) == 1 else f"{word}: {len(step):,}")
        self._show()

    def _confirm(self, number: int) -> None:
        self._echo("!")
        click.echo("Everybody who can read the recording could then read it. Type yes to accept: ", nl=False)
        if line(self.keyboard, lambda text: click.echo(text, nl=False)) != "yes":
            self._say("not accepted")
            return
        self.topic.confirm(number)
        before, self.review = self.review, self.review.decide(Decision.ACCEPT)
        self._moved(before)

    def _say(self, text: str) -> None:
        click.echo()
        print_lines(screen.fold(map(Line, text.splitlines()), screen.width()))
        self._prompt()

    # -- the screen ------------------------------------------------------------------------------

    def _show(self) -> None:
        number = self.review.position
        if number is None:
            self._closing()
            return
        body = screen.fold(self.topic.body(number, full=False), screen.width())
        shown, left = screen.fit(list(islice(body, _MOST)), screen.height() - _AROUND)
        print_lines([Line(""), screen.rule(f"[{number + 1}/{self.review.total}]"), *shown])
        if left:
            print_lines([Line(f"... {count(left, 'more line')}: d shows all", "dim")])
        print_lines([Line("")])
        self._prompt()

    def _closing(self) -> None:
        counts = ((self.review.count(decision), word) for decision, word in _DONE.items())
        told = ", ".join(f"{number:,} {word}" for number, word in counts if number)
        print_lines([Line(""), screen.rule("all decided"), Line(told)])
        self._prompt()

    def _prompt(self) -> None:
        if self.review.position is None:
            text = "enter: do it   u: undo   Ctrl-C: leave all as it was > "
            short = "enter, u or Ctrl-C > "
        else:
            text, short = f"{self.topic.prompt} > ", f"{self.topic.short_prompt} > "
        self._prompted = text if len(text) + _WORD < screen.width() else short
        click.echo(self._prompted, nl=False)

    def _echo(self, word: str) -> None:
        """Say behind the prompt what the key meant."""
        fits = len(self._prompted) + len(word) < screen.width()
        click.echo(word if fits else f"\n{word}")


def page(lines: Iterable[Line], keyboard: Keyboard) -> None:
    """Show lines: at once when they fit on the screen, else in the pager of the user."""
    folded = screen.fold(lines, screen.width())
    first = list(islice(folded, max(screen.height() - 2, 0)))
    rest = next(folded, None)
    if rest is None:
        print_lines(first)
        return
    with keyboard.released():
        try:
            click.echo_via_pager(_text([*first, rest], folded))
        except ValueError as error:  # a quote without its other half
            click.echo(f"PAGER is no command: {error}")


def _text(first: Iterable[Line], more: Iterator[Line]) -> Iterator[str]:
    for found in (first, more):
        for item in found:
            yield f"{item.text}\n"
