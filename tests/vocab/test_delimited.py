"""A CSV table is what Python's csv module reads, or it is said what is wrong with the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hybridpress.errors import UsageError
from hybridpress.vocab.delimited import CsvTable, QuotedCsvTable, build_csv
from tests.vocab.files import file_of

ALPHABET = [
    "a",
    "b",
    "é",
    "1",
    " ",
    ",",
    ";",
    "\t",
    '"',
    "\n",
    "\r",
    "\r\n",
    "\x00",
    "\x0b",
    "\x85",
    "\u2028",
    "\ufeff",
]
contents = st.lists(st.sampled_from(ALPHABET), max_size=30).map("".join)
cells = st.lists(st.sampled_from([*ALPHABET, "word"]), max_size=4).map("".join)
blocks = st.integers(1, 60)


def table_of(
    content: bytes | str,
    *,
    delimiter: str = ",",
    fields: Sequence[str] | None = None,
    types: Mapping[str, Callable[[str], Any]] | None = None,
    encoding: str = "utf-8",
    block: int | None = None,
) -> CsvTable:
    with file_of(content, "users.csv", block) as base:
        return build_csv("users.csv", base, delimiter=delimiter, fields=fields, types=types or {}, encoding=encoding)


def told(content: bytes | str, **options: Any) -> list[str]:
    with pytest.raises(UsageError) as caught:
        table_of(content, **options)
    return caught.value.mistakes


def rows_of(content: str, delimiter: str = ",") -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(content, newline=""), delimiter=delimiter) if row]


def is_open(content: str) -> bool:
    """Whether a quote is not closed: what is put behind the content then is no row of its own."""
    return rows_of(content + "\nx")[-1] != ["x"]


def is_right(content: str) -> bool:
    rows = rows_of(content)
    if len(rows) < 2 or is_open(content):
        return False
    return len(set(rows[0])) == len(rows[0]) and all(len(row) == len(rows[0]) for row in rows)


@pytest.mark.slow
@settings(max_examples=300)
@given(contents, blocks)
def test_any_content(content: str, block: int) -> None:
    """Either the rows of csv.DictReader, or a mistake, and that only where there is one."""
    assume(not content.startswith(("\ufeff", "\r", "\n")))
    if is_right(content):
        assert list(table_of(content, block=block)) == list(csv.DictReader(io.StringIO(content, newline="")))
    else:
        assert told(content, block=block)


@pytest.mark.slow
@settings(max_examples=300)
@given(st.data())
def test_written_tables(data: st.DataObject) -> None:
    """Whatever is in the cells, and however they were written, the rows are those of csv.DictReader."""
    n_columns = data.draw(st.integers(1, 4))
    names = data.draw(st.lists(cells, min_size=n_columns, max_size=n_columns, unique=True))
    rows = data.draw(st.lists(st.lists(cells, min_size=n_columns, max_size=n_columns), min_size=1, max_size=6))
    delimiter = data.draw(st.sampled_from([",", ";", "\t", "|"]))
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    quoting: Literal[0, 1] = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    if any(set(cell) & {"\r", "\n"} for row in [names, *rows] for cell in row):
        quoting = csv.QUOTE_ALL  # before Python 3.13 the writer leaves bare what is not its own line end
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows([names, *rows])
    content = file.getvalue()
    if data.draw(st.booleans()):
        content = content.removesuffix(end)
    if data.draw(st.booleans()):
        content += end * 2
    assume(not content.startswith("\ufeff"))
    wanted = list(csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter))
    assert len(wanted) == len(rows)
    assert list(table_of(content, delimiter=delimiter, block=data.draw(blocks))) == wanted


plain_cells = st.text(st.characters(exclude_characters='",\r\n\ufeff', exclude_categories=["Cs"]), max_size=6)


@pytest.mark.slow
@given(
    st.lists(st.tuples(plain_cells, plain_cells), min_size=1),
    st.lists(st.integers(0, 2), min_size=1),
    st.sampled_from(["\n", "\r\n"]),
    blocks,
)
def test_plain_tables(rows: list[tuple[str, str]], blank: list[int], end: str, block: int) -> None:
    """The fast way, with blank lines between: the rows of csv.DictReader."""
    ends = [end * (1 + blank[i % len(blank)]) for i in range(len(rows))]
    content = f"id,name{end}" + "".join(f"{a},{b}{end}" for (a, b), end in zip(rows, ends, strict=True))
    table = table_of(content, block=block)
    assert type(table) is CsvTable
    assert list(table) == list(csv.DictReader(io.StringIO(content, newline="")))


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("a,b\n1,2\n", CsvTable),
        ("a,b\r\n1,2\r\n", CsvTable),
        ("a,b\n1,2\r3,4\n", QuotedCsvTable),
        ('a,b\n1,"2"\n', QuotedCsvTable),
    ],
)
def test_which_way_is_taken(content: str, kind: type) -> None:
    """Quotes, and carriage returns that end a row alone, need care; nothing else does."""
    table = table_of(content)
    assert type(table) is kind
    assert table[0] == {"a": "1", "b": "2"}


def test_a_byte_order_mark_is_no_name() -> None:
    """What a spreadsheet exports has its mark, and its first column still its name."""
    assert table_of(b"\xef\xbb\xbfid,name\n1,ann\n")[0] == {"id": "1", "name": "ann"}
    assert table_of(b'\xef\xbb\xbfid,name\n1,"ann"\n')[0] == {"id": "1", "name": "ann"}


@pytest.mark.parametrize("name", ["ann", '"ann"'])
def test_fields(name: str) -> None:
    """A file without a header gets its names from the scenario, and keeps its first row."""
    assert list(table_of(f"1,{name}\n2,bob\n", fields=["id", "name"])) == [
        {"id": "1", "name": "ann"},
        {"id": "2", "name": "bob"},
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_types(end: str, quote: str) -> None:
    """Columns with a type have values of it; "false" is False."""
    types = {"price": Decimal, "is_new": bool, "id": int}
    content = "".join(f"{row}{end}" for row in ["id,name,price,is_new", f"1,{quote}é{quote},1.50,false", "2,b,2,Yes"])
    assert list(table_of(content, types=types)) == [
        {"id": 1, "name": "é", "price": Decimal("1.50"), "is_new": False},
        {"id": 2, "name": "b", "price": Decimal(2), "is_new": True},
    ]


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_value_of_another_type(quote: str) -> None:
    """Every value that is not of its column's type is told with its line."""
    content = f"id,{quote}flag{quote}\n1,yes\n\nx,no\n3,maybe\n4,1\n"
    assert told(content, types={"id": int, "flag": bool}, block=8) == [
        "users.csv:4: \"id\" is not as its type wants it: invalid literal for int() with base 10: 'x'",
        'users.csv:5: "flag" is not as its type wants it: must be true, false, yes, no, 1 or 0, got "maybe"',
    ]


@pytest.mark.parametrize("quote", ["", '"'])
def test_rows_with_other_columns(quote: str) -> None:
    """Too few and too many, with their lines; blank lines count as lines."""
    content = f"{quote}id{quote},name\n1,ann\n\n2\n3,bob\n4,cat,x\n"
    assert told(content) == [
        "users.csv:4: has 1 column; it should have 2",
        "users.csv:6: has 3 columns; it should have 2",
    ]


def test_a_row_of_several_lines_is_told_by_its_first() -> None:
    """The line of a mistake is where the row begins."""
    assert told('id,name\n1,"ann\nlee"\n2,"bob\nray",x\n') == ["users.csv:4: has 3 columns; it should have 2"]


@pytest.mark.parametrize("quote", ["", '"'])
def test_many_mistakes(quote: str) -> None:
    """Ten are told, and how many more there are."""
    mistakes = told(f"{quote}id{quote},name\n" + "1\n" * 1500, block=100)
    assert len(mistakes) == 11
    assert mistakes[-1] == "users.csv: 1,490 more such mistakes"


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        ("", {}, "users.csv is empty"),
        ("\n\n", {}, "users.csv holds nothing but blank lines"),
        ("id,name\n", {}, "users.csv holds no words"),
        ('"id",name\n\n', {}, "users.csv holds no words"),
        ("id,id\n1,2\n", {}, 'users.csv: its header names "id" twice'),
        ("1,2\n", {"fields": ["a", "a"]}, 'users.csv: fields names "a" twice'),
        ("1,2\n", {"fields": []}, "users.csv: fields names no column"),
        ("id,n\n1,2\n", {"types": {"no": int}}, 'users.csv: types speaks of a column "no", but there are "id", "n"'),
        (
            "id\n1\n",
            {"delimiter": ""},
            'users.csv: the delimiter must be one ASCII character, such as "," or "\\t", got \'\'',
        ),
        (b"id,name\n1,\xe9\n", {}, "users.csv:2: is not UTF-8: unexpected end of data at byte 3"),
        (b'id,"name"\n1,\xe9\n', {}, "users.csv:2: is not UTF-8: unexpected end of data at byte 3"),
        ('id,name\n1,"ann\n2,bob\n', {}, "users.csv:2: has a quote that is not closed"),
        (
            '"id,name\n' + "2,bob\n" * 30_000,
            {},
            "users.csv:1: has a value of more than 131,072 characters; is a closing quote missing?",
        ),
        (
            'id,name\n1,"ann\n' + "2,bob\n" * 30_000,
            {},
            "users.csv:2: has a value of more than 131,072 characters; is a closing quote missing?",
        ),
    ],
    ids=range(14),
)
def test_what_is_wrong_with_a_file(content: bytes | str, options: dict[str, Any], sentence: str) -> None:
    """It is said in a sentence that names the file, and the line where there is one."""
    assert told(content, **options) == [sentence]


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "\r", "é"])
def test_what_is_no_delimiter(delimiter: str) -> None:
    """A delimiter is one character that cannot be mistaken."""
    assert "must be one ASCII character" in told("id\n1\n", delimiter=delimiter)[0]


def test_other_encodings() -> None:
    """Names and values come out of any encoding as text."""
    assert table_of("é;b\nä;ö\n".encode("latin-1"), delimiter=";", encoding="latin-1")[0] == {"é": "ä", "b": "ö"}
    assert table_of('é\tb\n"ä"\tö\n'.encode("utf-16"), delimiter="\t", encoding="utf-16")[0] == {"é": "ä", "b": "ö"}


def test_a_file_that_changes_meanwhile() -> None:
    """A row whose closing quote is gone is an error of that draw, told as one; the rows after it are as they were."""
    content = b'id,name\n1,"ann"\n2,"bob"\n'
    with file_of(content, "users.csv") as base:
        table = build_csv("users.csv", base, delimiter=",", fields=None, types={}, encoding="utf-8")
        with (base / "users.csv").open("r+b") as file:
            file.seek(content.index(b'"\n2'))
            file.write(b"x")
        with pytest.raises(ValueError, match="a quote is not closed"):
            table[0]
        assert table[1] == {"id": "2", "name": "bob"}
