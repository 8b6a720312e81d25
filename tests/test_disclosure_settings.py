"""disclosure.yml and margins.csv: what would protect nothing is named before anything runs."""

import pytest

from tests import lakes
from tests.lakes import add_line, replace
from transforms.faults import Faults
from transforms.standard import load

WRONG = {
    "fewest_values: 5 ": ("fewest_values: 8 ", "none can keep 8 possible values"),
    "rounding_base: 5\nsensitive": ("rounding_base: five\nsensitive", "no whole number from 2"),
    "smallest_share_of_a_breakdown: 0.1": ("smallest_share_of_a_breakdown: ten", "no share"),
    "smallest_share_of_a_cross: 0.5": ("smallest_share_of_a_cross: 50", "no share"),
    'breakdown: "* x *", shortest: {local_authority: 12': (
        'breakdown: "* x *", shortest: {local_autority: 12',
        "not known",
    ),
    "ethnic_category, shortest: {icb_of_residence: 3": (
        "ethnic_category, shortest: {icb_of_residence: 0",
        "no whole number",
    ),
}


@pytest.mark.parametrize("old", WRONG)
def test_a_setting_that_cannot_be_used_is_named(old, tmp_path):
    copy = lakes.copied_standard(tmp_path / "copy")
    new, said = WRONG[old]
    replace(copy / "standards" / "disclosure.yml", old, new)
    with pytest.raises(Faults, match=said):
        load(copy)


@pytest.mark.parametrize(
    "line",
    [
        "metric_values,place,region,icb_of_residence,,Why",
        "coverage,place,region,icb_of_residense,,Why",
        "provider_measure,category,answerd,valid,,Why",
        "coverage,upward,region,icb_of_residence,,Why",
        "coverage,place,region,icb_of_residence,,",
    ],
)
def test_a_margin_over_what_nobody_counts_is_named(line, tmp_path):
    copy = lakes.copied_standard(tmp_path / "copy")
    no = add_line(copy / "standards" / "margins.csv", line)
    with pytest.raises(Faults, match=rf"margins\.csv:{no}"):
        load(copy)
