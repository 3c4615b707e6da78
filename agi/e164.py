"""Dialled digits to E.164: what a caller dialled, read by one country's numbering plan.

The truth is libphonenumber's metadata, as the package ``phonenumbers`` carries it. Its functions
cost 23 to 79 microseconds a number, so the forms that callers use every day are compiled from the
same metadata into a few regular expressions. Those only ever say "surely so": whatever they do not
match is parsed by ``phonenumbers`` itself.

Countries are ISO 3166 alpha-2. Lengths are in digits; a whole number has 15 at most (ITU-T E.164).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberDesc

from agi.model import Dialled, Kind, Line, Msisdn

_MAX_DIGITS: Final = 15
_HEAD: Final = 3
"""Calling codes have one to three digits, and none is the beginning of another."""

_NATIONAL: Final = 2
"""The group of the form pattern that holds a number without its calling code."""

_DIALLABLE: Final = re.compile(r"\+?[0-9]{1,32}")
_SIGNED: Final = re.compile(r"(?=.*[0-9])\+?[0-9*#]{1,32}")
_DIGITS: Final = re.compile(r"[0-9]+")
_EMERGENCY: Final = re.compile(r"[0-9*#]{1,32}")
_INTERNATIONAL: Final = re.compile(r"[1-9][0-9]{0,31}")
"""Of a number that is not valid more digits are kept than E.164 allows: networks ignore what is too
much, so a rule that shuts a prefix has to see them."""
_HEAVY: Final = 1_000
"""Patterns of more characters may take 2 ms or more to compile: at start, never in a call."""

_WORLD: Final = "001"
"""The region that the metadata gives to codes that belong to no country, such as +882."""


class _Verdict(NamedTuple):
    """What one group of a compiled pattern proves; ``mobile`` is asked before LANDLINE stands."""

    country: str
    line: Line
    mobile: re.Pattern[str] | None = None


class _Matcher(NamedTuple):
    """The pattern of all numbers of one length behind one code; verdicts by group from 1."""

    pattern: re.Pattern[str]
    verdicts: tuple[_Verdict, ...]


def _metadata(code: int, region: str) -> PhoneMetadata:
    found = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    if found is None:
        raise ValueError(f"phonenumbers has no metadata for {region} ({code})")
    return found


def _pattern(desc: PhoneNumberDesc | None, length: int) -> str:
    """Return the description's pattern, or nothing if no number of it has that length."""
    if desc is None or not desc.national_number_pattern:
        return ""
    if desc.possible_length and length not in desc.possible_length:
        return ""
    return desc.national_number_pattern


def _prefix(metadata: PhoneMetadata, before: int) -> str:
    """Return an assertion that no national prefix stands after ``before`` digits.

    Some prefix patterns also match nothing at all (Argentina's), hence the look behind.
    """
    prefix = metadata.national_prefix_for_parsing
    if not prefix:
        return ""
    return rf"(?!(?:{_groupless(prefix)})(?<!\A\d{{{before}}}))"


def _groupless(pattern: str) -> str:
    return re.sub(r"\((?!\?)", "(?:", pattern)


def _ahead(desc: PhoneNumberDesc | None) -> str:
    """Return an assertion that a number of this description, of a possible length, remains."""
    if desc is None:
        return "(?!)"
    lengths = "|".join(rf"\d{{{length}}}" for length in desc.possible_length)
    return rf"(?=(?:{lengths})\Z)(?=(?:{desc.national_number_pattern})\Z)"


class _CallingCode:
    """The numbers behind one country calling code, compiled length by length when first seen."""

    __slots__ = ("_matchers", "_regions", "code", "country", "start", "unprefixed")

    def __init__(self, code: int, regions: Iterable[str]) -> None:
        self._regions = tuple(_metadata(code, region) for region in regions)
        self._matchers: dict[int, _Matcher] = {}
        self.code = str(code)
        self.start = len(self.code)
        self.unprefixed = re.compile(_prefix(self._regions[0], self.start), re.ASCII)
        alone = self._regions[0].id if len(self._regions) == 1 else ""
        self.country = "" if alone == _WORLD else alone

    def classify(self, digits: str) -> tuple[str, Line] | None:
        """Return country and line of a valid number (this code included), else None."""
        length = len(digits)
        matcher = self._matchers.get(length)
        if matcher is None:
            if length > _MAX_DIGITS:
                return None
            text, verdicts = self._alternatives(length - self.start)
            matcher = self._matchers[length] = _Matcher(re.compile(text, re.ASCII), verdicts)
        match = matcher.pattern.fullmatch(digits, self.start)
        if match is None or match.lastindex is None:
            return None
        country, line, mobile = matcher.verdicts[match.lastindex - 1]
        if mobile is not None and mobile.fullmatch(digits, self.start):
            line = Line.MOBILE_OR_LANDLINE
        return country, line

    def lengths(self) -> set[int]:
        """Return the possible lengths of national numbers."""
        return {n for m in self._regions if m.general_desc for n in m.general_desc.possible_length}

    def complete(self, digits: str) -> Msisdn | None:
        """Return the number that is complete before the last digit, None if these are not too many.

        The shortest valid one, else as much as the longest number would have.
        """
        ends = sorted(self.start + length for length in self.lengths())
        if not ends or len(digits) <= ends[-1]:
            return None
        valid = (digits[:end] for end in ends if self.classify(digits[:end]))
        return Msisdn(next(valid, digits[: ends[-1]]))

    def prepare(self, longer_than: int) -> None:
        """Compile now the patterns of more than so many characters."""
        for length in self.lengths():
            text, verdicts = self._alternatives(length)
            total = self.start + length
            if len(text) > longer_than and total <= _MAX_DIGITS:
                self._matchers[total] = _Matcher(re.compile(text, re.ASCII), verdicts)

    def _alternatives(self, length: int) -> tuple[str, tuple[_Verdict, ...]]:
        """Return one alternative per region and kind of line, and what each of them proves.

        The order is that of phonenumbers' region_code_for_number: the first region whose leading
        digits match has the number, valid or not; a region without them has it if it is valid.
        """
        verdicts: list[_Verdict] = []
        text = tail = ""
        for metadata in self._regions:
            kinds = _kinds(metadata, length, verdicts)
            if metadata.leading_digits and len(self._regions) > 1:
                text += (
                    rf"(?={metadata.leading_digits})(?:{kinds})|(?!{metadata.leading_digits})(?:"
                )
                tail += ")"
            else:
                text += f"{kinds}|"
        return f"{text}(?!){tail}" if verdicts else "(?!)", tuple(verdicts)


def _kinds(metadata: PhoneMetadata, length: int, verdicts: list[_Verdict]) -> str:
    """Return the alternatives of one region, and add their verdicts in the same order.

    The order is that of phonenumbers' number_type, and decides where patterns overlap.
    """
    general = _pattern(metadata.general_desc, length)
    groups = []
    for line, texts, mobile in _ordered(metadata, length):
        if general and any(texts):
            groups.append(f"({'|'.join(filter(None, texts))})")
            country = "" if metadata.id == _WORLD else metadata.id
            verdicts.append(_Verdict(country, line, mobile))
    return rf"(?=(?:{general})\Z)(?:{'|'.join(groups)})" if groups else "(?!)"


_Row = tuple[Line, tuple[str, ...], re.Pattern[str] | None]


def _ordered(metadata: PhoneMetadata, length: int) -> list[_Row]:
    def text(*descs: PhoneNumberDesc | None) -> tuple[str, ...]:
        return tuple(_pattern(desc, length) for desc in descs)

    others = (metadata.personal_number, metadata.pager, metadata.uan, metadata.voicemail)
    rows: list[_Row] = [
        (Line.PREMIUM, text(metadata.premium_rate), None),
        (Line.TOLLFREE, text(metadata.toll_free), None),
        (Line.OTHER, text(metadata.shared_cost), None),
        (Line.VOIP, text(metadata.voip), None),
        (Line.OTHER, text(*others), None),
    ]
    fixed = text(metadata.fixed_line)
    if metadata.same_mobile_and_fixed_line_pattern:
        return [*rows, (Line.MOBILE_OR_LANDLINE, fixed, None)]
    mobile = text(metadata.mobile)
    both = re.compile(mobile[0], re.ASCII) if mobile[0] and fixed[0] else None
    return [*rows, (Line.LANDLINE, fixed, both), (Line.MOBILE, mobile, None)]


class NumberingPlan:
    """How digits dialled in one country are to be understood.

    Order of interpretation, and why:

    1. An emergency number, exactly as configured: nothing may delay or reinterpret it.
    2. ``+`` and the country's international prefix (``00``, ``011``...): the caller said so.
    3. National, with or without the national prefix, if that makes a valid number: this is how
       the digits are understood in that country, so it wins over 4 and 5. A valid full number
       beats a short code because the plan would not assign a code that begins one.
    4. A short code of the country. Its emergency numbers that are not configured are among them.
    5. Bare international, a valid number of any country: how exchanges hand numbers on. Digits
       that are as long as a local number without its area code are not read that way.

    2 and 3 are phonenumbers' own rules, the country's own code without a plus included, but that
    no number may have more than 15 digits.
    """

    def __init__(self, country: str, emergency: Collection[str]) -> None:
        """Load the metadata, and compile what is used most or takes longest.

        The other calling codes compile when first seen, in 1.2 ms at most (measured).

        Args:
            country: ISO 3166 alpha-2, upper case.
            emergency: digits (also ``*`` and ``#``) as they are dialled, each 1 to 32 long.

        Raises:
            ValueError: phonenumbers has no such country, or an emergency number is not digits.
        """
        if country not in phonenumbers.SUPPORTED_REGIONS:
            raise ValueError("country must be an ISO 3166 alpha-2 code in upper case, such as GB")
        if isinstance(emergency, str) or not all(map(_EMERGENCY.fullmatch, emergency)):
            raise ValueError("emergency must list numbers of 1 to 32 digits, such as ['112']")
        PhoneMetadata.load_all()
        self._country = country
        self._emergency = frozenset(emergency)
        self._home = _metadata(0, country)
        self._short = _short_codes(country)
        self._codes = {
            str(code): _CallingCode(code, regions)
            for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
        }
        self._heads = self._compile_heads()
        self._own = self._codes[str(self._home.country_code)]
        self._idd = rf"(?>{_groupless(self._home.international_prefix or '(?!)')})(?!0)"
        self._explicit = re.compile(rf"(?:\+|{self._idd})(\d+)", re.ASCII)
        self._form = re.compile(self._compile_form(), re.ASCII)
        self._own.prepare(longer_than=0)
        for other in self._codes.values():
            other.prepare(_HEAVY)

    def understand(self, dialled: str) -> Dialled:
        """Say what was dialled; see the class for the order. Never raises.

        A number that is not valid still has an ``msisdn`` if its form is unambiguous (a plus, the
        international prefix or the national one, or they are too many to be national).
        """
        if dialled in self._emergency:
            return Dialled(dialled, Kind.EMERGENCY, None, self._country, Line.EMERGENCY)
        digits, code = self._read(dialled)
        found = code.classify(digits) if code else None
        if found is None:
            return self._understand_slowly(dialled)
        return Dialled(dialled, Kind.E164, Msisdn(digits), found[0], found[1])

    def _read(self, dialled: str) -> tuple[str, _CallingCode | None]:
        """Return the number with its calling code, without one if its form is not certain."""
        if dialled[:1] == "+":
            digits = dialled[1:]
        else:
            match = self._form.fullmatch(dialled)
            if match is None:
                return "", None
            digits = match[match.lastindex or 0]
            if match.lastindex == _NATIONAL:
                return self._own.code + digits, self._own
        code = self._heads.get(digits[:_HEAD])
        certain = code is not None and code.unprefixed.match(digits, code.start)
        return digits, code if certain else None

    def _compile_heads(self) -> dict[str, _CallingCode]:
        """Return the calling code by the first three digits of a number."""
        heads = {}
        for text, code in self._codes.items():
            missing = _HEAD - len(text)
            for rest in range(10**missing):
                heads[text + f"{rest:0{missing}d}" * bool(missing)] = code
        return heads

    def _compile_form(self) -> str:
        """Return the pattern of the forms that are certain without phonenumbers.

        Group 1: international, behind the prefix for it. Group 2: national, after its prefix is
        taken off, and possible for the country. Group 3: international as it stands, with the
        country's own code, or too long to be anything else.
        """
        home, code = self._home, self._own.code
        possible, prefix = _ahead(home.general_desc), home.national_prefix_for_parsing
        bare = _prefix(home, 0)
        # A transform rule moves digits about (Argentina, Brazil): left to phonenumbers.
        simple = prefix and not home.national_prefix_transform_rule
        strip = rf"(?!{code})(?>{_groupless(prefix or '')})|" if simple else ""
        longest = max(self._own.lengths() | self._short.keys())
        own = rf"(?!{possible}){code}(?={_prefix(home, len(code))}{possible})\d+"
        foreign = rf"(?!{code}){bare}\d{{{longest + 1},}}"
        national = rf"(?:{strip}{bare}){possible}(\d+)"
        return rf"{self._idd}(\d+)|(?!{self._idd})(?:{national}|({own}|{foreign}))"

    def _understand_slowly(self, dialled: str) -> Dialled:
        """Read a form that is not certain, by phonenumbers' own parser."""
        if not _DIALLABLE.fullmatch(dialled):
            return self._unreadable(dialled)
        valid = self._parse(dialled)
        if valid is None and self._is_short(dialled):
            return Dialled(dialled, Kind.SHORT, None, self._country)
        if valid is None and self._may_be_bare(dialled):
            valid = self._parse(f"+{dialled}")
        if valid is None:
            return self._invalid(dialled)
        digits, country, line = valid
        return Dialled(dialled, Kind.E164, Msisdn(digits), country, line)

    def _parse(self, dialled: str) -> tuple[str, str, Line] | None:
        try:
            number = phonenumbers.parse(dialled, self._country)
        except phonenumbers.NumberParseException:
            return None  # it is the library's word for "not a number"
        code = str(number.country_code)
        digits = code + phonenumbers.national_significant_number(number)
        found = self._codes[code].classify(digits)
        return None if found is None else (digits, *found)

    def _is_short(self, dialled: str) -> bool:
        pattern = self._short.get(len(dialled))
        return pattern is not None and pattern.fullmatch(dialled) is not None

    def _may_be_bare(self, dialled: str) -> bool:
        if self._explicit.fullmatch(dialled):
            return False
        general = self._home.general_desc
        return general is None or len(dialled) not in general.possible_length_local_only

    def _invalid(self, dialled: str) -> Dialled:
        """Keep the international form for prefix rules, if it is unambiguous."""
        match, prefix = self._explicit.fullmatch(dialled), self._home.national_prefix
        if match is not None:
            digits = match[1]
        elif prefix and dialled.startswith(prefix) and dialled[len(prefix) :][:1] not in ("", "0"):
            digits = self._own.code + dialled[len(prefix) :]
        elif len(dialled) > max(self._own.lengths()):
            digits = dialled  # too long for any national number
        else:
            digits = ""
        if not _INTERNATIONAL.fullmatch(digits):
            return self._unreadable(dialled)
        code = next((self._codes[digits[:n]] for n in (1, 2, 3) if digits[:n] in self._codes), None)
        if code is None:
            return Dialled(dialled, Kind.INVALID, Msisdn(digits))
        return Dialled(
            dialled, Kind.INVALID, Msisdn(digits), code.country, meant=code.complete(digits)
        )

    def _unreadable(self, dialled: str) -> Dialled:
        """Say what a network may make of it that drops signs: most digits in a row, read alone."""
        if not _SIGNED.fullmatch(dialled):
            return Dialled(dialled, Kind.INVALID)
        most = max(_DIGITS.findall(dialled), key=len)
        meant = self.understand(most).counted if most != dialled else None
        return Dialled(dialled, Kind.INVALID, meant=meant)


def _short_codes(country: str) -> dict[int, re.Pattern[str]]:
    """Return the patterns of the country's short codes, emergency numbers included, by length."""
    short = PhoneMetadata.short_metadata_for_region(country)
    if short is None or short.general_desc is None:
        return {}
    patterns = {}
    for length in short.general_desc.possible_length:
        general = _pattern(short.general_desc, length)
        codes = filter(
            None, (_pattern(short.short_code, length), _pattern(short.emergency, length))
        )
        if text := "|".join(codes):
            patterns[length] = re.compile(rf"(?=(?:{general})\Z)(?:{text})", re.ASCII)
    return patterns
