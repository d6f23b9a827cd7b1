"""How does somebody else's message become part of ours?

Kubelet's, the scheduler's and KEDA's words, cut to size, without secrets, and without what changes at every repeat, so that a repeated
fault is no changed status (contract: controller, Status, cause of a failing pod). Pure text in, text out.
"""

import re

LONGEST_WORDS = 200
LONGEST_SERVER_WORDS = 512
LONGEST_MESSAGE = 1024

_SECRETS = (
    (re.compile(r"(?<=://)[^\s/@]+@"), "***@"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 ***"),
    (re.compile(r"(?i)\b([\w-]*(?:password|passwd|token|api[_-]?key|access[_-]?key|secret[_-]?key))(\s*[=:]\s*)[^\s,;\"']+"), r"\1\2***"),
)  # fmt: skip
_CHANGING = (
    # What kubelet adds to say the same thing again.
    (re.compile(r'^Back-off pulling image "[^"]*": (?:ErrImagePull|ImagePullBackOff): '), ""),
    (re.compile(r"^.*unable to start container process: "), ""),
    # A pod that cannot be created gets a new name at every try; the suffix has no vowels.
    (re.compile(r'(?<=pods ")([a-z0-9.-]+)-[bcdfghjklmnpqrstvwxz2456789]{5}(?=" is forbidden)'), r"\1"),
    (re.compile(r"\b[Bb]ack-off (?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+ "), "back-off "),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"_[a-z0-9-]+\([0-9a-f-]{36}\)"), ""),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b(?:sha256:)?(?=[0-9a-f]*[0-9])[0-9a-f]{12,64}\b"), "<id>"),
    (re.compile(r"(?<=[\d\]]):\d{4,5}(?=->)"), ""),
    (re.compile(r"\b(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+\b"), "<duration>"),
)  # fmt: skip
_SPACE = re.compile(r"\s+")


def masked(text: str) -> str:
    """The text without credentials."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def words(text: str, longest: int = LONGEST_WORDS) -> str:
    """Somebody else's message on one line: masked, without durations and ids, at most `longest` characters."""
    text = masked(_SPACE.sub(" ", text).strip())
    for pattern, instead in _CHANGING:
        text = pattern.sub(instead, text)
    return shortened(text.strip(), longest)


def shortened(text: str, longest: int) -> str:
    """At most `longest` characters: the beginning says what was tried, the end says why it failed."""
    half = (longest - 5) // 2
    return text if len(text) <= longest else f"{text[:half]} ... {text[-half:]}"


def cut(text: str, longest: int) -> str:
    """At most `longest` characters, the last three of a longer text being dots."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def last_line(text: str) -> str:
    """The last line that says something; whoever ends with a reason puts it there."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
