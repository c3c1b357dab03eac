from datetime import datetime

from treadle import Col, Model, Row, col


class Flight(Row):
    flight_id: Col[str]
    departs: Col[datetime]
    origin: Col[str] = col(slice=True)
    late: Col[bool]


flights = Model("flights", Flight, key=Flight.flight_id, time=Flight.departs, label=Flight.late)


class Plane(Row):
    seats: Col[int] = col(one_of=["few", "many"])  # raised: one_of with values of another type
