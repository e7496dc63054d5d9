"""A last look before approval: does this blob still seem to hold a credential?"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (label, re.compile(pattern))
    for label, pattern in (
        ("AWS access key id", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
        ("GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})\b"),
        ("GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
        ("Slack token", r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
        ("Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
        ("OpenAI key", r"\bsk-(?:proj-)?[A-Za-z0-9_-]{32,}"),
        ("Stripe key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
        ("Google API key", r"\bAIza[0-9A-Za-z_-]{35}"),
        ("private key", r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
        ("JSON web token", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
        ("bearer credential", r"(?i)\bbearer\s+(?!REDACTED\b)[A-Za-z0-9._~+/-]{16,}"),
    )
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Where something looks like a credential; never what it is.

    Attributes
    ----------
    label:
        What it looks like.
    line:
        Line of the blob's canonical text, from 1.
    """

    label: str
    line: int


def scan(blob: bytes) -> list[Finding]:
    """Everything in a blob's text that looks like a credential, in order."""
    text = blob.decode("utf-8", "replace")
    found = [
        Finding(label, text.count("\n", 0, match.start()) + 1)
        for label, pattern in _PATTERNS
        for match in pattern.finditer(text)
    ]
    return sorted(found, key=lambda finding: (finding.line, finding.label))
