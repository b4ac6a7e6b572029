"""Periods partition time in every zone; a series' identity says exactly which series it is."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import LEAF, TOTAL, UNITS, Grain, Period, Point, PointStatus, SeriesKey, Severity, canonical_json, dimensions

ZONES = [
    "UTC",
    "America/New_York",
    "Asia/Kolkata",  # half an hour
    "Asia/Kathmandu",  # 45 minutes
    "Australia/Lord_Howe",  # summer time of half an hour
    "America/Sao_Paulo",  # had no midnight when summer time began
    "Atlantic/Azores",  # has two midnights when summer time ends
    "Africa/Casablanca",  # summer time is its standard time
    "Pacific/Apia",  # had no 30 December 2011
    "America/St_Johns",  # went from 00:01 back to 23:01 of the day before
    "Pacific/Norfolk",  # moved its standard time by half an hour in 2015
]
GRAINS = [Grain(unit, zone) for unit in UNITS for zone in ZONES]
grains = st.sampled_from(GRAINS)
INSTANTS = st.datetimes(datetime(1995, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
MOMENT = timedelta(microseconds=1)


def changes(zone: str) -> list[datetime]:
    """The instants around which a zone's clocks were changed, to within an hour."""
    hours = [datetime(2006, 1, 1, tzinfo=UTC) + timedelta(hours=6 * i) for i in range(4 * 365 * 14)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return [hour for hour, before, after in zip(hours, offsets, offsets[1:], strict=False) if before != after]


def assert_partition(grain: Grain, instant: datetime) -> None:
    period = grain.containing(instant)
    assert instant in period
    assert period.start < period.end
    assert grain.containing(period.start) == period
    assert grain.containing(period.end - MOMENT) == period
    following = grain.next(period)
    assert following.start == period.end, "no gap and no overlap"
    assert grain.previous(following) == period
    assert grain.last_ended(instant).end == period.start
    assert grain.last_ended(period.end) == period, "a period has ended at its end"


@given(grains, INSTANTS)
@example(Grain("day", "Pacific/Apia"), datetime(2011, 12, 30, 10, tzinfo=UTC))
@example(Grain("day", "America/Sao_Paulo"), datetime(2018, 11, 4, 3, tzinfo=UTC))
def test_every_instant_lies_in_one_period(grain: Grain, instant: datetime) -> None:
    assert_partition(grain, instant)


@pytest.mark.parametrize("zone", ZONES)
def test_periods_partition_time_where_clocks_change(zone: str) -> None:
    for change in changes(zone)[::3]:
        for unit, minutes in itertools.product(UNITS, range(0, 6 * 60, 25)):
            assert_partition(Grain(unit, zone), change + timedelta(minutes=minutes, seconds=30))


@given(grains, INSTANTS, st.integers(0, 30), st.integers(1, 3600 * 5))
def test_a_range_holds_every_period_that_starts_in_it_and_no_other(grain: Grain, start: datetime, count: int, seconds: int) -> None:
    end = grain.shift(grain.containing(start), count).start + timedelta(seconds=seconds)
    assume(end > start)
    periods = list(grain.periods(start, end))
    assert all(start <= period.start < end for period in periods)
    assert all(first.end == second.start for first, second in itertools.pairwise(periods))
    if periods:
        assert grain.previous(periods[0]).start < start
        assert periods[-1].end >= end
    else:
        assert grain.containing(start).end >= end


@given(grains, st.tuples(INSTANTS, st.integers(0, 30_000_000), st.integers(0, 30_000_000)))
@settings(max_examples=30)
def test_ranges_that_meet_share_no_period_and_lose_none(grain: Grain, bounds: tuple[datetime, int, int]) -> None:
    first, middle, last = (bounds[0] + timedelta(seconds=sum(bounds[1 : 1 + i])) for i in range(3))
    parts = [*grain.periods(first, middle), *grain.periods(middle, last)]
    assert parts == list(grain.periods(first, last))


@given(grains, INSTANTS, st.integers(-20, 20))
def test_shifts_can_be_taken_back(grain: Grain, instant: datetime, count: int) -> None:
    period = grain.containing(instant)
    assert grain.shift(grain.shift(period, count), -count) == period


@given(st.sampled_from(ZONES), INSTANTS)
def test_days_begin_where_the_local_date_does(zone: str, instant: datetime) -> None:
    day = Grain("day", zone).containing(instant)
    local = day.start.astimezone(ZoneInfo(zone))
    before = (day.start - MOMENT).astimezone(ZoneInfo(zone))
    assert local.date() > before.date()


@given(st.sampled_from(ZONES), INSTANTS)
def test_weeks_begin_on_monday_and_months_on_the_first(zone: str, instant: datetime) -> None:
    week, month = (Grain(unit, zone).containing(instant) for unit in ("week", "month"))
    assert week.start.astimezone(ZoneInfo(zone)).weekday() == 0
    assert month.start.astimezone(ZoneInfo(zone)).day == 1


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", date(2013, 3, 10), 23),
        ("America/New_York", date(2013, 11, 3), 25),
        ("America/New_York", date(2013, 7, 1), 24),
        ("Australia/Lord_Howe", date(2013, 4, 7), 24.5),
        ("Australia/Lord_Howe", date(2013, 10, 6), 23.5),
        ("America/Sao_Paulo", date(2018, 11, 4), 23),
        ("Atlantic/Azores", date(2013, 10, 27), 25),
        ("Pacific/Apia", date(2011, 12, 31), 24),
        ("UTC", date(2012, 2, 29), 24),
    ],
)
def test_days_are_as_long_as_their_clocks_say(zone: str, day: date, hours: float) -> None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone))
    period = Grain("day", zone).containing(noon)
    assert (period.end - period.start) / timedelta(hours=1) == hours
    assert len(list(Grain("hour", zone).periods(period.start, period.end))) in {math.floor(hours), math.ceil(hours)}


def test_a_day_that_never_was_is_no_period() -> None:
    days = list(Grain("day", "Pacific/Apia").periods(datetime(2011, 12, 28, tzinfo=UTC), datetime(2012, 1, 2, tzinfo=UTC)))
    local = [Grain("day", "Pacific/Apia").local(day.start).date().isoformat() for day in days]
    assert local == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01", "2012-01-02"]


@pytest.mark.parametrize(("year", "days"), [(2012, 29), (2013, 28), (2000, 29), (1900, 28), (2100, 28)])
def test_february_knows_leap_years(year: int, days: int) -> None:
    month = Grain("month").containing(datetime(year, 2, 10, tzinfo=UTC))
    assert (month.end - month.start).days == days
    assert len(list(Grain("day").periods(month.start, month.end))) == days


def test_periods_are_half_open_and_kept_in_utc() -> None:
    new_york = ZoneInfo("America/New_York")
    period = Period(datetime(2013, 2, 8, tzinfo=new_york), datetime(2013, 2, 9, tzinfo=new_york))
    assert period == Period(datetime(2013, 2, 8, 5, tzinfo=UTC), datetime(2013, 2, 9, 5, tzinfo=UTC))
    assert period.start in period
    assert period.end not in period
    assert period.epoch == 1_360_299_600
    assert Period(period.start.astimezone(timezone(timedelta(hours=3))), period.end) == period


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Grain().containing(datetime(2013, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2013-02-08", datetime(2013, 2, 8, 5, tzinfo=UTC)),
        ("2013-07-08", datetime(2013, 7, 8, 4, tzinfo=UTC)),
        ("2013-02-08T03:30", datetime(2013, 2, 8, 8, 30, tzinfo=UTC)),
        ("2013-02-08T00:00:00Z", datetime(2013, 2, 8, tzinfo=UTC)),
        ("2013-02-08T00:00:00+05:30", datetime(2013, 2, 7, 18, 30, tzinfo=UTC)),
    ],
)
def test_dates_without_a_zone_are_the_datasets(text: str, instant: datetime) -> None:
    assert Grain("day", "America/New_York").parse(text) == instant


@pytest.mark.parametrize("text", ["yesterday", "", "2013-02-30", "08.02.2013", "{{ ds }}", "0001-01-01T00:00:00+14:00", "None"])
def test_what_is_no_date_is_named(text: str) -> None:
    with pytest.raises(SpecError) as error:
        Grain().parse(text)
    assert repr(text) in str(error.value)


@pytest.mark.parametrize(
    ("unit", "timezone", "words"),
    [
        ("daily", "UTC", ["'daily'", "'day'"]),
        ("Day", "UTC", ["'Day'", "'day'"]),
        ("minute", "UTC", ["'minute'", "day, hour, month, week"]),
        ("day", "America/NewYork", ["'America/NewYork'", "'America/New_York'"]),
        ("day", "Europe/Berlinn", ["'Europe/Berlin'"]),
        ("day", "America", ["'America'"]),
        ("day", "", ["timezone ''"]),
        ("day", "../etc/passwd", ["'../etc/passwd'"]),
        ("day", "UTC\0", ["timezone"]),
    ],
)
def test_an_unknown_grain_or_zone_names_the_closest(unit: str, timezone: str, words: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        Grain(unit, timezone)
    assert all(word in str(error.value) for word in words), error.value


DAY = Grain("day", "America/New_York")


def key(level: str = LEAF, grain: Grain = DAY, column: str = "dep_time", metric: str = "p95", dataset: str = "flights", **dims: object):
    return SeriesKey(dataset, column, metric, dimensions(dims), level, grain)  # type: ignore[arg-type]


VALUES = st.none() | st.text(max_size=5) | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
DIMENSIONS = st.dictionaries(st.text(max_size=5), VALUES, max_size=4)


@given(DIMENSIONS, st.randoms())
def test_the_order_of_dimensions_is_no_part_of_a_series(values: dict, random) -> None:
    shuffled = list(values.items())
    random.shuffle(shuffled)
    first, second = (SeriesKey("d", "c", "avg", dimensions(dict(items)), LEAF, DAY) for items in (values.items(), shuffled))
    assert first == second
    assert first.identity == second.identity


@given(DIMENSIONS, DIMENSIONS)
def test_other_dimensions_are_another_series(first: dict, second: dict) -> None:
    typed = [sorted((name, type(value).__name__, repr(value)) for name, value in values.items()) for values in (first, second)]
    identities = [SeriesKey("d", "c", "avg", dimensions(values), LEAF, DAY).identity for values in (first, second)]
    assert (identities[0] == identities[1]) == (typed[0] == typed[1])


def test_null_is_not_the_word_null_nor_absent() -> None:
    keys = [key(origin=None), key(origin="NULL"), key(origin="None"), key(origin=""), key(), key(TOTAL), key(origin=None, gate=None)]
    assert len({k.identity for k in keys}) == len(keys)
    assert len(set(keys)) == len(keys)


def test_one_is_not_true_nor_the_text_1() -> None:
    keys = [key(gate=1), key(gate=True), key(gate="1"), key(gate=1.0), key(gate=0), key(gate=False)]
    assert len({k.identity for k in keys}) == len(keys)


def test_every_part_makes_another_series() -> None:
    keys = [
        key(),
        key(TOTAL),
        key(grain=Grain("day", "UTC")),
        key(grain=Grain("week", "America/New_York")),
        key(column="arr_time"),
        key(metric="p99"),
        key(dataset="trains"),
        key(origin="JFK"),
        key(Origin="JFK"),
        key(origin="jfk"),
    ]
    assert len({k.identity for k in keys}) == len(keys)


def test_the_identity_is_the_same_in_every_version() -> None:
    assert key(origin="JFK").identity == "6bb8e474f9426fe9ee794a4df84c596597b43b0f25a9725555ea75891f7cf659"


def test_canonical_json_has_one_form_and_no_nan() -> None:
    assert canonical_json({"b": 1, "a": ["ü", None, 1.5]}) == '{"a":["ü",null,1.5],"b":1}'
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(math.nan)


@pytest.mark.parametrize(
    ("value", "stored", "status"),
    [
        (0.5, 0.5, PointStatus.OK),
        (None, None, PointStatus.UNDEFINED),
        (math.nan, None, PointStatus.NAN),
        (math.inf, None, PointStatus.INF),
        (-math.inf, None, PointStatus.MINUS_INF),
    ],
)
def test_points_keep_what_databases_cannot_as_a_status(value: float | None, stored: float | None, status: PointStatus) -> None:
    assert Point.of(0, value, 3) == Point(0, stored, 3, status)


def test_severities_are_ordered_and_named() -> None:
    assert Severity.NONE < Severity.parse("warning") < Severity.parse("major") < Severity.parse("critical")
    with pytest.raises(SpecError, match=r"'critcal'.*'critical'"):
        Severity.parse("critcal")
    with pytest.raises(SpecError, match="'none'"):
        Severity.parse("none")
