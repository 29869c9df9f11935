"""What every ClickHouse behind ``Store`` must do, on chDB in the process and over HTTP."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from support.processes import Process, environ
from support.proxy import Proxy

from runstream.errors import SetupError, StorageUnavailable
from runstream.store.client import Store
from runstream.store.migrate import all_migrations, migrate
from runstream.store.outcome import Outcome, classify
from runstream.store.points import Place, PointBlock, points_table


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """ClickHouse's HTTP interface over chDB, in a process of its own."""
    folder = tmp_path_factory.mktemp("engine")
    process = Process(["-m", "runstream", "clickhouse", "--data", str(folder / "data"), "--port", "0"])
    yield process
    assert process.stop() == 0


@pytest.fixture(scope="module")
def over_http(engine: Process) -> Iterator[Store]:
    opened = Store(engine.url)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture(params=["chdb", "http"])
def either(request: pytest.FixtureRequest, store: Store) -> Store:
    """Every implementation."""
    return store if request.param == "chdb" else request.getfixturevalue("over_http")


def points(run: int, values: list[float], *, first_ver: int = 1) -> pa.Table:
    steps = np.arange(len(values))
    block = PointBlock(
        Place(1, run, 0, 0), ("a",), steps, steps + 1000, (steps + first_ver).astype(np.uint64), np.array([values])
    )
    return points_table([block])


def stored(store: Store, run: int) -> list[float]:
    rows = store.query("SELECT value FROM points FINAL WHERE run_id = {run:UInt64} ORDER BY step", {"run": run})
    return [row[0] for row in rows]


@pytest.fixture
def run() -> int:
    """A run id of the test's own."""
    return secrets.randbits(63)


def test_values_come_back_bit_for_bit(either: Store, run: int) -> None:
    values = [0.1, -0.0, float("inf"), float("-inf"), float("nan"), 5e-324, 1.7976931348623157e308]
    either.insert_arrow("points", points(run, values))
    assert [repr(value) for value in stored(either, run)] == [repr(value) for value in values]


def test_I2_the_same_rows_are_there_once_whoever_sends_them_how_often(either: Store, run: int) -> None:
    rows = points(run, [1.0, 2.0])
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: either.insert_arrow("points", rows), range(8)))
    assert stored(either, run) == [1.0, 2.0]


def test_I2_a_replay_in_another_grouping_replaces_itself(either: Store, run: int) -> None:
    either.insert_arrow("points", points(run, [1.0, 2.0, 3.0]))
    either.insert_arrow("points", points(run, [1.0, 2.0]))
    assert stored(either, run) == [1.0, 2.0, 3.0]


def test_the_later_write_at_a_step_wins_in_whatever_order_they_arrive(either: Store, run: int) -> None:
    either.insert_arrow("points", points(run, [9.0], first_ver=50))
    either.insert_arrow("points", points(run, [1.0], first_ver=2))
    assert stored(either, run) == [9.0]


def test_I9_nothing_of_a_failed_query_is_in_the_next_answer(either: Store) -> None:
    secret = "SELECT number, if(number > 200000, throwIf(1, 'boom'), number) FROM numbers(300000)"
    for _ in range(5):
        with pytest.raises(ClickHouseError):
            either.query(secret)
        for _ in range(8):
            assert either.query("SELECT 7") == [(7,)]
        with pytest.raises(ClickHouseError):
            either.query_arrow(secret)
        assert either.query_arrow("SELECT 7 AS a").to_pylist() == [{"a": 7}]


def test_many_threads_share_the_pool_and_get_their_own_answers(either: Store) -> None:
    def ask(number: int) -> bool:
        return either.query("SELECT {n:UInt64} + 1", {"n": number}) == [(number + 1,)]

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(ask, range(200)))


def test_words_of_callers_are_bound_never_pasted(either: Store) -> None:
    for word in ("it's", "\\", "'; DROP TABLE points; --", "{x:String}", "ü\n\t\0", "%s %(a)s"):
        assert either.query("SELECT {word:String}", {"word": word}) == [(word,)]
        assert either.query("SELECT {words:Array(String)}", {"words": [word, word]}) == [([word, word],)]


def test_failures_are_classed_by_code(either: Store, run: int) -> None:
    for sql, expected in (
        ("SELECT * FROM nowhere", Outcome.PERMANENT),
        ("SELEC", Outcome.PERMANENT),
        ("SELECT sleepEachRow(1) FROM numbers(5) SETTINGS max_execution_time = 1, max_block_size = 1", None),
    ):
        with pytest.raises(ClickHouseError) as caught:
            either.query(sql)
        assert expected is None or classify(caught.value) is expected
    with pytest.raises(ClickHouseError) as caught:
        either.insert_arrow("points", pa.table({"nonsense": [1]}))
    assert classify(caught.value) is Outcome.PERMANENT


def test_I2_a_commit_that_fails_is_an_error(either: Store, run: int) -> None:
    # Found by fault/test_engine_disk.py: chDB's streamed insert answers "written" for rows it could not commit.
    table = f"few_parts_{run}"
    either.command(
        f"CREATE TABLE {table} (a UInt64) ENGINE = MergeTree ORDER BY a "
        "SETTINGS parts_to_delay_insert = 1, parts_to_throw_insert = 1"
    )
    either.insert_arrow(table, pa.table({"a": pa.array([1], pa.uint64())}))
    with pytest.raises(ClickHouseError) as failed:
        either.insert_arrow(table, pa.table({"a": pa.array([2], pa.uint64())}))
    assert classify(failed.value) is Outcome.OVERLOADED
    assert either.query(f"SELECT a FROM {table}") == [(1,)]
    either.command(f"DROP TABLE {table}")


def test_settings_of_a_query_do_not_stay(either: Store) -> None:
    for _ in range(8):
        either.query("SELECT 1", settings={"max_result_rows": 1})
        assert len(either.query("SELECT number FROM numbers(10)")) == 10
    assert either.query("SELECT getSetting('async_insert')") in ([(False,)], [(0,)])


def test_migrations_apply_once(either: Store) -> None:
    assert migrate(either) == []
    assert either.query("SELECT count() FROM migrations FINAL") == [(len(all_migrations()),)]


def test_a_schema_of_a_newer_version_is_refused(over_http: Store, engine: Process) -> None:
    newer = Store(engine.url, database="newer")
    migrate(newer)
    newer.command("INSERT INTO migrations (number, name) VALUES (9999, 'from the future')")
    with pytest.raises(SetupError, match="migration 9999, this version knows"):
        migrate(newer)
    newer.command("DROP DATABASE newer")
    newer.close()


def test_nobody_there_is_said_with_the_address_and_without_the_password() -> None:
    with pytest.raises(StorageUnavailable, match=r"http://user:\*\*\*@127\.0\.0\.1:9") as caught:
        Store("http://user:secret@127.0.0.1:9")
    assert "secret" not in str(caught.value)


def test_I2_an_answer_that_is_cut_off_does_not_double_the_insert(engine: Process, run: int) -> None:
    """The client sends the insert again by itself; the row key keeps it one."""
    address = urlsplit(engine.url)
    with Proxy("127.0.0.1", address.port or 0) as proxy:
        store = Store(proxy.url)
        store.query("SELECT 1")
        proxy.cut_answers(1)
        try:
            store.insert_arrow("points", points(run, [1.0, 2.0]))
        except Exception as error:
            assert classify(error) in (Outcome.UNKNOWN, Outcome.UNAVAILABLE)
            store.insert_arrow("points", points(run, [1.0, 2.0]))
        assert proxy.cut == 1
        assert stored(store, run) == [1.0, 2.0]
        store.close()


def test_the_http_server_wants_its_password(tmp_path: Path) -> None:
    env = environ(RUNSTREAM_CLICKHOUSE_PASSWORD="secret word")
    process = Process(["-m", "runstream", "clickhouse", "--data", str(tmp_path / "d"), "--port", "0"], env)
    try:
        address = process.url.removeprefix("http://")
        for wrong in (f"http://{address}", f"http://default:other@{address}"):
            with pytest.raises(StorageUnavailable, match=r"516|[Aa]uthentication"):
                Store(wrong)
        right = Store(f"http://default:secret%20word@{address}")
        assert right.ping()
        right.close()
    finally:
        process.stop()


@pytest.mark.slow
def test_I3_what_was_acknowledged_survives_a_killed_engine(tmp_path: Path, run: int) -> None:
    arguments = ["-m", "runstream", "clickhouse", "--data", str(tmp_path / "d"), "--port", "0"]
    acknowledged = 0
    for round_ in range(3):
        process = Process(arguments)
        store = Store(process.url)
        migrate(store)
        killer = threading.Timer(0.3, process.kill)
        killer.start()
        try:
            while True:
                rows = points(run, [float(acknowledged)], first_ver=acknowledged + 1)
                rows = rows.set_column(rows.schema.get_field_index("step"), "step", pa.array([acknowledged]))
                store.insert_arrow("points", rows)
                acknowledged += 1
        except (ClickHouseError, StorageUnavailable, OSError):
            pass
        killer.join()
        store.close()
        assert acknowledged > round_
    process = Process(arguments)
    store = Store(process.url)
    found = stored(store, run)
    assert found[:acknowledged] == [float(number) for number in range(acknowledged)]
    assert len(found) <= acknowledged + 3  # what was under way at a kill may be there
    store.close()
    process.stop()
