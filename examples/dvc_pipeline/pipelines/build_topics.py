"""Group the corpus into topics: documents that share a word with a topic's seed, and the words they use most.

Run as `python pipelines/build_topics.py --out artifacts/topics.json`.
"""

import argparse
import json
import re
from collections import Counter
from pathlib import Path

CORPUS = Path("data/raw_corpus.jsonl")
SEEDS = {"winter": "lake", "baking": "bread"}
COMMON = {"a", "and", "for", "from", "has", "in", "is", "no", "not", "on", "the", "when"}
TOP = 3


def words(text: str) -> list[str]:
    """The words of a text that say something."""
    return [word for word in re.findall(r"\w+", text.lower()) if word not in COMMON]


def build(corpus: Path) -> dict[str, list[str]]:
    """The top words of each topic, the most frequent first."""
    texts = [words(json.loads(line)["text"]) for line in corpus.read_text(encoding="utf-8").splitlines()]
    topics = {}
    for topic, seed in SEEDS.items():
        counted = Counter(word for text in texts if seed in text for word in text)
        topics[topic] = sorted(counted, key=lambda word: (-counted[word], word))[:TOP]
    return topics


def main() -> None:
    """Write the topics where DVC expects them."""
    parser = argparse.ArgumentParser(description="Build the topics of the corpus.")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    out: Path = parser.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(build(CORPUS), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
