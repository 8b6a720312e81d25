"""Invented records with known truth that are hard to link, and harder for some: harsh and unequal, as records are.

Promise: one seed, one population; every ethnic category has as many people; nothing in the variants below is read from the
files that linking reads, so that what is tested was not told. Three records a person, each at another provider.
"""

import csv
from functools import cache

import numpy as np
import pandas as pd

from transforms.standard import ROOT

Array = np.ndarray
TODAY = np.datetime64("2026-09-30")
PRACTICES, TRUSTS, OTHERS = (
    [f"ZP{n:03d}" for n in range(1, 22)],
    [f"ZZ{n}" for n in range(1, 9)],
    ["ZM01", "ZC01", "ZL01", "ZV01", "ZF01"],
)
COLUMNS = [
    "person_no",
    "ethnic_category",
    "is_borrowed",
    "provider",
    "local_patient_id",
    "nhs_number",
    "nhs_number_status",
]
COLUMNS += ["given_name", "family_name", "birth_date", "sex", "postcode", "gp_practice_code"]
PLACES_OF_A_PRACTICE = 400  # about 5,000 people
# Per record: shares of the whole population; a group's own share is this times its weight for the kind of fault.
RATES = {"no number": 0.08, "wrong number": 0.02, "name": 0.10, "moved": 0.12, "birth date": 0.03}
# How much more often than on average a group meets a fault; 1 where it is not named. (Invented, in life's direction.)
WEIGHTS = {
    "no number": {"british": 0.6, "roma": 2.2, "gypsy_or_irish_traveller": 2.2, "any_other_c": 1.5, "any_other_s": 1.6, "african": 1.4,
                  "arab": 1.4, "any_other_p": 1.3, "any_other_l": 1.2},
    "name": {"british": 0.6, "irish": 0.8, "chinese": 1.5, "arab": 1.6, "african": 1.3, "any_other_s": 1.5, "bangladeshi": 1.4,
             "pakistani": 1.4, "roma": 1.3, "any_other_l": 1.3, "any_other_p": 1.2},
    "moved": {"british": 0.8, "roma": 1.6, "gypsy_or_irish_traveller": 1.7, "any_other_c": 1.4, "any_other_s": 1.3},
    "birth date": {"british": 0.7, "african": 1.5, "any_other_p": 1.4, "any_other_s": 1.6, "arab": 1.4, "bangladeshi": 1.4},
}  # fmt: skip
ABROAD = {"african", "any_other_p", "any_other_s", "arab", "bangladeshi", "any_other_l"}  # where 1 January is common
TURNED = {
    "chinese",
    "african",
    "any_other_p",
    "arab",
    "bangladeshi",
    "pakistani",
    "any_other_l",
    "any_other_s",
    "indian",
}
SPELT = """mohammed muhammad mohamed mohammad muhammed mohamad mahammad|hussain hussein husain hossain husayn|ahmed ahmad ahmet
ahmmed|yusuf yousef youssef yusef|ibrahim ebrahim ibraheem|ali aly|hassan hasan hassen|khadija khadijah kadija|fatima fatimah
fatema fathima|aisha ayesha aysha aishah|choudhury chowdhury chaudhry choudhry|begum begam begom|uddin udin ud-din|miah mia
meah|rahman rehman rahaman|sheikh shaikh shaykh|qureshi quraishi koreshi|zhang chang|wang wong|chen chan|zhao chao|liu lau|
huang wong|xiu siu|olga olha|natalia nataliya natalya|sergei sergey serhiy|dmitri dmitry dmytro|katarzyna catarzyna|
krzysztof kristof|andrzej andrei|oluwaseun seun|emmanuel emanuel|abdirahman abdurahman cabdiraxmaan|abdi cabdi|hodan xodan|
jaswinder jasvinder|balwinder balvinder|parminder permindar|gurpreet gurprit|singh sing|kaur kour|layla leila laila|noor nur|
karim kareem|khalid khaled|qasim kassim|salma salmaa|hamid hameed|farid fareed|hosseini husseini hoseini|mehmet mehmed|
tesfaye tesfay|ngozi ngosi|zainab zaynab zeinab|nadeem nadim|javed javaid jawed|imran emran|tariq tareq tarik"""
SHORT = """oliver ollie|harry harold|thomas tom tommy|william bill will|james jim jamie|daniel dan danny|matthew matt|andrew andy drew|
david dave davy|peter pete|john jack johnny|robert bob rob bobby|alan al|kenneth ken|raymond ray|stephen steve|charlotte lottie charlie|
emily em|sophie soph|margaret maggie peggy|susan sue susie|patricia pat trish|dorothy dot|christine chris tina|alexandru alex|michael mike
mick|patrick paddy pat|kathleen kath kathy|bridget bridie|nathaniel nate nathan|samuel sam|emmanuel manny|beverley bev|antonio tony|
giovanni gianni|francesca fran|magdalena magda|agnieszka aga|tomasz tomek|jakub kuba|gabriela gabi|alexandra sandra alex|rajesh raj|
jaswinder jas|harpreet harps|gurpreet gurp|oluwaseun seun|funmilayo funmi"""  # fmt: skip
ENGLISH = ["William", "Peter", "Jenny", "Amy", "Kevin", "Alice", "David", "Mary"]  # a name for use at work or school


def rows(name: str) -> pd.DataFrame:
    with open(ROOT / "standards" / name, encoding="utf-8", newline="") as handle:
        return pd.DataFrame(list(csv.DictReader(handle)))


@cache
def variants(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for group in text.replace("\n", " ").split("|"):
        for name in (names := group.split()):
            found.setdefault(name, []).extend(other for other in names if other != name)
    return found


def text(values: object) -> Array:
    array = np.empty(len(values), dtype=object)  # type: ignore[arg-type]
    array[:] = values
    return array


def numbers(rng: np.random.Generator, n: int) -> Array:
    """Different valid NHS numbers; of the range that is never issued while it suffices (there are 900,000 or so)."""
    first = 999_000_000 if n < 600_000 else 400_000_000
    stems = first + rng.choice(999_998 if n < 600_000 else 299_999_999, int(n * 1.15) + 20, replace=False)
    total = sum((stems // 10 ** (8 - place) % 10) * (10 - place) for place in range(9))
    check = (11 - total % 11) % 11
    good = (check < 10) & (stems * 10 + check > 0)
    return text([f"{stem:09d}{digit}" for stem, digit in zip(stems[good][:n].tolist(), check[good][:n].tolist())])


def census(total: int, least: int = 0) -> dict[str, int]:
    """How many of `total` people are of each ethnic category, as in the demonstration's fifteen local authorities."""
    counted = rows("demo/ethnic_category_by_local_authority.csv")
    counted = counted.assign(people=counted["people"].astype(int)).groupby("ethnic_category")["people"].sum()
    return {code: max(least, int(total * n / counted.sum())) for code, n in counted.items()}


def people(seed: int, per_group: int | dict[str, int], many_names: bool = False) -> pd.DataFrame:
    """Everybody, once: with families under one roof, twins, parents and children of one name, and common names.

    `many_names`: as many different names as a large population has; without it, the few of the lists.
    """
    rng = np.random.default_rng([seed, 7])
    communities = rows("demo/communities.csv")
    categories = list(dict.fromkeys(communities["ethnic_category"]))
    sizes = [per_group if isinstance(per_group, int) else per_group.get(code, 0) for code in categories]
    made = pd.DataFrame({"ethnic_category": np.repeat(text(categories), sizes)})
    n = len(made)
    made["community"] = ""
    for code, part in communities.groupby("ethnic_category"):
        of, share = np.flatnonzero(made["ethnic_category"] == code), part["share"].astype(float).to_numpy()
        made.loc[of, "community"] = rng.choice(part["community"].to_numpy(), len(of), p=share / share.sum())
    made["sex"] = text(["1", "2"])[rng.integers(2, size=n)]
    names = rows("demo/names.csv").groupby(["community", "kind"])["name"].agg(list)
    given, second, family = np.empty(n, dtype=object), np.empty(n, dtype=object), np.empty(n, dtype=object)
    for community in made["community"].unique():
        here = np.flatnonzero(made["community"] == community)
        family[here] = draw(rng, names[community, "family"], len(here))
        for sex, kind in (("1", "given_male"), ("2", "given_female")):
            of = here[(made["sex"].to_numpy()[here] == sex)]
            given[of], second[of] = (
                draw(rng, names[community, kind], len(of)),
                draw(rng, names[community, kind], len(of)),
            )
    if many_names:  # every second person has a name of which there are a hundred times as many
        for names_of in (given, second, family):
            rare = np.flatnonzero(rng.random(n) < 0.5)
            endings = text([a + b for a in "bdfgklmnrstvz" for b in ("a", "e", "i", "o", "ul", "en", "er", "is")])
            names_of[rare] = names_of[rare] + endings[rng.integers(len(endings), size=len(rare))]
    double = rng.random(n) < np.where(made["community"].isin(["italian", "caribbean", "british"]), 0.05, 0.02)
    family[double] = text([f"{a}-{b}" for a, b in zip(family[double], family[rng.permutation(n)][double])])
    age = 95 * rng.beta(1.1, 1.6, n)
    born = (TODAY - (age * 365.25).astype("timedelta64[D]")).astype("datetime64[D]")
    abroad = made["ethnic_category"].isin(ABROAD).to_numpy() & (rng.random(n) < 0.03)
    born[abroad] = born[abroad].astype("datetime64[Y]").astype("datetime64[D]")  # the day that a passport gave them
    home = np.arange(n)
    # Of each family the first member is the row before; the next one takes name and home from them.
    kind = rng.choice(["", "twin", "namesake", "sibling", "couple"], n, p=[0.62, 0.03, 0.03, 0.17, 0.15])
    community, sex = made["community"].to_numpy(dtype=object), made["sex"].to_numpy(dtype=object)
    for at in np.flatnonzero(kind != "").tolist():
        if at == 0 or community[at] != community[at - 1]:
            continue
        home[at], family[at] = home[at - 1], family[at - 1]
        if kind[at] == "twin":
            given[at] = next((name for name in (given[at], second[at]) if name != given[at - 1]), "Sam")
            born[at], second[at] = born[at - 1], second[at] if second[at] != given[at - 1] else "Lee"
            second[at - 1] = (
                second[at - 1] if second[at - 1] != given[at] else "Lee"
            )  # nobody gives one twin the other's name
        elif kind[at] == "namesake":
            given[at], sex[at] = given[at - 1], sex[at - 1]
            born[at] = born[at - 1] - np.timedelta64(int(rng.integers(18, 40) * 365.25), "D")
    made["sex"] = sex
    place = rng.integers(max(n // 12, 20), size=n)[home]  # homes of one postcode; 12 people in each on average
    made["given"], made["second"], made["family"], made["born"], made["place"] = given, second, family, born, place
    made["has_second"] = rng.random(n) < 0.25
    made["practice"] = place // PLACES_OF_A_PRACTICE + (rng.random(n) < 0.2)
    made["nhs_number"] = numbers(rng, n)
    made["person_no"] = np.arange(1, n + 1)
    return made


def draw(rng: np.random.Generator, listed: list[str], n: int) -> Array:
    """Names as often as in life: the first of a list several times as common as the last."""
    weight = 1 / (np.arange(len(listed)) + 3.0)
    return text(listed)[rng.choice(len(listed), n, p=weight / weight.sum())]


def postcodes(place: Array) -> Array:
    """25 in a sector, 200 in a district, each of its own."""
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    return text([f"ZT{p // 200 + 1} {p // 25 % 8 + 1}{letters[p % 25 // 5]}{letters[p % 5]}" for p in place.tolist()])


def records(
    seed: int, per_group: int | dict[str, int], times: float = 1.0, several: int = 3, many_names: bool = False
) -> pd.DataFrame:
    """`several` records of everybody, each with its faults; `times` multiplies every rate. Columns as in harmonised.patient."""
    whole = people(seed, per_group, many_names)
    rng = np.random.default_rng([seed, 11])
    found = whole.loc[whole.index.repeat(several)].reset_index(drop=True)
    n, which = len(found), np.tile(np.arange(several), len(whole))
    code = found["ethnic_category"].to_numpy()
    trust = text(TRUSTS)[(found["place"].to_numpy() // 50) % len(TRUSTS)]
    other = text(OTHERS)[rng.integers(len(OTHERS), size=n)]
    surgery = text(PRACTICES)[found["practice"].to_numpy() % len(PRACTICES)]
    found["provider"] = np.select([which == 0, which == 1], [surgery, trust], other)
    found["local_patient_id"] = text([f"{a}-{b}" for a, b in zip(rng.permutation(n).tolist(), which.tolist())])

    def meets(kind: str) -> Array:
        weight = np.array([WEIGHTS.get(kind, {}).get(name, 1.0) for name in code])
        groups = np.array([WEIGHTS.get(kind, {}).get(name, 1.0) for name in dict.fromkeys(code)])
        return rng.random(n) < times * RATES[kind] * weight / groups.mean()

    _numbers(rng, found, meets("no number"), meets("wrong number"))
    _move(rng, found, meets("moved"))
    _misdate(rng, found, meets("birth date"))
    _respell(rng, found, meets("name"))
    found["birth_date"] = np.datetime_as_string(found["born"].to_numpy().astype("datetime64[D]"))
    found["gp_practice_code"] = text([f"Y{n:05d}" for n in found["practice"].tolist()])
    found.loc[rng.random(n) < 0.01 * times, "gp_practice_code"] = None
    found.loc[rng.random(n) < 0.02 * times, "postcode"] = None
    found.loc[rng.random(n) < 0.01 * times, "sex"] = "9"
    return found.iloc[rng.permutation(n)][COLUMNS].reset_index(drop=True)


def _numbers(rng: np.random.Generator, found: pd.DataFrame, none: Array, wrong: Array) -> None:
    number, n = found["nhs_number"].to_numpy(dtype=object).copy(), len(found)
    status = np.where(rng.random(n) < 0.92, "01", "02").astype(object)
    someone = number[rng.permutation(n)]
    sort, borrowed = rng.choice(3, n, p=[0.70, 0.25, 0.05]), np.zeros(n, dtype=bool)
    for at in np.flatnonzero(wrong & ~none).tolist():
        if sort[at] == 0:
            number[at], status[at] = malformed(rng, number[at]), "03"
        elif someone[at] != number[at]:
            number[at], status[at] = someone[at], ("03" if sort[at] == 1 else "01")
            borrowed[at] = sort[at] == 2
    number[none], status[none] = None, None
    found["nhs_number"], found["nhs_number_status"], found["is_borrowed"] = number, status, borrowed


def malformed(rng: np.random.Generator, number: str) -> str:
    """A slip of the hand: a digit, two neighbours, one too few, or no number at all. It may not be valid by chance."""
    how, at = rng.integers(4), int(rng.integers(8))
    if how == 1 and number[at] != number[at + 1]:
        return number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    if how == 2:
        return number[:at] + number[at + 1 :]
    if how == 3:
        return ["0000000000", "9999999999", "1234567890", "TEMP"][at % 4]
    return number[:at] + str((int(number[at]) + 1 + at) % 10) + number[at + 1 :]


def _move(rng: np.random.Generator, found: pd.DataFrame, moved: Array) -> None:
    place, practice, n = found["place"].to_numpy().copy(), found["practice"].to_numpy().copy(), len(found)
    near = rng.random(n) < 0.6
    top = place.max() + 1
    place[moved & near] = (place[moved & near] // 200 * 200 + rng.integers(200, size=(moved & near).sum())) % top
    place[moved & ~near] = rng.integers(top, size=(moved & ~near).sum())
    changes = moved & (rng.random(n) < np.where(near, 0.35, 0.8))
    practice[changes] = rng.integers(practice.max() + 1, size=changes.sum())
    found["postcode"], found["practice"] = postcodes(place), practice
    nowhere = found["ethnic_category"].isin(["roma", "gypsy_or_irish_traveller", "any_other_s"]).to_numpy() & (
        rng.random(n) < 0.03
    )
    found.loc[nowhere, "postcode"] = "ZZ99 3VZ"


def _misdate(rng: np.random.Generator, found: pd.DataFrame, wrong: Array) -> None:
    born = found["born"].to_numpy().astype("datetime64[D]").copy()
    is_abroad = found["ethnic_category"].isin(ABROAD).to_numpy()
    for at in np.flatnonzero(wrong).tolist():
        day = born[at].astype(object)
        how = rng.choice(5, p=[0.2, 0.2, 0.15, 0.4, 0.05] if is_abroad[at] else [0.35, 0.3, 0.25, 0.05, 0.05])
        if how == 0 and day.day <= 12:
            day = day.replace(month=day.day, day=day.month)
        elif how == 1:
            day = day.replace(
                year=day.year + int(rng.choice([-1, 1, -10, 10], p=[0.4, 0.4, 0.1, 0.1])), day=min(day.day, 28)
            )
        elif how == 2:
            day = day.replace(day=int(rng.integers(1, 29)))
        elif how == 3:
            day = day.replace(month=1, day=1)
        else:
            day = day.replace(month=int(rng.integers(1, 13)), day=min(day.day, 28))
        born[at] = np.datetime64(day)
    found["born"] = born


def _respell(rng: np.random.Generator, found: pd.DataFrame, varied: Array) -> None:
    given, second, family = (found[name].to_numpy(dtype=object) for name in ("given", "second", "family"))
    has_second, female = found["has_second"].to_numpy(), (found["sex"] == "2").to_numpy()
    turned = found["ethnic_category"].isin(TURNED).to_numpy()
    chinese = (found["community"] == "chinese").to_numpy()
    age = (TODAY - found["born"].to_numpy()).astype("timedelta64[D]").astype(int) / 365.25
    new_given, new_family = given.copy(), family.copy()
    writes = has_second & (rng.random(len(found)) < 0.5)  # some systems keep second names, some do not
    new_given[writes] = text([f"{a} {b}" for a, b in zip(given[writes], second[writes])])
    plain = found["provider"].isin(["ZZ2", "ZZ5", "ZM01"]).to_numpy()  # systems that know no accents, and shout
    for at in np.flatnonzero(varied).tolist():
        roll = rng.random()
        lower = given[at].lower()
        if turned[at] and roll < 0.22:
            new_given[at], new_family[at] = new_family[at], new_given[at]
        elif roll < 0.42 and (known := variants(SPELT).get(lower)):
            new_given[at] = known[int(rng.integers(len(known)))].title()
        elif roll < 0.55 and (known := variants(SPELT).get(family[at].lower())):
            new_family[at] = known[int(rng.integers(len(known)))].title()
        elif roll < 0.72 and (known := variants(SHORT).get(lower)):
            new_given[at] = known[int(rng.integers(len(known)))].title()
        elif chinese[at] and roll < 0.80:
            new_given[at] = ENGLISH[int(rng.integers(len(ENGLISH)))] + " " + given[at]
        elif "-" in family[at] and roll < 0.9:
            new_family[at] = family[at].split("-")[int(rng.integers(2))] if roll < 0.8 else family[at].replace("-", " ")
        elif age[at] < 1 and roll < 0.85:
            new_given[at] = ["Baby", "Baby of " + second[at], "Twin One", "Infant"][int(rng.integers(4))]
        elif roll < 0.78:
            new_given[at] = slip(rng, given[at])
        elif roll < 0.90:
            new_family[at] = slip(rng, family[at])
        elif roll < 0.93:
            new_given[at] = given[at][:1]
        elif roll < 0.95 and has_second[at]:
            new_given[at] = second[at]
        elif female[at] and age[at] > 18 and roll < 0.985:
            new_family[at] = family[int(rng.integers(len(found)))]  # marriage, or its end
        else:
            new_given[at] = f"{given[at]} ({given[at][:3]})" if roll < 0.99 else given[at] + "."
    shout = {name: name.upper() for name in {*new_given[plain], *new_family[plain]}}
    new_given[plain], new_family[plain] = (
        text([shout[x] for x in new_given[plain]]),
        text([shout[x] for x in new_family[plain]]),
    )
    ascii_only = str.maketrans("ÁÉÍÓÚÂÊÃÇŁáéíóúâêãçłÀÈàè", "AEIOUAEACLaeiouaeaclAEae")
    new_given[plain], new_family[plain] = (
        text([x.translate(ascii_only) for x in column[plain]]) for column in (new_given, new_family)
    )
    found["given_name"], found["family_name"] = new_given, new_family


def slip(rng: np.random.Generator, name: str) -> str:
    """A slip of the keyboard: a letter doubled, lost, swapped with its neighbour or wrong."""
    if len(name) < 3:
        return name + name[-1]
    how, at = rng.integers(4), int(rng.integers(1, len(name) - 1))
    if how == 0:
        return name[:at] + name[at] + name[at:]
    if how == 1:
        return name[:at] + name[at + 1 :]
    if how == 2:
        return name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    return name[:at] + "aeioulrnst"[int(rng.integers(10))] + name[at + 1 :]
