"""Every setting describes itself; forms, flags and docs rest on it."""

import pytest

from engine import SECTIONS, Setting, kinds, settings_of

ALL = [
    s
    for section in SECTIONS
    for kind in (kinds(section) or [None])
    for s in settings_of(section, kind)
]


@pytest.mark.parametrize("setting", ALL, ids=lambda s: s.dotted)
def test_a_setting_says_what_it_is_for(setting: Setting) -> None:
    assert setting.description.endswith(".")


NUMBERS = [
    s for s in ALL if s.annotation not in (bool, str) and "Literal" not in str(s.annotation)
]


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda s: s.dotted)
def test_a_number_has_a_range(setting: Setting) -> None:
    assert str(setting.range)
