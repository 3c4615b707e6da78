"""The pictures in the documents are what their scripts draw today."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from tests.pictures import top


def test_the_picture_of_top_is_what_its_script_draws() -> None:
    assert top.drawn() == top.TARGET.read_text(), "run: python -m tests.pictures.top"


def test_the_picture_fetches_nothing_and_is_well_formed() -> None:
    svg = top.TARGET.read_text()
    assert "url(http" not in svg
    assert "font-face" not in svg
    assert "svg" in ET.fromstring(svg).tag
