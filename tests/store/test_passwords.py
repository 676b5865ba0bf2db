"""Passwords: only their hashes are kept."""

from argon2 import PasswordHasher

from store.passwords import Passwords


def passwords() -> Passwords:
    """Return passwords whose hashing costs nearly nothing."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


async def test_the_right_password_matches_and_a_wrong_one_does_not() -> None:
    made = passwords()
    password_hash = await made.hash("right")
    assert await made.match("right", password_hash)
    assert not await made.match("wrong", password_hash)


async def test_nobody_has_a_password_not_even_the_one_of_the_dummy() -> None:
    made = passwords()
    assert not await made.match("nobody's", None)


async def test_a_hash_is_argon2id_and_has_its_own_salt() -> None:
    made = passwords()
    first, second = await made.hash("same"), await made.hash("same")
    assert first.startswith("$argon2id$")
    assert first != second
