"""What happened in the seeded year, as data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from treadle.domain.gates import Verdict
from treadle.domain.monitoring import Incident

NOW = datetime(2013, 12, 14, 15, 20, tzinfo=UTC)
HOME = "/home/ada/flights/.treadle"
PASS, FAIL, OPEN = Verdict.PASS, Verdict.FAIL, Verdict.NOT_ENOUGH_DATA


def day(month: int, date: int, hour: int = 6, minute: int = 0) -> datetime:
    """A time of 2013."""
    return datetime(2013, month, date, hour, minute, tzinfo=UTC)


@dataclass(frozen=True)
class Attempt:
    """One training of the story: when and why, what the gates said, and when its version answered from, if it did."""

    at: datetime
    trigger: str
    reason: str
    verdict: Verdict | None
    auc: float
    worth: float
    tune: int = 0
    promoted: datetime | None = None


FLIGHTS = (
    Attempt(day(3, 1), "first", "the model was applied for the first time", PASS, 0.641, 6.9, promoted=day(3, 1, 7)),
    Attempt(day(4, 1), "age", "the last training was 31.0 days ago", PASS, 0.668, 8.2, promoted=day(4, 1, 7)),
    Attempt(day(5, 1), "age", "the last training was 30.0 days ago", PASS, 0.671, 8.4, promoted=day(5, 1, 7)),
    Attempt(day(5, 16), "gate_broken", "version 3 on live traffic: a gate broke", OPEN, 0.676, 8.5),
    Attempt(day(6, 15), "age", "the last training was 30.0 days ago", PASS, 0.694, 9.8, promoted=day(6, 15, 7)),
    Attempt(day(7, 15), "age", "the last training was 30.0 days ago", FAIL, 0.662, 7.1),
    Attempt(day(8, 14), "age", "the last training was 30.0 days ago", PASS, 0.703, 10.3, promoted=day(8, 14, 7)),
    Attempt(day(9, 13), "age", "the last training was 30.0 days ago", None, 0.0, 0.0),
    Attempt(day(9, 14), "retry", "the last attempt failed", PASS, 0.699, 9.6, promoted=day(9, 14, 8)),
    Attempt(day(10, 14), "asked", "more search before winter (ada)", PASS, 0.708, 10.1, 20, day(10, 14, 9)),
    Attempt(day(11, 13), "age", "the last training was 30.0 days ago", PASS, 0.712, 10.6, promoted=day(11, 13, 7)),
    Attempt(day(12, 11), "when", "worth <= 0 is true of live traffic", PASS, 0.719, 11.2),
)
BIKES = (
    Attempt(day(9, 1), "first", "the model was applied for the first time", PASS, 61.0, 4.1, promoted=day(9, 1, 7)),
    Attempt(day(10, 1), "age", "the last training was 30.0 days ago", PASS, 55.2, 4.6, promoted=day(10, 1, 7)),
    Attempt(day(11, 1), "new_code", "revision 2 was applied", PASS, 52.8, 4.9, promoted=day(11, 1, 7)),
)
NUMBERS = {
    "temp": (46, 17), "dewp": (31, 19), "humid": (61, 19), "pressure": (1018, 7), "wind_speed": (10, 5),
    "wind_dir": (200, 104), "wind_gust": (25, 6), "visib": (9.3, 2), "precip": (0.004, 0.03),
    "departure_minute": (800, 290), "arrival_minute": (950, 300), "distance": (1010, 730), "weekday": (3.9, 2),
}  # fmt: skip
TEXTS = {
    "carrier": {"UA": 0.174, "B6": 0.162, "EV": 0.16, "DL": 0.142, "AA": 0.097, "MQ": 0.079},
    "origin": {"EWR": 0.358, "JFK": 0.33, "LGA": 0.312},
    "dest": {"ORD": 0.051, "ATL": 0.051, "LAX": 0.048, "BOS": 0.046, "MCO": 0.042},
}

LOG = """\
fit: 48,120 rows, 17 columns
fit: iteration 50, loss 0.4471
fit: iteration 100, loss 0.4179
fit: iteration 150, loss 0.4008
fit: done in 21.4 s
"""

LOCK = """\
numpy==2.4.6 \\
    --hash=sha256:0c4e6e8b7ba0ab03e9f3a5b1d0b1f4f1a2c9e0d0e4a1e8a7f0a1c2d3e4f50617
polars==2.1.0 \\
    --hash=sha256:7be3c1b5a4f2e6d8c9b0a1f2e3d4c5b6a7980f1e2d3c4b5a69788796a5b4c3d2
scikit-learn==1.9.1 \\
    --hash=sha256:1122334455667788990a0b0c0d0e0f00112233445566778899aabbccddeeff00
scipy==1.17.2 \\
    --hash=sha256:99aabbccddeeff001122334455667788990a0b0c0d0e0f00112233445566778f
"""

INCIDENTS = (
    Incident("4be01c7e5a9d2f10", "flights", "drift", "drift:version 1",
             "temp, dewp moved away from the training data of version 1",
             "temp: js 0.241 (at least 0.196, practical from 0.1), expected mean 38.2, seen mean 51.7; "
             "dewp: js 0.203 (at least 0.161, practical from 0.1), expected mean 24.9, seen mean 37.3",
             day(3, 26, 0), {"rows": 6318, "columns": 2, "temp": 0.241, "dewp": 0.203}, 1, day(4, 1, 7)),
    Incident("a91f6d20cc3417b2", "flights", "gate", "gate:version 3: recall.worst(origin) >= 0.08",
             "recall.worst(origin) >= 0.08 is broken on live traffic",
             "recall.worst(origin) >= 0.08 fail (0.0612, 0.0421 to 0.0794 on 9,811 rows)", day(5, 15, 0),
             {"value": 0.0612, "low": 0.0421, "high": 0.0794, "threshold": 0.08, "rows": 9811, "coverage": 0.9684,
              "since": "2013-05-01T07:00:00+00:00", "until": "2013-05-13T00:00:00+00:00"}, 3, day(5, 16, 1)),
    Incident("0d5e8812f7ab90c4", "flights", "data", "data:outcomes", "37 outcomes could not be used",
             "key: known broken by 37 of 911 rows, for example key=2013-07-09-XX-1", day(7, 10, 0),
             {"key: known": 37}, None, day(7, 11, 0)),
    Incident("77c2b9e04d1fa386", "flights", "training", "training:data", "training refused its data",
             "humid: at most 25 % missing broken by 4,812 of 19,403 rows", day(9, 13, 6),
             {"attempt": "flights-0008"}, None, day(9, 14, 6)),
    Incident("e3a4470b1c5d6f98", "flights", "drift", "drift:version 9",
             "carrier moved away from the training data of version 9",
             "carrier: js 0.247 (at least 0.198, practical from 0.1), expected UA 17%, B6 16%, EV 16%, seen UA 26%, "
             "B6 11%, EV 9%", day(10, 25, 0), {"rows": 6402, "columns": 1, "carrier": 0.247}, 9, day(11, 13, 7)),
    Incident("c08fd1296be7a354", "flights", "drift", "drift:version 10",
             "wind_gust moved away from the training data of version 10",
             "wind_gust: js 0.186 (at least 0.131, practical from 0.1), expected mean 25, seen mean 29.9",
             day(12, 13, 0), {"rows": 6377, "columns": 1, "wind_gust": 0.186}, 10),
)  # fmt: skip
