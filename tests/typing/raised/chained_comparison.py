from datetime import datetime

from treadle import Col, Model, Row, col, metrics


class Flight(Row):
    flight_id: Col[str]
    departs: Col[datetime]
    origin: Col[str] = col(slice=True)
    late: Col[bool]


flights = Model("flights", Flight, key=Flight.flight_id, time=Flight.departs, label=Flight.late)

flights.ship(0.5 <= metrics.auc <= 0.9)  # raised: chained comparison
