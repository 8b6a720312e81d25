"""The latest period -> the stretches of time that metrics are counted in, and what each is called.

Promise: a label names one stretch: a day, a month, a quarter of the financial year, or twelve months.
"""

from datetime import date, timedelta

from transforms.maturity import month_no

DAY, MONTH, QUARTER, YEAR = "day", "month", "quarter", "year"
N_MONTHS, N_QUARTERS, N_YEARS = 24, 8, 2


def periods(latest: str) -> list[dict[str, object]]:
    """ "2026-09" -> rows of standard.period: grain, period, starts_on, ends_on, first_month, last_month (numbers of months).

    The last 24 months, the last eight whole quarters, the twelve months up to the latest and the twelve before, and the last
    day, on which what is known of people is looked at.
    """
    last = month_no(latest)
    found = [_row(MONTH, no, no) for no in range(last - N_MONTHS + 1, last + 1)]
    quarter = last - (last + 1) % 3  # the last month of a quarter: March, June, September, December
    found += [_row(QUARTER, quarter - 3 * back - 2, quarter - 3 * back) for back in range(N_QUARTERS)]
    found += [_row(YEAR, last - 12 * back - 11, last - 12 * back) for back in range(N_YEARS)]
    return [*found, _row(DAY, last, last)]


def _row(grain: str, first: int, last: int) -> dict[str, object]:
    starts, ends = _first_day(first), _first_day(last + 1) - timedelta(days=1)
    period = f"{starts:%Y-%m} to {ends:%Y-%m}"
    if grain in (DAY, MONTH):
        period = f"{ends:%Y-%m-%d}" if grain == DAY else f"{ends:%Y-%m}"
    starts = ends if grain == DAY else starts
    return {
        "grain": grain,
        "period": period,
        "starts_on": starts,
        "ends_on": ends,
        "first_month": first,
        "last_month": last,
    }


def _first_day(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)
