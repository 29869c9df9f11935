"""Takes secrets out of text, command lines and environments. Pure.

Three nets: what has the form of a known key; what stands after a name such as ``password=``; and the values of
the environment's own variables whose names say KEY, TOKEN, SECRET or PASSWORD, wherever they turn up.

Ordinary output must stay as it is: ``tokens=4096``, ``pad_token: <pad>``, ``key=train/loss`` and commit hashes
are no secrets. Hence a bare ``token`` or ``key`` counts only with a value that looks random.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping

MASK = "***"
_SHORTEST_VALUE = 8
_MOST_VALUES = 256
_MOST_KEY_LINES = 128  # 8,192 bits; a key that was never ended must not hide the rest

# Patterns are texts here and compiled when first needed: all of them would be 20 ms of each pump's start.
# Each form with the text that must be there for it to match: one search for a fixed text costs 40 ns, a pattern 1 µs.
_FORMS: tuple[tuple[str, str], ...] = (
    ("rs-", r"\brs-[A-Za-z0-9]{40,}"),
    ("wandb_v", r"\bwandb_v\d_[A-Za-z0-9_]{20,}"),
    ("local-", r"\blocal-[0-9a-f]{40}\b"),
    ("hf_", r"\bhf_[A-Za-z0-9]{30,}"),
    ("api_org_", r"\bapi_org_[A-Za-z0-9]{30,}"),
    ("AKIA", r"\bAKIA[0-9A-Z]{16}\b"),
    ("ASIA", r"\bASIA[0-9A-Z]{16}\b"),
    ("gh", r"\bgh[pousr]_[A-Za-z0-9]{36,}"),
    ("github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{22,}"),
    ("glpat-", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    # Words with dashes are no keys: these hold a digit and a capital.
    ("sk-", r"\bsk-(?=[A-Za-z_-]*[0-9])(?=[a-z0-9_-]*[A-Z])[A-Za-z0-9_-]{20,}"),
    ("xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("AIza", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("nvapi-", r"\bnvapi-[A-Za-z0-9_-]{40,}"),
    ("pypi-", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    ("npm_", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("eyJ", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)?"),
    ("PRIVATE KEY-", r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)"),
)
_URL_USER = r"(?i)(?<=://)[^\s/@:'\"]*:[^\s/@'\"]+(?=@)"
_URL_QUERY = (
    r"(?i)(?<=[?&])(x-amz-signature|x-amz-credential|x-amz-security-token|signature|sig|token|access_token|key|api_key)"
    r"=([^\s&'\"]{8,})"
)
_BEARER = r"(?i)\b(bearer|basic) +([A-Za-z0-9_.~+/=-]{12,})"

# name, its quote, = or :, the value's quote, the value
_STRONG = (
    r"(?i)((?:password|passwd|passphrase|secret|api_?-?key|access_?-?key|secret_?-?key|private_?-?key|auth_?-?token"
    r"|access_?-?token|refresh_?-?token|credentials?)[\"']?(?:\s*[=:]\s*|\s+is\s+))([\"']?)([^\s\"',;&)}\]]+)"
)
_WEAK = r"(?i)((?:token|key)[\"']?\s*[=:]\s*)([\"']?)([A-Za-z0-9_\-.+/=~]{16,})"
_HARMLESS = (
    r"(?i)(?:none|null|nil|true|false|unset|not|missing|required|invalid|empty|\*+|<.*|\[.*|\$.*|%.*|/.*|\{.*)\Z"
)
_STRONG_HINTS = ("passw", "passphr", "secret", "api", "access", "private", "auth", "refresh", "credential")

_AWS_SECRET = r"(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9/+]{40}"
_STRONG_NAME = r"PASSW|SECRET|CREDENTIAL|PASSPHRASE|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|AUTH"
_SECRET_NAME = r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|PASSPHRASE"
_HARMLESS_NAME = (
    r"TOKENIZERS_|KEYBOARD|KEYRING|MONKEY|KEYMAP|(?:_PATH|_FILE|_DIR|_FORMAT|_TYPE|_COUNT|_SIZE|_LEN|_LENGTH)\Z"
)
_OPTION = r"(?i)--?[a-z0-9_.-]*(?:password|passwd|secret|token|key|credential)[a-z0-9_.-]*\Z"


class Redactor:
    """Redacts texts of one process.

    Args:
        environ: the process's environment; secrets in it are masked wherever they turn up.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        values: set[str] = set()
        for name, value in environ.items():
            if is_secret_name(name):
                values.update(part for part in map(str.strip, value.splitlines()) if _may_be_secret(name, part))
        self._values = sorted(values, key=len, reverse=True)[:_MOST_VALUES]
        self._value_pattern = re.compile("|".join(map(re.escape, self._values))) if self._values else None

    def text(self, text: str) -> str:
        """Returns the text with every secret replaced by ``***``; the same object if there is none."""
        if self._value_pattern is not None and any(value in text for value in self._values):
            text = self._value_pattern.sub(MASK, text)
        for hint, pattern in _FORMS:
            if hint in text:
                text = re.sub(pattern, MASK, text)
        if "://" in text:
            text = re.sub(_URL_USER, _mask_password, text)
            text = re.sub(_URL_QUERY, rf"\1={MASK}", text)
        lower = text.lower()
        if any(hint in lower for hint in _STRONG_HINTS):
            text = re.sub(_STRONG, _mask_unless_harmless, text)
        if "token" in lower or "key" in lower:
            text = re.sub(_WEAK, _mask_if_random, text)
        if "bearer " in lower or "basic " in lower:
            text = re.sub(_BEARER, _mask_bearer, text)
        return text

    def arguments(self, arguments: Iterable[str]) -> list[str]:
        """Returns a command line with secrets masked, also those that follow their option: ``--token abc``."""
        redacted: list[str] = []
        is_secret_next = False
        for argument in arguments:
            if is_secret_next and not argument.startswith("-"):
                redacted.append(argument if _is_harmless(argument) else MASK)
            else:
                redacted.append(self._option(argument))
            is_secret_next = bool(re.match(_OPTION, argument))
        return redacted

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Returns variables with secret values masked."""
        return {
            name: MASK if value and is_secret_name(name) and not _is_harmless(value) else self.text(value)
            for name, value in environ.items()
        }

    def _option(self, argument: str) -> str:
        name, equals, value = argument.partition("=")
        if equals and re.match(_OPTION, name) and not _is_harmless(value):
            return f"{name}={MASK}"
        return self.text(argument)


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name may hold a secret."""
    upper = name.upper()
    return bool(re.search(_SECRET_NAME, upper)) and not re.search(_HARMLESS_NAME, upper)


def _may_be_secret(name: str, value: str) -> bool:
    """Whether a variable's value is to be looked for in output.

    ``SORT_KEY=val_loss`` is not: a mere KEY or TOKEN counts with a digit in it, a password with any text. A path
    never does, unless it is one of AWS's secrets, of which one in 64 begins like a path.
    """
    if len(value) < _SHORTEST_VALUE:
        return False
    if re.fullmatch(_AWS_SECRET, value):
        return True
    is_strong = bool(re.search(_STRONG_NAME, name.upper()))
    return not _is_harmless(value) and (is_strong or any(map(str.isdigit, value)))


def _is_harmless(value: str) -> bool:
    return not value or bool(re.match(_HARMLESS, value)) or _is_number(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _looks_random(value: str) -> bool:
    """Digits and letters mixed, as people do not write: no path, no version, no dotted name of a layer."""
    if "/" in value.strip("=/") and len(value) != 40:
        return False
    changes = sum(a.isdigit() != b.isdigit() for a, b in itertools.pairwise(value))
    return changes >= 4 and not _is_number(value) and value.count(".") <= 2


def _mask_password(match: re.Match[str]) -> str:
    user, _, _ = match.group().partition(":")
    return f"{user}:{MASK}"


def _mask_bearer(match: re.Match[str]) -> str:
    return f"{match.group(1)} {MASK}" if any(map(str.isdigit, match.group(2))) else match.group()


def _mask_unless_harmless(match: re.Match[str]) -> str:
    value = match.group(3)
    return match.group() if _is_harmless(value) else f"{match.group(1)}{match.group(2)}{MASK}"


def _mask_if_random(match: re.Match[str]) -> str:
    return f"{match.group(1)}{match.group(2)}{MASK}" if _looks_random(match.group(3)) else match.group()


class LineRedactor:
    """Redacts lines that come one by one: of a private key, the lines after its first hold the secret.

    Args:
        redactor: what a line by itself needs, or None to change nothing.
    """

    def __init__(self, redactor: Redactor | None) -> None:
        self._redactor = redactor
        self._key_lines_left: dict[str, int] = {}

    def __call__(self, stream: str, text: str) -> str:
        """Returns the stream's next line with secrets masked."""
        if self._redactor is None:
            return text
        left = self._key_lines_left.get(stream, 0)
        if left:
            self._key_lines_left[stream] = 0 if "-----END" in text else left - 1
            return MASK
        if "PRIVATE KEY-" in text and "-----BEGIN" in text and "-----END" not in text:
            self._key_lines_left[stream] = _MOST_KEY_LINES
        return self._redactor.text(text)
