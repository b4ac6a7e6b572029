"""Which period a run measures, for every kind of run that Airflow has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_lupus.exceptions import SpecError
from airflow_lupus.model import UNITS, Grain
from airflow_lupus.periods import PeriodRule, Resolved, RunDates, resolve

NEW_YORK = Grain("day", "America/New_York")
UTC_DAY = Grain("day")
FEB_8 = ("2013-02-08", "2013-02-09")


def at(text: str, grain: Grain = UTC_DAY) -> datetime:
    return grain.parse(text)


def local(resolved: Resolved, grain: Grain) -> list[str]:
    """The starts of the periods on the dataset's own clocks."""
    pattern = "%Y-%m-%dT%H:%M" if grain.unit == "hour" else "%Y-%m-%d"
    return [grain.local(period.start).strftime(pattern) for period in resolved.periods]


def days(run: RunDates, grain: Grain = UTC_DAY, **rule: Any) -> list[str]:
    return local(resolve(PeriodRule(grain, **rule), run), grain)


THREE = at("2013-02-09T03:00", NEW_YORK)


def test_a_daily_cron_at_three_measures_yesterday() -> None:
    """A cron DAG's data interval is empty in Airflow 3; its logical date is when it runs."""
    run = RunDates((THREE, THREE), logical_date=THREE, run_after=THREE)
    resolved = resolve(PeriodRule(NEW_YORK), run)
    assert local(resolved, NEW_YORK) == ["2013-02-08"]
    assert (resolved.start, resolved.end) == (at("2013-02-08", NEW_YORK), at("2013-02-09", NEW_YORK))
    assert resolved.because == "the logical date"
    assert resolved.alert
    assert not resolved.ranged


@pytest.mark.parametrize(
    ("interval", "grain", "measured"),
    [
        (FEB_8, UTC_DAY, ["2013-02-08"]),  # CronDataIntervalTimetable, daily
        (("2013-02-04", "2013-02-11"), UTC_DAY, [f"2013-02-{d:02}" for d in range(4, 11)]),  # a weekly DAG of a daily dataset
        (("2013-02-08T03:00", "2013-02-09T03:00"), UTC_DAY, ["2013-02-09"]),  # the day that starts inside it
        (("2013-02-08T05:00", "2013-02-08T06:00"), UTC_DAY, ["2013-02-07"]),  # hourly: the last day that had ended
        (("2013-02-08T23:00", "2013-02-09T00:00"), UTC_DAY, ["2013-02-08"]),  # its last hour completes the day
        (("2013-02-08T00:00", "2013-02-08T01:00"), Grain("hour"), ["2013-02-08T00:00"]),
        (FEB_8, Grain("month"), ["2013-01-01"]),
        (("2013-02-01", "2013-03-01"), Grain("month"), ["2013-02-01"]),
        (("2013-02-01", "2013-03-01"), Grain("week"), ["2013-02-04", "2013-02-11", "2013-02-18", "2013-02-25"]),
    ],
)
def test_a_data_interval_gives_the_periods_that_start_in_it(interval: tuple[str, str], grain: Grain, measured: list[str]) -> None:
    run = RunDates((at(interval[0]), at(interval[1])), logical_date=at(interval[0]), run_after=at(interval[1]))
    assert days(run, grain) == measured


def test_24_hourly_intervals_in_an_hourly_dataset_measure_every_hour_once() -> None:
    hour = Grain("hour", "Asia/Kolkata")
    start = at("2013-02-08T00:00")
    measured = [
        period
        for i in range(24)
        for period in resolve(PeriodRule(hour), RunDates((start + timedelta(hours=i), start + timedelta(hours=i + 1)))).periods
    ]
    assert len(measured) == len(set(measured)) == 24


def test_a_trigger_timetable_without_interval_measures_the_last_ended_period() -> None:
    assert days(RunDates(logical_date=at("2013-02-09T03:00"))) == ["2013-02-08"]
    assert days(RunDates(logical_date=at("2013-02-09T00:00"))) == ["2013-02-08"], "a period ended at its end"
    assert days(RunDates(logical_date=at("2013-02-09T09:15")), Grain("hour")) == ["2013-02-09T08:00"]
    assert days(RunDates(logical_date=at("2013-02-13T03:00")), Grain("week")) == ["2013-02-04"]


def test_a_manual_run_without_logical_date_goes_by_run_after() -> None:
    resolved = resolve(PeriodRule(UTC_DAY), RunDates(run_after=at("2013-02-09T03:00")))
    assert (local(resolved, UTC_DAY), resolved.because) == (["2013-02-08"], "run_after")


def test_a_run_that_knows_no_time_goes_by_the_clock() -> None:
    before = UTC_DAY.last_ended(datetime.now(UTC))
    resolved = resolve(PeriodRule(UTC_DAY), RunDates())
    assert resolved.periods[0] in {before, UTC_DAY.last_ended(datetime.now(UTC))}
    assert resolved.because == "the clock"


def test_a_partition_date_gives_the_period_that_contains_it() -> None:
    run = RunDates(partition_date=at("2013-02-08T13:00"), run_after=at("2013-03-01"))
    assert days(run) == ["2013-02-08"]
    assert days(run, Grain("month")) == ["2013-02-01"]


def extra(start: str, end: str) -> dict[str, Any]:
    return {"lupus": {"start": start, "end": end}}


@pytest.mark.parametrize(
    ("extras", "grain", "measured"),
    [
        ([extra(*FEB_8)], UTC_DAY, ["2013-02-08"]),
        ([extra("2013-02-09", "2013-02-10"), extra(*FEB_8), extra(*FEB_8)], UTC_DAY, ["2013-02-08", "2013-02-09"]),  # several, once
        ([extra("2013-02-05", "2013-02-08")], UTC_DAY, ["2013-02-05", "2013-02-06", "2013-02-07"]),  # a range that was backfilled
        ([extra("2013-02-08T22:00", "2013-02-08T23:00")], UTC_DAY, ["2013-02-07"]),  # hours of a day that goes on
        ([extra("2013-02-08T23:00", "2013-02-09T00:00")], UTC_DAY, ["2013-02-08"]),  # the hour that ends it
        ([extra("2013-02-08T12:00", "2013-02-10T12:00")], UTC_DAY, ["2013-02-09"]),  # whole days only
        ([extra(*FEB_8)], Grain("hour"), [f"2013-02-08T{h:02}:00" for h in range(24)]),
        ([extra("2013-02-08T05:00+00:00", "2013-02-09T05:00+00:00")], NEW_YORK, ["2013-02-08"]),
        ([extra(*FEB_8)], NEW_YORK, ["2013-02-08"]),  # dates without a zone are the dataset's
        ([{}, {"other": 1}, {"lupus": "2013"}, {"lupus": {"start": "2013-02-08"}}, extra(*FEB_8)], UTC_DAY, ["2013-02-08"]),
        ([{}], UTC_DAY, ["2013-02-28"]),  # an event that says nothing: by run_after
    ],
)
def test_asset_events_say_which_periods_they_wrote(extras: list[dict[str, Any]], grain: Grain, measured: list[str]) -> None:
    assert days(RunDates(asset_extras=extras, run_after=at("2013-03-01T02:00")), grain) == measured


def test_a_wrong_date_in_an_events_extra_is_named() -> None:
    with pytest.raises(SpecError, match="'last week'"):
        days(RunDates(asset_extras=[extra("last week", "2013-02-09")]))


ALL = RunDates(
    data_interval=(at("2013-01-01"), at("2013-01-02")),
    partition_date=at("2013-01-03T12:00"),
    asset_extras=[extra("2013-01-05", "2013-01-06")],
    logical_date=at("2013-01-08"),
    run_after=at("2013-01-10"),
)


def test_what_a_run_knows_counts_in_one_order() -> None:
    from dataclasses import replace

    conf = replace(ALL, conf=extra("2013-01-20", "2013-01-21"))
    assert days(conf, period="2013-01-30") == ["2013-01-20"], "what one types into the run's conf wins over all"
    assert days(ALL, period="2013-01-30") == ["2013-01-30"]
    assert days(ALL, period="current") == ["2013-01-08"]
    assert days(ALL) == ["2013-01-01"]
    no_interval = replace(ALL, data_interval=(at("2013-01-01"), at("2013-01-01")))
    assert days(no_interval) == ["2013-01-03"]
    no_partition = replace(no_interval, partition_date=None)
    assert days(no_partition) == ["2013-01-05"]
    no_extra = replace(no_partition, asset_extras=())
    assert days(no_extra) == ["2013-01-07"]
    assert days(replace(no_extra, logical_date=None)) == ["2013-01-09"]


@pytest.mark.parametrize(
    ("rule", "measured"),
    [
        ({"period": "2013-02-01"}, ["2013-02-01"]),
        ({"period": "2013-02-01T12:00"}, ["2013-02-01"]),
        ({"period": ("2013-02-01", "2013-02-04")}, ["2013-02-01", "2013-02-02", "2013-02-03"]),
        ({"period": "current"}, ["2013-02-09"]),
        ({"offset": -7}, ["2013-02-01"]),
        ({"offset": 1}, ["2013-02-09"]),
        ({"recollect": 2}, ["2013-02-06", "2013-02-07", "2013-02-08"]),
        ({"offset": -7, "recollect": 1}, ["2013-01-31", "2013-02-01"]),
        ({"period": "current", "recollect": 1}, ["2013-02-08", "2013-02-09"]),
    ],
)
def test_what_the_author_says_of_periods(rule: dict[str, Any], measured: list[str]) -> None:
    assert days(RunDates(logical_date=THREE), NEW_YORK, **rule) == measured


def test_offset_and_recollect_move_a_whole_interval() -> None:
    run = RunDates((at("2013-02-05"), at("2013-02-08")))
    assert days(run, offset=-1, recollect=1) == ["2013-02-03", "2013-02-04", "2013-02-05", "2013-02-06"]


def test_recollect_cannot_be_negative() -> None:
    with pytest.raises(SpecError, match="-1"):
        PeriodRule(UTC_DAY, recollect=-1)


@pytest.mark.parametrize(("period", "word"), [("curent", "'curent'"), (("2013-02-01", "soon"), "'soon'")])
def test_a_wrong_period_is_named(period: Any, word: str) -> None:
    with pytest.raises(SpecError, match=word):
        days(RunDates(logical_date=THREE), period=period)


def test_a_range_run_measures_many_periods_silently() -> None:
    run = RunDates(logical_date=THREE, conf=extra("2013-01-01", "2014-01-01"))
    resolved = resolve(PeriodRule(NEW_YORK, offset=-7, recollect=3), run)
    assert len(resolved.periods) == 365, "half-open, and neither moved nor widened"
    assert (resolved.start, resolved.end) == (at("2013-01-01", NEW_YORK), at("2014-01-01", NEW_YORK))
    assert resolved.ranged
    assert not resolved.alert


def test_a_range_run_can_be_told_to_alert() -> None:
    conf = {"lupus": {"start": "2013-02-01", "end": "2013-02-02", "alert": True}}
    assert resolve(PeriodRule(UTC_DAY), RunDates(conf=conf)).alert


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("2013-02-08", ["must be an object", "'2013-02-08'"]),
        ({"start": "2013-02-08"}, ['both "start" and "end"']),
        ({}, ['both "start" and "end"']),
        ({"start": "2013-02-08", "ende": "2013-02-09"}, ["'ende'", "'end'"]),
        ({"start": "2013-02-08", "end": "2013-02-09", "allert": True}, ["'allert'", "'alert'"]),
        ({"start": "2013-02-08", "end": "2013-02-09", "alert": "no"}, ["true or false", "'no'"]),
        ({"start": "2013-02-30", "end": "2013-03-09"}, ["'2013-02-30'"]),
        ({"start": "2013-02-09", "end": "2013-02-08"}, ["No day", "starts inside"]),
        ({"start": "2013-02-08", "end": "2013-02-08"}, ["No day"]),
        ({"start": "2013-02-08T01:00", "end": "2013-02-08T23:00"}, ["No day"]),
        ({"start": "0013-02-08", "end": "2013-02-09"}, ["more than 100,000 days"]),
        ({"start": None, "end": "2013-02-09"}, ["'None'"]),
    ],
)
def test_a_wrong_range_is_an_error_that_names_it(asked: Any, words: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        resolve(PeriodRule(UTC_DAY), RunDates(conf={"lupus": asked}))
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize("conf", [None, {}, {"other": 1}, {"lupus": None}])
def test_other_conf_is_none_of_our_business(conf: Any) -> None:
    assert days(RunDates(logical_date=THREE, conf=conf), NEW_YORK) == ["2013-02-08"]


@pytest.mark.parametrize(
    ("run_at", "hours"),
    [("2013-03-11T03:00", 23), ("2013-11-04T03:00", 25), ("2013-03-10T03:30", 24)],
)
def test_yesterday_has_as_many_hours_as_it_had(run_at: str, hours: int) -> None:
    resolved = resolve(PeriodRule(NEW_YORK), RunDates(logical_date=at(run_at, NEW_YORK)))
    assert resolved.end - resolved.start == timedelta(hours=hours)


@given(
    st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"]),
    st.sampled_from(UNITS),
    st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_a_scheduled_run_never_measures_a_period_that_goes_on(zone: str, unit: str, now: datetime) -> None:
    grain = Grain(unit, zone)
    resolved = resolve(PeriodRule(grain), RunDates((now, now), logical_date=now, run_after=now))
    assert resolved.end <= now < grain.next(resolved.periods[-1]).end


def test_the_logs_first_line_says_what_and_why() -> None:
    run = RunDates(logical_date=THREE)
    assert resolve(PeriodRule(NEW_YORK, offset=-1, recollect=2), run).describe(NEW_YORK) == (
        "3 days [2013-02-05 00:00, 2013-02-08 00:00) America/New_York, from the logical date, offset -1, recollecting 2 before"
    )
