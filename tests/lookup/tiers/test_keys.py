"""Names of numbers and seals of records."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.lookup.store import Stored
from agi.lookup.tiers.keys import NumberKey
from agi.model import Product
from tests.lookup.tiers.keeping import KEYED, NOW, ONE, PLAIN, SECRET, TWO, entry, said


def test_a_plain_name_is_the_digits_behind_a_letter_for_the_product() -> None:
    assert b"n447788450450" == PLAIN.name(ONE)
    assert b"t447788450450" == PLAIN.name(ONE, Product.TPS)
    assert not PLAIN.is_keyed


def test_a21_a_keyed_name_is_an_hmac_under_the_secret() -> None:
    expected = hmac.new(SECRET, b"name:n447788450450", hashlib.sha256).digest()[:20]
    assert expected == KEYED.name(ONE)
    assert KEYED.is_keyed


@pytest.mark.parametrize("key", [PLAIN, KEYED])
def test_every_product_of_every_number_has_a_name_of_its_own(key: NumberKey) -> None:
    assert 8 == len({*key.names(ONE), *key.names(TWO)})
    assert set(key.names(ONE)) == {key.name(ONE, product) for product in Product}


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        NumberKey.keyed(b"fifteen bytes..")


def test_a34_the_secret_is_in_no_repr() -> None:
    assert "NumberKey()" == repr(KEYED)


def test_marks_tell_secrets_apart_and_plain_from_keyed() -> None:
    other = NumberKey.keyed(b"another secret of 28 bytes..")
    assert 3 == len({PLAIN.mark(), KEYED.mark(), other.mark()})
    assert KEYED.mark() == NumberKey.keyed(SECRET).mark()


@pytest.mark.parametrize("key", [PLAIN, KEYED])
@given(obtained_ms=st.integers(0, 10**14 - 1))
def test_what_was_sealed_is_unsealed(key: NumberKey, obtained_ms: int) -> None:
    name = key.name(ONE)
    stored = Stored(said(), obtained_ms / 1000)
    sealed_at, value = key.seal(name, stored)
    assert obtained_ms == sealed_at
    assert stored == key.unseal(name, sealed_at, value)


@pytest.mark.parametrize("key", [PLAIN, KEYED])
@given(data=st.data())
def test_f33_no_changed_bit_is_believed(key: NumberKey, data: st.DataObject) -> None:
    name = key.name(ONE)
    obtained_ms, value = key.seal(name, entry())
    bit = data.draw(st.integers(0, 8 * len(value) - 1))
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    assert None is key.unseal(name, obtained_ms, bytes(changed))


@pytest.mark.parametrize("key", [PLAIN, KEYED])
def test_f33_another_number_s_value_or_another_age_is_not_believed(key: NumberKey) -> None:
    obtained_ms, value = key.seal(key.name(ONE), entry())
    assert None is key.unseal(key.name(TWO), obtained_ms, value)
    assert None is key.unseal(key.name(ONE, Product.FRAUD), obtained_ms, value)
    assert None is key.unseal(key.name(ONE), obtained_ms + 1, value)


@pytest.mark.parametrize(
    ("obtained_ms", "value"),
    [
        (None, b"x"),
        (True, b"x" * 30),
        (1.5, b"x" * 30),
        ("1", b"x" * 30),
        (-1, b"x" * 30),
        (10**14, b"x" * 30),
        (1, None),
        (1, "text"),
        (1, b""),
        (1, b"x" * 8),
    ],
)
def test_f33_values_of_any_type_are_judged_not_raised(obtained_ms: object, value: object) -> None:
    assert None is KEYED.unseal(KEYED.name(ONE), obtained_ms, value)


def test_a_seal_under_another_secret_or_none_is_not_believed() -> None:
    name = KEYED.name(ONE)
    for other in (PLAIN, NumberKey.keyed(b"another secret of 28 bytes..")):
        obtained_ms, value = other.seal(name, entry(NOW))
        assert None is KEYED.unseal(name, obtained_ms, value)
