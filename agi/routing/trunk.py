"""A trunk as a call sees it: its names, its ring time, and how it wants a number written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import phonenumbers

MAX_NUMBER: Final = 32
"""Characters of a number that may leave: the cap of ``CARRIER_NUMBER_n``."""


@dataclass(frozen=True, slots=True)
class NumberForm:
    """How to write an E.164 number for one trunk, compiled.

    A number that begins with ``calling_code`` loses it and gains ``home``; any other gains
    ``abroad``. Then ``strip`` leading characters go, then ``prepend`` is put before the rest.
    """

    calling_code: str
    home: str
    abroad: str
    strip: int
    prepend: str

    def write(self, msisdn: str) -> str | None:
        """Return the number to send, 1 to 32 characters; None if nothing or too much is left."""
        code = self.calling_code
        if code and msisdn.startswith(code):
            written = self.home + msisdn[len(code) :]
        else:
            written = self.abroad + msisdn
        rest = written[self.strip :]
        number = self.prepend + rest
        return number if rest and len(number) <= MAX_NUMBER else None


def number_form(number_format: str, strip: int, prepend: str) -> NumberForm | None:
    """Compile the number cells of a trunk; None means E.164 digits, as they are.

    A national format takes calling code and national prefix from libphonenumber's metadata
    (``PhoneMetadata.xml``): GB gives 0 before the number, US gives 1, ES and IT give nothing.
    Calling codes are prefix-free (ITU-T E.164, list of assigned country codes), so the first
    digits decide; countries that share one (GB and JE, US and CA) are national to each other.

    Args:
        number_format: ``e164``, ``plus``, ``00`` or ``national:CC`` with a country that
            libphonenumber knows.
        strip: how many leading characters of the formatted number go; a plus counts as one.
        prepend: what is then put before it.
    """
    if number_format.startswith("national:"):
        country = number_format.partition(":")[2]
        code = str(phonenumbers.country_code_for_region(country))
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(country)
        home = (metadata.national_prefix if metadata else None) or ""
        return NumberForm(code, home, "00", strip, prepend)
    sign = {"e164": "", "plus": "+", "00": "00"}[number_format]
    if not sign and not strip and not prepend:
        return None
    return NumberForm("", "", sign, strip, prepend)


@dataclass(frozen=True, slots=True)
class Trunk:
    """One row of ``trunks.csv``, compiled. ``ring_s`` is in seconds; ``form`` None is plain E.164.

    ``name`` is the one that rules use, ``endpoint`` the name that Asterisk knows. ``cps`` is how
    many calls a second it may be given, ``max_calls`` how many at once, 0 when there is no such
    limit.
    """

    name: str
    endpoint: str
    tech: str
    ring_s: int
    enabled: bool
    form: NumberForm | None = None
    cps: int = 0
    max_calls: int = 0

    def number(self, msisdn: str) -> str | None:
        """Return the number to send for an E.164 number; None makes the trunk unusable."""
        return msisdn if self.form is None else self.form.write(msisdn)
