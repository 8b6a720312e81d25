"""Hostile and broken deliveries as code: each a name, what is laid into landing, and what shall become of it.

Promise: nothing binary lies in the repository, the same call writes the same bytes, and every file that has people has a
canary among them, so that whatever leaks is found.
"""

import bz2
import gzip
import io
import json
import lzma
import os
import socket
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from tests.scanner import Canary
from tests.synthetic import COLUMNS, nhs_number

SOMEBODY = Canary(nhs_number(424_242), ("Zephyrine", "Quillfeatherton"), "ZQ7 7QZ")
NAMES = COLUMNS["pas_patient"].split()
ROWS = 6
PLAIN, RESOURCES = "ZZ1", "ZF01"  # who sends delimited text, and who sends resources
ACCEPTED = "accepted"


@dataclass(frozen=True)
class Case:
    """One delivery. `outcome` is a reason of outcomes.csv, or accepted, then with so many rows in bronze; `make` fills a
    folder. `place` stands instead of provider and period, `is_ready` for whether a _READY is put in when there is none."""

    name: str
    outcome: str
    make: Callable[[Path], None]
    rows: int = ROWS
    provider: str = PLAIN
    place: tuple[str, str] | None = None
    is_ready: bool = True
    detail: str = ""


CASES: list[Case] = []
SLOW: list[Case] = []


def add(name: str, outcome: str, content: bytes | str | Callable[[Path], None], file: str | bytes = "export.csv",
        cases: list[Case] = CASES, **more) -> None:  # fmt: skip
    """A case; of one file where `content` is no function."""
    if callable(content):
        make = content
    else:
        written = content.encode() if isinstance(content, str) else content

        def make(folder: Path) -> None:
            with open(os.fsencode(folder) + b"/" + os.fsencode(file), "wb") as handle:
                handle.write(written)

    cases.append(Case(name, outcome, make, **more))


def people(n: int = ROWS, names: list[str] = NAMES, **cells: str) -> list[list[str]]:
    """A header and `n` people, the first of them the canary; `cells` go to everybody."""
    rows = [names]
    for number in range(1, n + 1):
        row = {
            "PATIENT_ID": f"H{number:05d}",
            "NHS_NUMBER": SOMEBODY.number if number == 1 else nhs_number(500_000 + number),
            "NHS_NUMBER_STATUS": "01",
            "GIVEN_NAME": SOMEBODY.names[0] if number == 1 else "Zoë",
            "FAMILY_NAME": SOMEBODY.names[1] if number == 1 else "Müller",
            "DATE_OF_BIRTH": f"0{number % 9 + 1}/02/1980",
            "SEX": "2",
            "POSTCODE": SOMEBODY.postcode if number == 1 else "ZX1 1AA",
            "ETHNIC_CATEGORY": "A",
            "ETHNIC_CATEGORY_DATE": "01/03/2026",
        }
        rows.append([(row | cells).get(name, "") for name in names])
    return rows


def text(rows: list[list[str]] | None = None, delimiter: str = "|", end: str = "\n") -> str:
    return "".join(delimiter.join(row) + end for row in rows or people())


def edited(line: int, change: Callable[[str], str]) -> str:
    """The plain file with one line changed; 0 is the header."""
    lines = text().splitlines()
    lines[line] = change(lines[line])
    return "\n".join(lines) + "\n"


def every(change: Callable[[str], str]) -> str:
    return "".join(change(line) + "\n" for line in text().splitlines())


def with_columns(*extra: str, value: str = "x") -> str:
    """The plain file with more columns at its end."""
    lines = text().splitlines()
    return "".join(
        "|".join([line, *(extra if place == 0 else [value] * len(extra))]) + "\n" for place, line in enumerate(lines)
    )


GOOD = text()

# Encodings.
add("utf-8", ACCEPTED, GOOD)
add("utf-8 with a mark", ACCEPTED, GOOD.encode("utf-8-sig"))
add("utf-16, little end first", ACCEPTED, b"\xff\xfe" + GOOD.encode("utf-16-le"))
add("utf-16, big end first", ACCEPTED, b"\xfe\xff" + GOOD.encode("utf-16-be"))
add("windows-1252", ACCEPTED, GOOD.encode("cp1252"))
add("utf-8 and windows-1252 in one file", ACCEPTED, GOOD.encode() + text(people(9)[7:]).encode("cp1252"), rows=9)
add("utf-16 without a mark", "binary_file", GOOD.encode("utf-16-le"))
add("utf-16 without a mark, big end first", "binary_file", GOOD.encode("utf-16-be"))
add("utf-32", "binary_file", GOOD.encode("utf-32"))
add("utf-32, big end first", "binary_file", b"\0\0\xfe\xff" + GOOD.encode("utf-32-be"))
add("utf-16 cut inside a character", "unreadable_rows", (b"\xff\xfe" + (GOOD + "\n").encode("utf-16-le"))[:-1])
add("utf-16 with half a pair", ACCEPTED, b"\xff\xfe" + GOOD.replace("ë", "\ud83d").encode("utf-16-le", "surrogatepass"))
add("utf-16 with zero characters", "binary_file", b"\xff\xfe" + GOOD.replace("ë", "\0").encode("utf-16-le"))
add("utf-16 that swaps its ends half way", "unreadable_rows",
    b"\xff\xfe" + GOOD.encode("utf-16-le") + GOOD.encode("utf-16-be"))  # fmt: skip
add("utf-7", ACCEPTED, GOOD.encode("utf-7").replace(b"+AHw-", b"|"))
add("bytes that windows-1252 has not", ACCEPTED, GOOD.encode().replace("ë".encode(), b"\x81\x8d"))
add("a lone continuation byte", ACCEPTED, GOOD.encode().replace("ë".encode(), b"\xbf"))
add("an overlong zero", ACCEPTED, GOOD.encode().replace("ë".encode(), b"\xc0\x80"))
add("half a pair in utf-8", ACCEPTED, GOOD.encode().replace("ë".encode(), b"\xed\xa0\x80"))
add("cut inside a character", "unreadable_rows", GOOD.encode()[: GOOD.encode().rindex("ü".encode()) + 1])
add("ebcdic", "unknown_layout", GOOD.encode("cp037"))
add("two marks", "missing_column", b"\xef\xbb\xbf" * 2 + GOOD.encode(), detail="PATIENT_ID")
add("nothing but a mark", "empty_file", b"\xef\xbb\xbf")
add("nothing but a mark of utf-16", "empty_file", b"\xff\xfe")
add("direction marks and blanks of no width", ACCEPTED, GOOD.replace("ë", "\u202e\u200b\ufeff"))
add("a mark inside", ACCEPTED, GOOD.replace("Zoë", "\ufeffZoë"))

# Delimiters, line ends and quotes.
for what, mark in (("commas", ","), ("tabs", "\t"), ("semicolons", ";"), ("unit separators", "\x1f"), ("tildes", "~")):
    add(f"{what} for bars", "unknown_layout", text(delimiter=mark))
add("two bars each", ACCEPTED, text(delimiter="||"))
add("fixed width", "unknown_layout", "".join("".join(f"{cell:24}" for cell in row) + "\n" for row in people()))
add("a line that says sep=", "unknown_layout", "sep=|\n" + GOOD)
add("a title above the header", "unknown_layout", "Patient index, September\n\n" + GOOD)
add("crlf", ACCEPTED, text(end="\r\n"))
add("cr", ACCEPTED, text(end="\r"))
add("lf and cr", "unreadable_rows", text(end="\n\r"))
add("line ends of both kinds", ACCEPTED, GOOD.replace("\n", "\r\n", 3))
add("no last line end", ACCEPTED, GOOD.rstrip("\n"))
add("blank lines at the end", ACCEPTED, GOOD + "\n\n\n")
add("blank lines between", ACCEPTED, GOOD.replace("\n", "\n\n", 4))
add("a blank line first", "unknown_layout", "\n" + GOOD)
add("line breaks of unicode in a cell", ACCEPTED, GOOD.replace("ë", "\u2028\u0085\x0b\x0c"))
add("the end mark of dos", "unreadable_rows", GOOD + "\x1a")
add("a bar inside quotes", ACCEPTED, GOOD.replace("Zoë", '"Z|oë"'))
add("a line break inside quotes", ACCEPTED, GOOD.replace("Zoë", '"Z\noë"'))
add("everything quoted", ACCEPTED, "".join("|".join(f'"{cell}"' for cell in row) + "\n" for row in people()))
add("doubled quotes", ACCEPTED, GOOD.replace("Zoë", '"Z""oë"'))
add("quotes escaped by a stroke", "unreadable_rows", GOOD.replace("Zoë", '"Z\\"oë"'))
add("single quotes", ACCEPTED, GOOD.replace("Zoë", "'Z oë'"))
add("curly quotes", ACCEPTED, GOOD.replace("Zoë", "“Zoë”"))
add("a quote inside a word", ACCEPTED, GOOD.replace("Zoë", 'Z"oë'))
add("a quote that is not closed", "unreadable_rows", edited(3, lambda line: line.replace("Zoë", '"Zoë')))
add("a quote in the header that is not closed", "unknown_layout", '"' + GOOD)
add("words after a quote", "unreadable_rows", GOOD.replace("Zoë", '"Zoë" Ann'))
add("a hundred thousand quotes", "unreadable_rows", edited(3, lambda line: line.replace("Zoë", '"' * 99_999)))

# Zeros.
add("a zero in a cell", "binary_file", GOOD.replace("ë", "\0"))
add("a zero after the first megabyte", "binary_file", text(people(15_000)) + "\0")
add("zeros at the end, as of an upload that was cut", "binary_file", GOOD.encode() + bytes(4096))
add("nothing but zeros", "binary_file", bytes(4096))

# Rows that do not fit.
add("one value too many", "unreadable_rows", edited(3, lambda line: line + "|more"), detail="line")
add("one value too few", "unreadable_rows", edited(3, lambda line: line.rsplit("|", 1)[0]), detail="line")
add("a bar at the end of every line", ACCEPTED, every(lambda line: line + "|"))
add("a bar at the end of every row", ACCEPTED, GOOD.replace("\n", "|\n").replace("|\n", "\n", 1))
add("two rows in one", "unreadable_rows", "|".join(GOOD.rsplit("\n", 2)) + "\n")
add("a line of totals", "unreadable_rows", GOOD + "Total|6\n")
add("cut inside a row", "unreadable_rows", GOOD[:-40])
add("rows of nothing but bars", ACCEPTED, GOOD + "|" * (len(NAMES) - 1) + "\n", rows=ROWS + 1)
add("the header twice", ACCEPTED, GOOD + GOOD.splitlines()[0] + "\n", rows=ROWS + 1)

# The engine's message repeats the row, cut where it likes: found by spoiling.
add(
    "a long row of two bytes a letter that does not fit",
    "unreadable_rows",
    edited(3, lambda line: line + "|" + "ü" * 20_000),
)
add(
    "a long row of three bytes a letter that does not fit",
    "unreadable_rows",
    edited(3, lambda line: line + "|" + "日" * 20_000),
)
add("a long row of odd length that does not fit", "unreadable_rows", edited(3, lambda line: line + "|x" + "ü" * 20_000))

# Headers.
add("columns in another order", ACCEPTED, text(people(names=NAMES[::-1])))
add("a column twice", ACCEPTED, with_columns("SEX"))
add("a column twice in another case", ACCEPTED, "sex|" + "".join(
    f"{'' if place == 0 else 'x|'}{line}\n" for place, line in enumerate(GOOD.splitlines())))  # fmt: skip
add("a column three times and once with a number", ACCEPTED, with_columns("SEX", "SEX", f"SEX_{len(NAMES) + 1}", "SEX"))
add("columns without a name", ACCEPTED, with_columns("", "", ""))
add("columns named like ours", ACCEPTED, with_columns("file_row_number", "filename", "line", "rowid", "file_index"))
add("columns named like partitions", ACCEPTED, with_columns("provider", "period", "submission_no", "record_key"))
add("columns named like the word column", ACCEPTED, with_columns("", f"column_{len(NAMES) + 1}", "COLUMN_1"))
add("every column of one name", "unknown_layout", GOOD.replace(GOOD.splitlines()[0], "|".join(["A"] * len(NAMES))))
add("a column is missing that must be there", "missing_column", text(people(names=NAMES[1:])), detail="PATIENT_ID")
add("nothing but a header", "no_rows", GOOD.splitlines()[0] + "\n")
add("a header without a line end", "no_rows", GOOD.splitlines()[0])
add("no header", "unknown_layout", GOOD.split("\n", 1)[1])
add("a header in small letters", "unknown_layout", GOOD.replace(GOOD.splitlines()[0], GOOD.splitlines()[0].lower()))
add("blanks around names", ACCEPTED, GOOD.replace(GOOD.splitlines()[0], GOOD.splitlines()[0].replace("|", " | ")))
add("a header that is sql", ACCEPTED, with_columns("x'); drop table y; --", '"a""b"', "{}", "*", "$1", "?"))
add("a name of a hundred thousand letters", ACCEPTED, with_columns("N" * 100_000))
add("a name of a million letters", "unknown_layout", with_columns("N" * 1_000_000))
add("a name with a line break", ACCEPTED, with_columns('"one\ntwo"'))
add("a name with controls", ACCEPTED, with_columns("\x01\x02\x7f\x9f", "\u202e"))
add("2,000 columns", ACCEPTED, with_columns(*(f"X{n}" for n in range(2_000))))
add("10,000 columns", "beyond_limits", with_columns(*(f"X{n}" for n in range(10_000))), detail="columns")

# Long.
add("a cell of a megabyte", ACCEPTED, edited(3, lambda line: line.replace("Zoë", "Z" * 1_000_000)))
add("a cell of three megabytes", "unreadable_rows", edited(3, lambda line: line.replace("Zoë", "Z" * 3_000_000)))
add("one line of 20 megabytes", "unknown_layout", "Z" * 20_000_000)
add("a line of 20 megabytes below the header", "unreadable_rows", GOOD + "Z" * 20_000_000)
# Of these the engine left the line out and said nothing, or gave up.
add("a line of 40 megabytes at the end", "beyond_limits", lambda folder: endless(folder, 40 << 20), detail="line")
add(
    "a line of 40 megabytes inside",
    "beyond_limits",
    lambda folder: endless(folder, 40 << 20, "\n" + GOOD),
    detail="line",
)
add("a million bars", ACCEPTED, GOOD + "|" * 1_000_000 + "\n", rows=ROWS + 1)

# Empty.
add("empty", "empty_file", b"")
add("nothing but blanks", "empty_file", b" \t \r\n \n")
add("nothing but line ends", "empty_file", b"\n" * 1000)


# Containers: none is opened, whatever is in it.
def packed(*entries: tuple[str, bytes], flag: int = 0, mode: int = 0, times: int = 1) -> bytes:
    """A ZIP archive; `flag` is set in the head of every entry, `mode` says what kind of file it is."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(times):
            for name, content in entries:
                entry = zipfile.ZipInfo(name.format(number), (2026, 9, 1, 0, 0, 0))
                entry.external_attr, entry.compress_type = mode << 16, zipfile.ZIP_DEFLATED
                archive.writestr(entry, content)
    found = bytearray(made.getvalue())
    if flag:
        found[6] |= flag
    return bytes(found)


def workbook(*more: tuple[str, str], sheet: str = "<row><c><v>1</v></c></row>", strings: str = "") -> bytes:
    """An Office workbook: what makes it one, a sheet, shared strings, and other parts."""
    spread = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    parts = [
        ("[Content_Types].xml", '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'),
        ("xl/workbook.xml", f'<workbook {spread}><sheets><sheet name="{SOMEBODY.names[1]}"/></sheets></workbook>'),
        ("xl/sharedStrings.xml", f"<sst {spread}>{strings}<si><t>{SOMEBODY.names[1]}</t></si></sst>"),
        ("xl/worksheets/sheet1.xml", f"<worksheet {spread}><sheetData>{sheet}</sheetData></worksheet>"),
        *more,
    ]
    return packed(*((name, content.encode()) for name, content in parts))


def compound(*names: str) -> bytes:
    """The beginning of a file in Office's old container, with the names of its streams."""
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
    return head + b"".join(name.encode("utf-16-le").ljust(128, b"\0") for name in names) + bytes(2048)


BOMB = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "lol">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
) + "]><x>&j;</x>"  # fmt: skip
SQUEEZED = gzip.compress(GOOD.encode(), mtime=0)
add("gzip", "packed_file", SQUEEZED, "export.csv.gz")
add("gzip that is cut", "packed_file", SQUEEZED[: len(SQUEEZED) // 2], "export.csv.gz")
add("gzip named as text", "packed_file", SQUEEZED)
add("a bomb of gzip", "packed_file", gzip.compress(bytes(10_000_000), 9, mtime=0), "export.csv.gz")
add("bzip2", "packed_file", bz2.compress(GOOD.encode()), "export.csv.bz2")
add("xz", "packed_file", lzma.compress(GOOD.encode()), "export.csv.xz")
add("zstd", "packed_file", b"\x28\xb5\x2f\xfd\x00\x58" + GOOD.encode()[:64], "export.csv.zst")
add("7z", "packed_file", b"7z\xbc\xaf\x27\x1c\0\4" + bytes(64), "export.7z")
add("rar", "packed_file", b"Rar!\x1a\7\1\0" + bytes(64), "export.rar")
add("tar", "binary_file", b"export.csv".ljust(257, b"\0") + b"ustar\0" + b"00" + bytes(760), "export.tar")
add("zip", "packed_file", packed(("export.csv", GOOD.encode())), "export.zip")
add("zip named as text", "packed_file", packed(("export.csv", GOOD.encode())))
add("a bomb of zip", "packed_file", packed(("export.csv", bytes(10_000_000))), "export.zip")
add("a zip of 3,000 files", "packed_file", packed(("{0}.csv", b"x"), times=3_000), "export.zip")
add("a zip of zips", "packed_file", packed(("a.zip", packed(("b.zip", packed(("c.csv", GOOD.encode())))))), "a.zip")
add("a zip that climbs", "packed_file", packed(("../../../../keys/pseudonym.key", b"00" * 32)), "export.zip")
add("a zip with a full path", "packed_file", packed(("/etc/cron.d/run", b"* * * * * root true")), "export.zip")
add("a zip with a link", "packed_file", packed(("link", b"/etc/passwd"), mode=0o120777), "export.zip")
add("a zip with a password", "packed_file", packed(("export.csv", GOOD.encode()), flag=1), "export.zip")
add("an empty zip", "packed_file", packed(), "export.zip")
add("a zip that is cut", "packed_file", packed(("export.csv", GOOD.encode()))[:50], "export.zip")
add("a workbook", "spreadsheet_file", workbook(), "export.xlsx")
add("a workbook named as text", "spreadsheet_file", workbook())
add("a workbook with macros", "spreadsheet_file", workbook(("xl/vbaProject.bin", "Sub Auto_Open()")), "export.xlsm")
add(
    "a workbook with formulas",
    "spreadsheet_file",
    workbook(sheet="<row><c><f>1+1</f><v>2</v></c></row>"),
    "export.xlsx",
)
add("a workbook with merged cells", "spreadsheet_file", workbook(sheet='<mergeCell ref="A1:B2"/>'), "export.xlsx")
add("a workbook with days as numbers", "spreadsheet_file", workbook(sheet='<row><c s="1"><v>29221</v></c></row>'),
    "export.xlsx")  # fmt: skip
add("a workbook with links elsewhere", "spreadsheet_file", workbook(("xl/externalLinks/externalLink1.xml", "<x/>")),
    "export.xlsx")  # fmt: skip
add("a workbook with ten megabytes of strings", "spreadsheet_file", workbook(strings="<si><t>aaaa</t></si>" * 500_000),
    "export.xlsx")  # fmt: skip
add("a workbook with a bomb of entities", "spreadsheet_file", workbook(("xl/styles.xml", BOMB)), "export.xlsx")
add("a workbook with a password", "locked_file", compound("Root Entry", "EncryptionInfo", "EncryptedPackage"), "a.xlsx")
add("a workbook of before 2007", "spreadsheet_file", compound("Root Entry", "Workbook"), "export.xls")
add("an open document", "spreadsheet_file", packed(("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
    flag=0).replace(b"mimetype", b"mimetypeapplication/vnd.oasis.opendocument", 1), "export.ods")  # fmt: skip
add("a pdf", "document_file", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + GOOD.encode(), "export.pdf")
add("rich text", "document_file", r"{\rtf1\ansi " + GOOD + "}", "export.rtf")
add("an sqlite database", "table_file", b"SQLite format 3\0" + bytes(84), "export.db")
add("a program", "binary_file", b"\x7fELF\2\1\1" + bytes(200), "export")
add("a picture", "binary_file", b"\x89PNG\r\n\x1a\n" + bytes(200), "export.png")
add("an html page of an error", "unknown_layout", "<!doctype html><html><body>502 Bad Gateway</body></html>")
add("a bomb of entities", "unknown_layout", BOMB, "export.xml")
add(
    "an xml file that reads others",
    "unknown_layout",
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
)


@cache
def parquet(query: str) -> bytes:
    """What the engine writes for a query."""
    path = Path(os.environ.get("SCRATCH", "/tmp")) / f"{os.getpid()}.parquet"
    duckdb.sql(f"copy ({query}) to '{path}' (format parquet)")
    found = path.read_bytes()
    path.unlink()
    return found


TYPES = {
    "text": f"'{SOMEBODY.names[1]}' as PATIENT_ID",
    "nested values": "{'a': [1, 2], 'b': {'c': 'x'}} as PATIENT_ID, map {'k': 1} as SEX",
    "decimals": "1.5::decimal(38, 10) as PATIENT_ID",
    "times with zones": "timestamptz '2026-09-01 00:00:00+00' as PATIENT_ID, interval 1 day as SEX",
    "large numbers": "18446744073709551615::ubigint as PATIENT_ID, 170141183460469231731687303715884105727::hugeint as SEX",
    "a dictionary": "'a'::enum('a', 'b') as PATIENT_ID",
    "nothing but nulls": "null as PATIENT_ID, null::date as SEX",
    "bytes": "'\\xAA\\x00'::blob as PATIENT_ID",
}
for what, query in TYPES.items():
    add(f"parquet of {what}", "table_file", lambda folder, q=f"select {query}": (folder / "export.parquet").write_bytes(
        parquet(q)))  # fmt: skip
WHOLE = f"select {TYPES['text']}"
add("parquet that is cut", "table_file", lambda folder: (folder / "a.parquet").write_bytes(parquet(WHOLE)[:-9]))
add("parquet whose end lies", "table_file",
    lambda folder: (folder / "a.parquet").write_bytes(parquet(WHOLE)[:-8] + struct.pack("<I", 1 << 31) + b"PAR1"))  # fmt: skip
add("parquet named as text", "table_file", lambda folder: (folder / "export.csv").write_bytes(parquet(WHOLE)))
add("parquet that is encrypted", "locked_file", b"PARE" + os.urandom(64) + b"PARE", "export.parquet")
add("arrow", "table_file", b"ARROW1\0\0" + bytes(64), "export.arrow")
add("avro", "binary_file", b"Obj\1\4\x16avro.schema\0" + bytes(32), "export.avro")


# Resources.
def patient(number: int, **more) -> dict:
    family, given = (SOMEBODY.names[1], SOMEBODY.names[0]) if number == 1 else ("Müller", "Zoë")
    return {
        "resourceType": "Patient", "id": f"p{number}", "birthDate": "1980-02-01", "gender": "female",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": SOMEBODY.number if number == 1 else nhs_number(
            600_000 + number)}],
        "name": [{"use": "official", "family": family, "given": [given]}],
    } | more  # fmt: skip


def lines(*extra: str | dict, n: int = ROWS) -> str:
    """A resource a line, and what else."""
    found = [patient(number) for number in range(1, n + 1)]
    return "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in (*found, *extra))


def resource(name: str, outcome: str, content: str | bytes, rows: int = ROWS, **more) -> None:
    add(f"resources: {name}", outcome, content, "export.ndjson", rows=rows, provider=RESOURCES, **more)


DEEP = '{"a":' * 50_000 + "1" + "}" * 50_000
resource("as they should be", ACCEPTED, lines())
resource("with a mark", ACCEPTED, lines().encode("utf-8-sig"))
resource("in utf-16", ACCEPTED, b"\xff\xfe" + lines().encode("utf-16-le"))
resource("with blank lines", ACCEPTED, lines().replace("\n", "\n\n"))
resource("lf and cr", "unreadable_rows", lines().replace("\n", "\n\r"))  # found by spoiling
resource("cr in the middle", "unreadable_rows", lines().replace("}\n", "\r}\n", 1))
resource("nothing but brackets", "unknown_layout", "[" * 200_000)
resource("deep from the first line on", "unknown_layout", DEEP)
resource(
    "deep in an element", ACCEPTED, lines(f'{{"resourceType": "Patient", "id": "x", "name": {DEEP}}}'), rows=ROWS + 1
)
resource("deep in an element that nobody knows", ACCEPTED,
         lines(f'{{"resourceType": "Patient", "id": "x", "odd": {"[" * 5000}{"]" * 5000}}}'), rows=ROWS + 1)  # fmt: skip
resource("a number without an end", ACCEPTED, lines(f'{{"resourceType": "Patient", "id": "x", "odd": {"9" * 10_000}}}'),
         rows=ROWS + 1)  # fmt: skip
resource("a number that is too large", ACCEPTED, lines('{"resourceType": "Patient", "id": "x", "odd": 1e999999}'),
         rows=ROWS + 1)  # fmt: skip
resource("no number", ACCEPTED, lines('{"resourceType": "Patient", "id": NaN}'), rows=ROWS + 1)
resource("an element twice", ACCEPTED, lines('{"resourceType": "Patient", "id": "x", "id": "y"}'), rows=ROWS + 1)
resource(
    "half a pair", "unreadable_rows", lines('{"resourceType": "Patient", "id": "\\ud800"}'), detail=f"line {ROWS + 1}"
)
resource("a zero in a word", ACCEPTED, lines('{"resourceType": "Patient", "id": "a\\u0000b"}'), rows=ROWS + 1)
resource("a control in a word", "unreadable_rows", lines('{"resourceType": "Patient", "id": "a\x1fb"}'))
resource("the last one is cut", "unreadable_rows", lines()[:-30], detail=f"line {ROWS}")
resource("one of another kind", "other_resource", lines({"resourceType": "Observation"}), detail=f"line {ROWS + 1}")
resource("a kind that is a list", "other_resource", lines({"resourceType": ["Patient"]}))
resource("a list", "unknown_layout", json.dumps([patient(1), patient(2)]))
resource("a bundle", "unknown_layout", json.dumps({"resourceType": "Bundle", "entry": [{"resource": patient(1)}]}))
resource("written over several lines", "unknown_layout", json.dumps(patient(1), indent=2))
resource("a line that is a word", "unreadable_rows", lines('"Patient"'))
resource("single quotes", "unknown_layout", str(patient(1)))
resource("values of other types", ACCEPTED, lines(patient(7, name="Zoë", gender=5, birthDate={"a": 1}, id=7)),
         rows=ROWS + 1)  # fmt: skip
resource(
    "ten thousand elements", "beyond_limits", lines(patient(7, **{f"e{n}": n for n in range(10_000)})), detail="columns"
)
resource("elements with odd names", ACCEPTED, lines(patient(7, **{"": 1, '"': 1, "'": 2, "a/b~c": 3, "$.x": 4, "ID": 5})),
         rows=ROWS + 1)  # fmt: skip
resource("a line of 20 megabytes", "unreadable_rows", lines(patient(7, text="x" * 20_000_000)))
resource("an element of a megabyte first", ACCEPTED, json.dumps(patient(7, text="x" * 1_500_000)) + "\n" + lines(),
         rows=ROWS + 1)  # fmt: skip

# Names of files.
for what, name in {
    "a line break": "a\nb.csv", "a dash first": "-rf.csv", "a name that windows keeps": "CON.csv", "quotes": "a'b\"c.csv",
    "signs of a shell": "$(touch x);`id`|&.csv", "255 bytes": "n" * 251 + ".csv", "blanks": "  .csv  ",
    "somebody's name": f"{SOMEBODY.names[1]}.csv", "what looks like ready": "_READY.csv", "a mark of direction": "\u202evsc.a",
    "no ascii": "日本語.csv", "parts that combine": "Zoe\u0308.csv", "signs of a pattern": "[a]*?{b}.csv", "no end": "export",
    "another end": "export.xlsx",
}.items():  # fmt: skip
    add(f"a file's name with {what}", ACCEPTED, GOOD, name)
add("a file's name that is no text", ACCEPTED, GOOD, b"\xff\xfe.csv")


# _READY.
def ready(name: str, outcome: str, content: str | bytes, **more) -> None:
    def make(folder: Path) -> None:
        (folder / "export.csv").write_text(GOOD, encoding="utf-8")
        (folder / "_READY").write_bytes(content.encode() if isinstance(content, str) else content)

    add(f"_READY: {name}", outcome, make, **more)


WHO = SOMEBODY.names[1]
ready("nothing but blanks", ACCEPTED, " \n")
ready("rubbish", "bad_manifest", os.urandom(100) + b"\xff")
ready("somebody", "bad_manifest", WHO)
ready("deep", "bad_manifest", "[" * 100_000)
ready("deep in an object", "bad_manifest", '{"files":' * 100_000)
ready("five megabytes", "bad_manifest", json.dumps({"files": [], "x": "y" * 5_000_000}))
ready("utf-16", ACCEPTED, '{"files": []}'.encode("utf-16"))
ready("a number", "bad_manifest", "9" * 5000)
ready("files in an object", "bad_manifest", '{"files": {"name": "export.csv"}}')
ready("a path", "bad_manifest", '{"files": [{"name": "../export.csv"}]}')
ready("a name of nothing", "bad_manifest", '{"files": [{"name": ""}]}')
ready("a name with a zero", "missing_file", '{"files": [{"name": "export.csv\\u0000"}]}')
ready("a name that is half a pair", "missing_file", '{"files": [{"name": "\\ud800"}]}')
ready("itself", "missing_file", '{"files": [{"name": "_READY"}]}')
ready("a file that is not there", "missing_file", json.dumps({"files": [{"name": f"{WHO}.csv"}]}))
ready("another hash", "wrong_hash", '{"files": [{"name": "export.csv", "sha256": "%s"}]}' % ("0" * 64))
ready("a hash that is a list", "bad_manifest", '{"files": [{"name": "export.csv", "sha256": ["x"]}]}')
ready("another number of rows", "wrong_row_count", '{"files": [{"name": "export.csv", "n_rows": 7}]}')
for what, value in {
    "a word": f'"{WHO}"',
    "less than nothing": "-1",
    "true": "true",
    "too large": "1e999",
    "half": "6.5",
}.items():
    ready(f"rows that are {what}", "bad_manifest", f'{{"files": [{{"name": "export.csv", "n_rows": {value}}}]}}')
ready("a day that is none", "bad_manifest", '{"opt_out_applied_on": "2026-99-99"}', detail="opt_out_applied_on")
ready("a day that is somebody", "bad_manifest", json.dumps({"opt_out_applied_on": WHO}))
ready("words that nobody knows", ACCEPTED, json.dumps({"files": [], "sent_by": WHO}))
ready("the same file twice", ACCEPTED, '{"files": [{"name": "export.csv"}, {"name": "export.csv"}]}')


# What is no file, and folders.
def beside(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def both(folder: Path) -> None:
        (folder / "export.csv").write_text(GOOD, encoding="utf-8")
        make(folder)

    return both


def a_socket(folder: Path) -> None:
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket may have 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("s.csv")
    finally:
        os.chdir(here)


def a_hole(folder: Path, size: int, head: str = "") -> None:
    with open(folder / "export.csv", "wb") as handle:
        handle.write(head.encode())
        handle.truncate(size)


def elsewhere(folder: Path) -> None:
    """The delivery is a link to a folder outside."""
    target = folder.parents[4] / f"elsewhere-{folder.name}"
    target.mkdir()
    (target / "export.csv").write_text(GOOD, encoding="utf-8")
    (target / "_READY").touch()
    folder.rmdir()
    folder.symlink_to(target)


add("a pipe", "no_files", lambda folder: os.mkfifo(folder / "export.csv"))
add("a pipe beside a file", ACCEPTED, beside(lambda folder: os.mkfifo(folder / "other.csv")))
add("a socket", "no_files", a_socket)
add("a link to the keys", "no_files", lambda folder: (folder / "a.csv").symlink_to("../../../../../keys/pseudonym.key"))
add("a link to itself", "no_files", lambda folder: (folder / "a.csv").symlink_to("a.csv"))
add("a link to a device", "no_files", lambda folder: (folder / "a.csv").symlink_to("/dev/zero"))
add("a link beside a file", ACCEPTED, beside(lambda folder: (folder / "a.csv").symlink_to("export.csv")))
add("a folder named like a file", "no_files", lambda folder: (folder / "export.csv").mkdir())
add("a folder beside a file", ACCEPTED, beside(lambda folder: (folder / "more").mkdir()))
add("hidden files only", "no_files", GOOD, ".export.csv")
add("nothing but _READY", "no_files", lambda folder: None)
add("a hole of a terabyte", "binary_file", lambda folder: a_hole(folder, 1 << 40))
add("a hole of a terabyte after the rows", "binary_file", lambda folder: a_hole(folder, 1 << 40, GOOD))
add(
    "the same file twice",
    "same_role_twice",
    beside(lambda folder: os.link(folder / "export.csv", folder / "again.csv")),
)
add("rubbish beside a file", "unknown_layout", beside(lambda folder: (folder / "notes.txt").write_text(WHO)))
add("a thousand files", "same_role_twice",
    lambda folder: [(folder / f"{n}.csv").write_text(GOOD) for n in range(1000)] and None)  # fmt: skip
add("a delivery that is a link", "no_files", elsewhere, is_ready=False)
add("_READY is a folder", "not_ready", beside(lambda folder: (folder / "_READY").mkdir()), is_ready=False)
add("_READY is a pipe", "not_ready", beside(lambda folder: os.mkfifo(folder / "_READY")), is_ready=False)
add(
    "_READY is a link", "not_ready", beside(lambda folder: (folder / "_READY").symlink_to("export.csv")), is_ready=False
)
add("_READY is a link to itself", "not_ready", beside(lambda folder: (folder / "_READY").symlink_to("_READY")),
    is_ready=False)  # fmt: skip
add("_READY is a link to a device", "not_ready", beside(lambda folder: (folder / "_READY").symlink_to("/dev/zero")),
    is_ready=False)  # fmt: skip
add("no _READY", "not_ready", GOOD, is_ready=False)
add("taken back what never came", "nothing_to_take_back", lambda folder: (folder / "_WITHDRAW").write_text(WHO))
for what, period in {"digits of another script": "٢٠٢٦-٠٩", "the year nought": "0000-01", "a thirteenth month": "2026-13",
                     "somebody": WHO, "a day": "2026-09-01", "signs": "2026-09;x"}.items():  # fmt: skip
    add(f"a period of {what}", "bad_period", GOOD, place=(PLAIN, period))
add("a period long ago", ACCEPTED, GOOD, place=("ZZ4", "1000-01"))
add("a provider that is somebody", "unknown_provider", GOOD, place=(WHO, "2026-09"))
add("a provider that is a pattern", "unknown_provider", GOOD, place=("*", "2026-09"))


# Those that take long.
def endless(folder: Path, size: int, end: str = "") -> None:
    with open(folder / "export.csv", "w", encoding="utf-8") as handle:
        handle.write(GOOD)
        for _ in range(size >> 20):
            handle.write("Z" * (1 << 20))
        handle.write(end)


add("a line of a gigabyte", "beyond_limits", lambda folder: endless(folder, 1 << 30), cases=SLOW)
add(
    "a bomb of ten gigabytes",
    "packed_file",
    gzip.compress(gzip.compress(bytes(10_000_000)) * 1000, mtime=0),
    cases=SLOW,
)
