"""Secrets at rest, and keys that are derived."""

import pytest

from store.secrets import SecretBox, SecretUnreadable

OLD, NEW = b"o" * 32, b"n" * 32


def test_what_was_encrypted_comes_back_and_shows_nothing_of_itself() -> None:
    box = SecretBox([NEW])
    encrypted = box.encrypt("pässword")
    assert box.decrypt(encrypted) == "pässword"
    assert "word" not in encrypted


def test_the_same_text_is_never_encrypted_alike() -> None:
    box = SecretBox([NEW])
    assert box.encrypt("demo") != box.encrypt("demo")


def test_an_older_key_still_reads_and_the_newest_writes() -> None:
    encrypted = SecretBox([OLD]).encrypt("demo")
    both = SecretBox([NEW, OLD])
    assert both.decrypt(encrypted) == "demo"
    assert SecretBox([NEW]).decrypt(both.encrypt("demo")) == "demo"


def test_another_key_reads_nothing_and_the_error_says_what_to_do() -> None:
    encrypted = SecretBox([OLD]).encrypt("demo")
    with pytest.raises(SecretUnreadable, match="enter the secret again"):
        SecretBox([NEW]).decrypt(encrypted)


def test_each_purpose_has_its_own_key() -> None:
    box = SecretBox([NEW])
    assert box.derive("thread-token") != box.derive("search")
    assert box.derive("search") == SecretBox([NEW, OLD]).derive("search")
    assert len(box.derive("search")) == 32


def test_a_keyed_hash_is_the_same_for_equal_texts_and_other_under_another_key() -> None:
    assert SecretBox([NEW]).keyed_hash("a") == SecretBox([NEW]).keyed_hash("a")
    assert SecretBox([NEW]).keyed_hash("a") != SecretBox([OLD]).keyed_hash("a")


def test_a_box_shows_nothing_of_its_keys() -> None:
    assert repr(SecretBox([NEW])) == "SecretBox()"
