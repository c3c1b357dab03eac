from datetime import datetime

from treadle import Col, Model, Row, col, tune


class Flight(Row):
    flight_id: Col[str]
    departs: Col[datetime]
    origin: Col[str] = col(slice=True)
    late: Col[bool]


flights = Model("flights", Flight, key=Flight.flight_id, time=Flight.departs, label=Flight.late)


class Params:
    rate: float = tune(0.5, low=0.01, high=0.3)  # raised: default outside of the range
