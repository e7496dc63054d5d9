"""The topics of the pipeline as people read them, with the names that a model gave them."""

import json
from pathlib import Path

from booktest_cassettes import cassette
from pipelines import naming


@cassette(func=[naming.name_topic])
def test_top_words() -> None:
    topics = json.loads(Path("artifacts/topics.json").read_text(encoding="utf-8"))
    cassette.result.h1("Topics")
    cassette.result.table(
        [
            {"topic": topic, "name": naming.name_topic(words), "top words": ", ".join(words)}
            for topic, words in topics.items()
        ]
    )
    first, second = topics.values()
    cassette.result.check("no word is in both", not set(first) & set(second))
