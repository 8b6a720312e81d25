"""What must hold between the files of the standard. Every fault is noted with file and line; nothing is repaired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transforms.crosscheck_codes import check_codes, check_maps, check_reasons, check_vocabularies
from transforms.crosscheck_disclosure import check_disclosure
from transforms.crosscheck_fields import check_fields, check_layout
from transforms.crosscheck_measures import check_measures
from transforms.crosscheck_objections import check_objections
from transforms.crosscheck_resolution import check_resolution
from transforms.crosscheck_rules import check_rules
from transforms.crosscheck_sets import check_classifications, check_sets
from transforms.faults import LINE, Reader, nearest
from transforms.guidance import check_guidance
from transforms.metrics import check_metrics
from transforms.validity import check_once
from transforms.wording import check_wording

if TYPE_CHECKING:
    from transforms.standard import Standard


def crosscheck(reader: Reader, standard: Standard) -> None:
    """Note everything that is wrong between files."""
    check_fields(reader, standard)
    for layout in standard.layouts.values():
        check_layout(reader, standard, layout)
    check_codes(reader, standard)
    check_vocabularies(reader, standard)
    check_maps(reader, standard)
    check_reasons(reader, standard)
    check_classifications(reader, standard)
    check_sets(reader, standard)
    check_wording(reader, standard)
    _check_providers(reader, standard)
    check_rules(reader, standard)
    check_metrics(reader, standard)
    check_measures(reader, standard)
    check_resolution(reader, standard)
    check_disclosure(reader, standard)
    check_guidance(reader, standard)
    check_objections(reader, standard)


def _check_providers(reader: Reader, standard: Standard) -> None:
    path = standard.folder / "providers.csv"
    check_once(reader, standard.tables["providers"], lambda row: (row["code"],), path, "provider")
    vocabularies = {row["vocabulary"] for row in standard.tables["vocabularies"]}
    for row in standard.tables["providers"]:
        for layout in row["layouts"].split():
            if layout not in standard.layouts:
                reader.fault(
                    path,
                    row[LINE],
                    f"layout '{layout}' is not known",
                    nearest(layout, standard.layouts) or "add it to layouts/",
                )
        if row["local_list"] and row["local_list"] not in vocabularies:
            hint = nearest(row["local_list"], vocabularies) or "add a row to vocabularies.csv"
            reader.fault(path, row[LINE], f"local_list '{row['local_list']}' is not a vocabulary", hint)
    for row in standard.tables["feeds"]:
        feeds, about = standard.folder / "feeds.csv", standard.providers.get(row["provider"], {"layouts": ""})
        if row["layout"] not in about["layouts"].split():
            what = f"provider '{row['provider']}' does not send '{row['layout']}'"
            reader.fault(feeds, row[LINE], what, "name a provider and one of its layouts in providers.csv")
    for row in standard.tables["agreements"]:
        if row["provider"] not in standard.providers:
            hint = nearest(row["provider"], standard.providers) or "add the provider first"
            what = f"provider '{row['provider']}' is not in providers.csv"
            reader.fault(standard.folder / "agreements.csv", row[LINE], what, hint)
