"""A last look before approval: does this blob still seem to hold a credential?"""

from __future__ import annotations

import re
from dataclasses import dataclass

# A credential begins a word; what stands right before it may be the end of an escape: of JSON, or of a URL.
_BEFORE = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2}))"


def _word(first: str, pattern: str) -> str:
    """A credential that begins so, where a word does; its first letter is rarer, and looked for first."""
    return rf"(?={first}){_BEFORE}{pattern}"


#: What it looks like; what is in every text that has one; the expression that finds it.
_PATTERNS: tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (label, tuple(markers.split()), re.compile(pattern))
    for label, markers, pattern in (
        ("AWS access key id", "AKIA ASIA", _word("A", r"(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
        ("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", _word("g", r"gh[pousr]_[A-Za-z0-9]{36,}\b")),
        ("GitHub token", "github_pat_", _word("g", r"github_pat_[A-Za-z0-9_]{22,}\b")),
        ("GitLab token", "glpat-", _word("g", r"glpat-[A-Za-z0-9_-]{20,}")),
        ("Slack token", "xox", _word("x", r"xox[abeprs]-[A-Za-z0-9-]{10,}")),
        ("Slack webhook", "hooks.slack.com", r"hooks\.slack\.com/services/T\w{6,}/B\w{6,}/\w{16,}"),
        ("Anthropic key", "sk-ant-", _word("s", r"sk-ant-[A-Za-z0-9_-]{20,}")),
        ("OpenAI key", "sk-", _word("s", r"sk-(?!ant-)(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{32,}")),
        ("Hugging Face token", "hf_", _word("h", r"hf_[A-Za-z0-9]{30,}")),
        ("Stripe key", "_live_ _test_", _word("[rs]", r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}")),
        ("SendGrid key", "SG.", _word("S", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}")),
        ("npm token", "npm_", _word("n", r"npm_[A-Za-z0-9]{36}\b")),
        ("PyPI token", "pypi-", _word("p", r"pypi-[A-Za-z0-9_-]{50,}")),
        ("Google API key", "AIza", _word("A", r"AIza[0-9A-Za-z_-]{35}")),
        ("Google access token", "ya29.", _word("y", r"ya29\.[0-9A-Za-z_-]{20,}")),
        ("Azure storage key", "AccountKey=", r"AccountKey=[A-Za-z0-9+/]{40,}"),
        ("private key", "PRIVATE KEY", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
        (
            "JSON web token",
            "eyJ",
            _word("e", r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
        ),
        (
            "bearer credential",
            "bearer Bearer BEARER",
            r"(?i:bearer)\s+(?!REDACTED\b)(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{16,}",
        ),
        ("password in a URL", "://", r"://[^\s/?#@:\"\\]+:(?!REDACTED@)[^\s/?#@\"\\]+@"),
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
    found = sorted(
        (match.start(), label)
        for label, markers, pattern in _PATTERNS
        if any(marker in text for marker in markers)
        for match in pattern.finditer(text)
    )
    findings: list[Finding] = []
    line, seen = 1, 0
    for start, label in found:
        line += text.count("\n", seen, start)
        seen = start
        findings.append(Finding(label, line))
    return sorted(findings, key=lambda finding: (finding.line, finding.label))
