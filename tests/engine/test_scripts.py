import re
from pathlib import Path

import pytest

from tests.engine.declared import listening
from tests.engine.headers import HEADERS
from widget_server.assets import find
from widget_server.engine import scripts
from widget_server.engine.connection import connect

VERBS = sorted(HEADERS)
INCLUDES = sorted((find("lua") / "lib").glob("*.lua"))

GIVES_BACK = {"release", "unpin", "sweep", "commit", "set_booked", "mend_slot", "mend_hold", "mend_claim", "assign"}
FILLS = {"rebuild", "restore", "restore_pin", "open"}
"""While the gate is closed nothing can be given back, so it has to open again."""

_LOCALS = re.compile(r"^local ([\w, ]+) = (.+)$", re.MULTILINE)
_FIELDS = re.compile(r"(\w+) = (KEYS|ARGV)\[(\d+)\]")
_USE = re.compile(r"(KEYS|ARGV)\[(\d+)\]")
_ANSWER = re.compile(r"(?:return|=) \{ '([A-Z_]+)'((?:, [^,}]+)*) \}")
_CHOSEN = re.compile(r"code = '([A-Z_]+)'")
_REFUSED = re.compile(r"return nil, '(\w+)'")
"""In what the script includes."""
_FIRST_KEY = re.compile(r"redis\.call\('(\w+)'(?:, ([^,)]+))?")


def names_given(body: str, array: str) -> dict[int, str]:
    """Which name the top of the script gives to which key or argument."""
    given: dict[int, str] = {}
    for names, values in _LOCALS.findall(body):
        if values.startswith("{"):
            given |= {int(number): name for name, of, number in _FIELDS.findall(values) if of == array}
            continue
        for name, value in zip(names.split(", "), values.split(", "), strict=False):
            use = _USE.search(value)
            if use and use[1] == array:
                given[int(use[2])] = name.removesuffix("_key")
    return given


@pytest.mark.parametrize("verb", VERBS)
def test_a_header_opens_with_its_verb(verb: str) -> None:
    assert HEADERS[verb].title.startswith(f"  {verb}: ")


@pytest.mark.parametrize("verb", VERBS)
def test_what_gives_back_mends_or_fills_also_runs_where_no_memory_is_left(verb: str) -> None:
    assert HEADERS[verb].flags == ("#!lua flags=allow-oom\n" if verb in GIVES_BACK | FILLS else "")


@pytest.mark.parametrize("array", ["KEYS", "ARGV"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_header_names_what_the_script_reads_as_the_script_does(verb: str, array: str) -> None:
    header = HEADERS[verb]

    assert names_given(header.body, array) == header.named[array]
    assert sorted(header.named[array]) == list(range(1, len(header.named[array]) + 1))
    read_in_loop = re.search(rf"{array}(\[(?!\d+\])|, \d)", header.body) is not None
    assert read_in_loop == (array in header.repeated_from)
    if read_in_loop:
        assert header.repeated_from[array] == len(header.named[array]) + 1


@pytest.mark.parametrize("verb", VERBS)
def test_keys_and_arguments_are_named_at_the_top_and_not_used_below(verb: str) -> None:
    body = HEADERS[verb].body

    uses = [use.start() for use in re.finditer(r"KEYS|ARGV", body)]
    assert max(uses) < min(body.index(word) for word in ("redis.call(", "return", "function") if word in body)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "sweep"])
def test_a_header_tells_every_answer_and_no_other(verb: str) -> None:
    header = HEADERS[verb]

    answers = {word: len(values.split(", ")) - 1 for word, values in _ANSWER.findall(header.body)}
    answers |= dict.fromkeys(_CHOSEN.findall(header.body) + _REFUSED.findall(scripts.load(verb).text), 0)
    assert answers == {word: len(names) for word, names in header.words.items()}


@pytest.mark.parametrize("text", [scripts.load(verb).text for verb in VERBS], ids=VERBS)
def test_no_script_makes_up_a_key(text: str) -> None:
    for command, key in _FIRST_KEY.findall(text):
        assert command == "TIME" or re.fullmatch(r"(\w+\.)*(\w+_key|keys\.\w+)", key), f"{command} {key}"


@pytest.mark.anyio
async def test_a_script_that_touches_a_key_which_it_was_not_given_is_heard(redis_url: str) -> None:
    connection = await connect(redis_url)
    with listening(redis_url) as listener:
        for key in ("KEYS[1]", "(string.gsub(KEYS[1], 'one', 'other'))"):
            await connection.read(("EVAL", f"return redis.call('GET', {key})", 1, "{tenuto}:one"))

        (heard,) = listener.undeclared()
        assert heard.endswith('"GET" "{tenuto}:other"')
    await connection.close()


@pytest.mark.anyio
@pytest.mark.parametrize("number", [0, 1, 1_800_000_000_000, 2**53])
async def test_a_number_that_a_script_writes_as_it_is_stands_there_in_digits(redis_url: str, number: int) -> None:
    """Instants and counts go to Redis as numbers of Lua, which could as well be written as 1.8e+12."""
    connection = await connect(redis_url)
    text = "redis.call('HSET', KEYS[1], 'at', ARGV[1] + 0) return redis.call('HGET', KEYS[1], 'at')"
    assert await connection.read(("EVAL", text, 1, "{tenuto}:written", number)) == [str(number)]
    await connection.close()


@pytest.mark.parametrize("text", [scripts.load(verb).text for verb in VERBS], ids=VERBS)
def test_no_script_counts_its_keys(text: str) -> None:
    """In a Cluster there is one more than it knows of (`Call.of_settled_slot`)."""
    assert "#KEYS" not in text


@pytest.mark.parametrize("path", INCLUDES, ids=lambda path: path.stem)
def test_an_include_is_one_function_of_its_name(path: Path) -> None:
    name, text = path.stem, path.read_text("utf-8")

    assert re.findall(r"^local function (\w+)", text, re.MULTILINE) == [name]
    assert any(f"-- include: {name}\n" in other.read_text("utf-8") for other in find("lua").rglob("*.lua"))


@pytest.mark.parametrize("verb", VERBS)
def test_an_include_stands_in_a_script_once(verb: str) -> None:
    functions = re.findall(r"^local function (\w+)", scripts.load(verb).text, re.MULTILINE)

    assert len(functions) == len(set(functions))
    assert "-- include:" not in scripts.load(verb).text
    calls = set(re.findall(r"(?<![.\w])([a-z]\w*_\w+)\(", HEADERS[verb].body)) - set(functions)
    assert calls == set()
