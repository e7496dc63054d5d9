"""Names for topics. Stands for a language model: it costs money, and never says the same thing twice."""

import random

OPENINGS = ("All about", "Notes on", "The book of", "A short history of")


def name_topic(words: list[str]) -> str:
    """A title for a topic with these words."""
    return f"{random.choice(OPENINGS)} {words[0]}"
