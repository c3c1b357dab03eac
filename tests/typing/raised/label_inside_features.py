from datetime import datetime

import polars as pl

from treadle import Col, Model, Row, col


class Flight(Row):
    flight_id: Col[str]
    departs: Col[datetime]
    origin: Col[str] = col(slice=True)
    late: Col[bool]


flights = Model("flights", Flight, key=Flight.flight_id, time=Flight.departs, label=Flight.late)


@flights.features
def features(rows: pl.DataFrame) -> pl.DataFrame:
    known = rows.select("origin", "departs")
    return known.with_columns(pl.col("late").not_())  # raised: reading the label inside features
