from datetime import datetime

import polars as pl

from treadle import Col, Model, Row, col


class Flight(Row):
    flight_id: Col[str]
    departs: Col[datetime]
    origin: Col[str] = col(slice=True)
    late: Col[bool]


flights = Model("flights", Flight, key=Flight.flight_id, time=Flight.departs, label=Flight.late)


@flights.train  # raised: unknown parameter of fit
def fit(rows: pl.DataFrame, parameters: dict[str, float]) -> object:
    return object()
