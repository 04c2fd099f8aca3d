"""Passwords: argon2id hashes, and what a password has to be."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 12, 256

COMMON = ("password", "passwort", "123456", "qwerty", "qwertz", "letmein", "gateway", "hospital", "radiology")
"""A password that is little more than one of these is refused."""

_HASHER = PasswordHasher()
_NOBODYS = _HASHER.hash("the password of nobody")


def faults_of_password(password: str, name: str) -> list[str]:
    """Say what is wrong with a password that a person has chosen; nothing where it may be used."""
    faults = []
    if not SHORTEST <= len(password) <= LONGEST:
        faults.append(f"It needs {SHORTEST} to {LONGEST} characters.")
    plain = password.lower()
    for word in (*COMMON, name.lower()):
        plain = plain.replace(word, "") if word else plain
    if len(set(plain)) < SHORTEST // 2:
        faults.append("It is too easy to guess: the name, common words and repetitions do not count.")
    return faults


def hash_password(password: str) -> str:
    """Hash a password with argon2id, salted."""
    return _HASHER.hash(password)


def password_fits(password: str, password_hash: str | None) -> bool:
    """Compare a password with a hash; without one (None, or empty) it takes as long, and does not fit."""
    try:
        _HASHER.verify(password_hash or _NOBODYS, password)
    except (VerificationError, InvalidHashError):
        return False
    return bool(password_hash)
