"""Loading a scenario: what is found, and one message, with file and line, for each way of being wrong."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hybridpress import Press, scenario
from hybridpress.errors import EXIT_USAGE, ScenarioError
from hybridpress.scenario import Shape, is_user_file, label_of, load, message_of, shape_of, told, words_of

HEAD = "from hybridpress import Press\n"
ONE = HEAD + "class QueryVm(Press):\n    async def press(self):\n        pass\n"


@pytest.fixture(autouse=True)
def modules_as_before() -> Iterator[None]:
    """What a test loads is forgotten after it."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes a file into the current directory, and returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(source: str, name: str = "query.py") -> str:
        Path(name).write_text(source)
        return name

    return write


def mistake(spec: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(spec)
    assert caught.value.exit_code == EXIT_USAGE
    (found,) = caught.value.mistakes
    return found


# load


def test_the_only_scenario(write: Callable[..., str]) -> None:
    """A file with one scenario needs no more than its name."""
    press = load(write(ONE))
    assert type(press).__name__ == "QueryVm"
    assert isinstance(press, Press)
    assert label_of(press) == "query.py:QueryVm"


def test_one_of_several(write: Callable[..., str]) -> None:
    """Of several scenarios one must be named; the message shows how."""
    name = write(ONE + "class Login(QueryVm):\n    pass\n")
    assert type(load(f"{name}:Login")).__name__ == "Login"
    assert type(load(f"{name}:QueryVm")).__name__ == "QueryVm"
    assert mistake(name) == "query.py has several scenarios (QueryVm, Login); name one: query.py:QueryVm"


def test_a_base_without_press_is_no_candidate(write: Callable[..., str]) -> None:
    """A class that only helps others, and has no press(), is not meant."""
    name = write(HEAD + "class Base(Press):\n    pass\n" + ONE.removeprefix(HEAD).replace("Press", "Base"))
    assert type(load(name)).__name__ == "QueryVm"


MIX = """
from hybridpress import MixedPress
class Base(Press):
    async def press(self):
        pass
class A(Base):
    pass
class B(Base):
    pass
class Mix(MixedPress):
    parts = {A: 1, B: 2}
"""


def test_a_mix_stands_for_its_parts(write: Callable[..., str]) -> None:
    """Of a mix and its parts in one file, the mix is meant; each part can still be named."""
    name = write(HEAD + MIX)
    assert type(load(name)).__name__ == "Mix"
    assert type(load(f"{name}:B")).__name__ == "B"


def test_a_scenario_beside_a_mix(write: Callable[..., str]) -> None:
    """A press that is no part of the mix is another scenario."""
    name = write(HEAD + MIX + "class C(Base):\n    pass\n")
    assert mistake(name) == "query.py has several scenarios (Mix, C); name one: query.py:Mix"


def test_files_of_one_name(write: Callable[..., str]) -> None:
    """Two files of one name are two scenarios, each told by its own path."""
    Path("other").mkdir()
    first, second = load(write(ONE)), load(write(ONE, "other/query.py"))
    assert type(first) is not type(second)
    assert [label_of(press) for press in (first, second)] == ["query.py:QueryVm", "other/query.py:QueryVm"]


def test_a_scenario_without_press_is_one_all_the_same(write: Callable[..., str]) -> None:
    """When there is no other, the one without press() is meant: what it lacks is said later."""
    assert type(load(write(HEAD + "class Empty(Press):\n    pass\n"))).__name__ == "Empty"


def test_an_imported_scenario(write: Callable[..., str]) -> None:
    """A file may import its scenario, from beside it; its own come first, and two names are one scenario."""
    write(ONE, "base_of_query.py")
    assert type(load(write("from base_of_query import QueryVm\n", "a.py"))).__name__ == "QueryVm"
    assert type(load(write("from base_of_query import QueryVm\nAlias = QueryVm\n", "b.py"))).__name__ == "QueryVm"
    own = "from base_of_query import QueryVm\nclass Own(QueryVm):\n    pass\nAlias = Own\n"
    assert type(load(write(own, "c.py"))).__name__ == "Own"
    assert type(load("c.py:QueryVm")).__name__ == "QueryVm"


def test_a_file_whose_name_has_a_colon(write: Callable[..., str]) -> None:
    """Only what could be a class's name is one."""
    assert type(load(write(ONE, "vm:1.py"))).__name__ == "QueryVm"
    assert type(load("vm:1.py:QueryVm")).__name__ == "QueryVm"


@pytest.mark.parametrize("name", ["query-vm.py", "1st.py", "my.query.py", "press.py", "json.py", "hybridpress.py"])
def test_any_name_of_a_file(write: Callable[..., str], name: str) -> None:
    """A file's name need not be a module's, and hides no module of that name."""
    import json

    load(write(ONE, name))
    assert sys.modules["json"] is json
    assert sys.modules["hybridpress"].Press is Press


def test_files_of_the_same_name(write: Callable[..., str]) -> None:
    """Each file is loaded by itself, whatever was loaded under that name before."""
    Path("other").mkdir()
    first = load(write(ONE))
    second = load(write(ONE.replace("QueryVm", "Other"), "other/query.py"))
    assert [type(press).__name__ for press in (first, second)] == ["QueryVm", "Other"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1\n", "query.py has no scenario: no class in it is a subclass of hybridpress.Press"),
        (HEAD, "query.py has no scenario: no class in it is a subclass of hybridpress.Press"),
        ("", "query.py has no scenario"),
        ("import no_such_module\n", "query.py does not import: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f():\n    return 1 / 0\nf()\n", "query.py does not import: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(4)\n", "query.py does not import: SystemExit: 4"),
        (HEAD + "class A(Press):\n  def\n", "SyntaxError: invalid syntax"),
        (ONE + "    def __init__(self):\n        raise ValueError('no')\n", "QueryVm() raised ValueError: no"),
        (ONE + "    def __init__(self, account):\n        pass\n", "QueryVm() raised TypeError: "),
    ],
)
def test_what_cannot_be_loaded(write: Callable[..., str], source: str, says: str) -> None:
    """Whatever is wrong with the file is one message, which begins with the file or the class."""
    assert says in mistake(write(source))


@pytest.mark.parametrize(
    ("source", "line"),
    [("x = 1\nx.no\n", 2), ("def f():\n    return 1 / 0\nf()\n", 2), (HEAD + "class A(Press):\n  def\n", 3)],
)
def test_the_line_is_told(write: Callable[..., str], source: str, line: int) -> None:
    """An error in the file is shown with the file's own line, without ours or Python's."""
    found = mistake(write(source))
    assert f'query.py", line {line}' in found
    assert "importlib" not in found
    assert "hybridpress/scenario.py" not in found


def test_no_such_class(write: Callable[..., str]) -> None:
    """The message names those that are there."""
    assert mistake(write(ONE) + ":Login") == "query.py has no Press named Login; it has QueryVm"
    assert mistake(write("x = 1\n", "b.py") + ":x") == "b.py has no Press named x; it has none at all"


@pytest.mark.parametrize("spec", ["no.py", "no.py:QueryVm", ".", "a/b/c.py", ""])
def test_no_such_file(write: Callable[..., str], spec: str) -> None:
    """A file that is not there, or a directory, is named."""
    assert mistake(spec) == f'there is no scenario file "{spec.removesuffix(":QueryVm")}"'


def test_no_python_file(write: Callable[..., str]) -> None:
    """A file of another kind is refused by its name."""
    assert "a scenario's name ends in .py" in mistake(write(ONE, "query.txt"))


def test_a_run_while_loading(write: Callable[..., str]) -> None:
    """run() at the top of a file is refused, with where it belongs; the loading is over afterwards."""
    found = mistake(write(ONE + "QueryVm(qps=1).run()\n"))
    assert 'put it under `if __name__ == "__main__":`' in found
    assert not scenario.is_loading
    load(write(ONE + 'if __name__ == "__main__":\n    QueryVm(qps=1).run()\n', "b.py"))


def test_what_is_beside_it_can_be_imported(write: Callable[..., str]) -> None:
    """A scenario may import modules from its own directory, wherever it is run from."""
    Path("sub").mkdir()
    write("HOST = 'http://127.0.0.1:1'\n", "sub/settings_of_query.py")
    press = load(write("from settings_of_query import HOST\n" + ONE + "    host = HOST\n", "sub/query.py"))
    assert press.host == "http://127.0.0.1:1"


# shape


def made(**methods: Any) -> Press:
    press: Press = type("QueryVm", (Press,), methods)()
    return press


async def bare(self: Press) -> None:
    pass


async def with_word(self: Press, word: object) -> None:
    pass


async def with_default(self: Press, word: object = None) -> None:
    pass


async def with_any(self: Press, *words: object) -> None:
    pass


async def with_keywords(self: Press, *, account: str = "a", **more: object) -> None:
    pass


async def two_words(self: Press, word: object, reply: object) -> None:
    pass


async def keyword_only(self: Press, *, word: object) -> None:
    pass


async def yields(self: Press) -> Any:
    yield 1


def blocks(self: Press) -> None:
    pass


def works(self: Press, word: object) -> object:
    return word


def verifies(self: Press, word: object, reply: object) -> None:
    pass


NO_CPU_WORK = "is work for the CPU: a plain `def`, without async and without yield"


async def bare_word(word: object) -> None:
    pass


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("press", "takes_word"),
    [
        (bare, False),
        (with_word, True),
        (with_default, True),
        (with_any, True),
        (with_keywords, False),
        (decorated(bare), False),
        (decorated(with_word), True),
        (staticmethod(bare_word), True),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_takes_a_word(press: Callable[..., Any], *, takes_word: bool) -> None:
    """Whether press() is given a word is what its parameters say."""
    assert shape_of(made(press=press)) == Shape(takes_word)


@pytest.mark.parametrize(
    ("methods", "shape"),
    [
        ({"press": blocks}, Shape(takes_word=False, blocks=True)),
        ({"press": works}, Shape(takes_word=True, blocks=True)),
        ({"press": bare, "start": blocks}, Shape(takes_word=False, starts_blocking=True)),
        ({"press": bare, "stop": blocks}, Shape(takes_word=False, starts_blocking=True)),
        ({"press": with_word, "prepare": works}, Shape(takes_word=True, prepares=True)),
        ({"press": bare, "verify": verifies}, Shape(takes_word=False, verifies=True)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_there_is_to_an_iteration(methods: dict[str, Any], shape: Shape) -> None:
    """Plain functions are for threads; prepare() and verify() are CPU work; the slots of such scenarios have stages."""
    found = shape_of(made(**methods))
    assert found == shape
    assert found.has_stages
    assert found.has_cpu_work == (shape.prepares or shape.verifies)


@pytest.mark.parametrize(
    ("methods", "says"),
    [
        ({}, "QueryVm has no press(); it needs `async def press(self, word)` or `async def press(self)`"),
        ({"press": two_words}, "QueryVm.press() takes 3 parameters; it may take self, or self and a word"),
        ({"press": keyword_only}, "QueryVm.press() takes 2 parameters; it may take self, or self and a word"),
        ({"press": yields}, "QueryVm.press() must not yield; it is one iteration, `async def` with `await`"),
        ({"press": bare, "prepare": with_word}, f"QueryVm.prepare() {NO_CPU_WORK}"),
        ({"press": bare, "verify": yields}, f"QueryVm.verify() {NO_CPU_WORK}"),
        ({"press": bare, "prepare": blocks}, "QueryVm.prepare() takes other parameters; it is called with self, word"),
        (
            {"press": bare, "verify": works},
            "QueryVm.verify() takes other parameters; it is called with self, word and reply",
        ),
        ({"press": bare, "verify": 7}, "QueryVm.verify() must be a method, but it is 7"),
        (
            {"press": bare, "prepare": works},
            "QueryVm.prepare() makes what press() gets, but press() takes no word; write `press(self, word)`",
        ),
        ({"press": 7}, "QueryVm.press() must be a method, but it is 7"),
        ({"press": bare, "start": with_word}, "QueryVm.start() takes 2 parameters; it may take self alone"),
        ({"press": bare, "stop": with_word}, "QueryVm.stop() takes 2 parameters; it may take self alone"),
        ({"press": bare, "vocab": with_word}, "QueryVm.vocab() takes 2 parameters; it may take self alone"),
        ({"press": bare, "stop": None}, "QueryVm.stop() must be a method, but it is None"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_called(methods: dict[str, Any], says: str) -> None:
    """A method that could not be called as it should is told before anything is sent, with file and line."""
    with pytest.raises(ScenarioError) as caught:
        shape_of(made(**methods))
    (found,) = caught.value.mistakes
    assert found.endswith(says)
    function = next((value for value in methods.values() if callable(value) and value is not bare), None)
    if function is not None:
        assert found.startswith(f"tests/test_scenario.py:{function.__code__.co_firstlineno}: ")


def test_all_mistakes_at_once() -> None:
    """Every method that is wrong is told in one go."""
    with pytest.raises(ScenarioError) as caught:
        shape_of(made(press=two_words, start=with_word, stop=7))
    assert [line.partition("QueryVm.")[2].partition("(")[0] for line in caught.value.mistakes] == [
        "press",
        "start",
        "stop",
    ]


# words


def test_words_are_put_into_vocab_list() -> None:
    """The table is also the press's own vocab_list: one list, not two."""

    def vocab(self: Press) -> Iterator[int]:
        yield from range(3)

    press = made(press=with_word, vocab=vocab)
    words = words_of(press, Shape(takes_word=True))
    assert words == [0, 1, 2]
    assert press.vocab_list is words


@pytest.mark.parametrize("vocab", [["a", "b"], ("a", "b")], ids=["list", "tuple"])
def test_words_as_an_attribute(vocab: Any) -> None:
    """A table may stand on the class, without a method."""
    assert words_of(made(press=with_word, vocab=vocab), Shape(takes_word=True)) == ["a", "b"]


def test_words_that_the_scenario_collected_itself() -> None:
    """Without vocab() the words are those that the constructor put into vocab_list."""

    def build(self: Any) -> None:
        Press.__init__(self)
        self.vocab_list.append("a")

    assert words_of(made(press=with_word, __init__=build), Shape(takes_word=True)) == ["a"]


def test_a_constructor_that_forgets_ours() -> None:
    """A scenario whose constructor does not call Press's own is a scenario all the same."""
    press = made(press=bare, __init__=lambda self: None)
    assert shape_of(press) == Shape(takes_word=False)
    assert words_of(press, Shape(takes_word=False)) == []
    assert press.vocab_list == []


def test_no_words_are_needed() -> None:
    """A press() that takes no word needs no table."""
    assert words_of(made(press=bare), Shape(takes_word=False)) == []


def fails(self: Press) -> Iterator[int]:
    yield 1
    raise ValueError("no accounts")


@pytest.mark.parametrize(
    ("methods", "says"),
    [
        ({"press": with_word, "vocab": lambda self: []}, "QueryVm.vocab() is empty: there is no word to press with"),
        ({"press": bare, "vocab": lambda self: iter(())}, "QueryVm.vocab() is empty"),
        ({"press": with_word, "vocab": fails}, "QueryVm.vocab() raised ValueError: no accounts"),
        ({"press": with_word, "vocab": lambda self: "words"}, "raised TypeError: vocab() must return or yield words"),
        ({"press": with_word}, "QueryVm.press() takes a word, but there is no vocab()"),
        ({"press": with_word, "vocab": lambda self: None}, "QueryVm.vocab() is empty"),
    ],
)
def test_no_words(methods: dict[str, Any], says: str) -> None:
    """A table that is empty, broken or missing is told before anything is sent."""
    with pytest.raises(ScenarioError) as caught:
        words_of(made(**methods), Shape(takes_word=methods["press"] is with_word))
    (found,) = caught.value.mistakes
    assert says in found


# errors in words


def test_an_error_is_told_with_the_users_lines(write: Callable[..., str]) -> None:
    """Kind and message first, then the user's own frames, without ours and the libraries'."""
    name = write("import json\n\ndef parse():\n    return json.loads('x')\n")
    namespace: dict[str, Any] = {}
    exec(compile(Path(name).read_text(), str(Path(name).absolute()), "exec"), namespace)  # noqa: S102 (our own)
    with pytest.raises(ValueError, match="Expecting value") as caught:
        namespace["parse"]()
    first, *rest = told(caught.value).splitlines()
    assert first == "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"
    assert any('query.py", line 4, in parse' in line for line in rest)
    assert not any("json/decoder.py" in line for line in rest)


def test_deep_errors_are_told_shortly() -> None:
    """Of many frames the last few are shown: a recursion does not fill the screen."""

    def deep(n: int) -> None:
        if n == 0:
            raise ValueError("bottom")
        deep(n - 1)

    with pytest.raises(ValueError, match="bottom") as caught:
        deep(100)
    assert 2 < len(told(caught.value).splitlines()) <= 20


class UnsayableError(Exception):
    def __str__(self) -> str:
        raise AttributeError("code")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no"), "ValueError: no"),
        (ValueError(), "ValueError"),
        (KeyError("vm"), "KeyError: 'vm'"),
        (SystemExit(3), "SystemExit: 3"),
        (UnsayableError(), "UnsayableError: (its __str__ raised AttributeError)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_in_one_line(error: BaseException, text: str) -> None:
    """An error that was never raised has no frames; one that cannot say itself has a message all the same."""
    assert told(error) == text
    assert text == f"{type(error).__name__}: {message_of(error)}".removesuffix(": ")


@pytest.mark.parametrize(
    ("file_name", "is_users"),
    [
        (__file__, True),
        ("/home/me/query.py", True),
        ("query.py", True),
        (scenario.__file__, False),
        (functools.__file__, False),
        (pytest.__file__, False),
        ("<string>", False),
        ("<frozen importlib._bootstrap>", False),
    ],
)
def test_whose_file(file_name: str, *, is_users: bool) -> None:
    """The user's files are all but ours, Python's and the installed libraries'."""
    assert is_user_file(file_name) is is_users


def test_the_label_of_a_class_of_main() -> None:
    """A scenario is named by its file, from here, and its class."""
    assert label_of(made(press=bare)).endswith(":QueryVm")
