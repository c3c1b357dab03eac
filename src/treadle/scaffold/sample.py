"""A small table of parcels to begin with: synthetic, the same every time, with the faults that real tables have."""

from __future__ import annotations

import csv
import io
import random
from datetime import datetime, timedelta

FILE, TARGET, NAME = "parcels.csv", "late", "parcels"
ROWS = 3000

_DEPOTS = {"north": 0.2, "harbour": 0.9, "airport": -0.4, "east": 0.1}
_COURIERS = {"van": 0.0, "bike": -0.5, "partner": 0.7}


def table() -> str:
    """CSV text: a row a parcel, half a year, about a quarter of them late.

    What makes a parcel late: distance, weight beyond what a bike carries, rain, partners, the evening, the rush of
    December. ``delivered_at`` is known only afterwards, as in life. Some weights and rain readings are missing.
    """
    draw = random.Random(20240701)  # noqa: S311
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["parcel_id", "ordered_at", "depot", "courier", "distance_km", "weight_kg", "items", "rain_mm", "express",
         "delivered_at", "late"]
    )  # fmt: skip
    at = datetime(2024, 7, 1, 6)  # noqa: DTZ001
    for number in range(ROWS):
        at += timedelta(minutes=max(1, round(draw.expovariate(1 / 85))))
        if at.hour < 6:
            at = at.replace(hour=6, minute=draw.randrange(60))
        writer.writerow(_parcel(draw, number, at))
    return out.getvalue()


def _parcel(draw: random.Random, number: int, at: datetime) -> list[str]:
    depot = draw.choices(list(_DEPOTS), (4, 2, 3, 3))[0]
    courier = draw.choices(list(_COURIERS), (5, 3, 2))[0]
    distance = round(draw.gammavariate(2.2, 2.6) + 0.3, 1)
    weight = round(draw.lognormvariate(0.6, 0.8), 2)
    items = 1 + min(8, int(draw.expovariate(0.9)))
    rain = round(max(0.0, draw.gauss(-0.6, 1.8)), 1)
    express = draw.random() < 0.3
    rush = 0.8 if at.month == 12 else 0.0
    strain = (
        0.16 * distance + 0.5 * (courier == "bike") * max(0.0, weight - 3) + 0.35 * rain + _DEPOTS[depot]
        + _COURIERS[courier] + 0.5 * (17 <= at.hour < 21) + rush - 0.5 * express + draw.gauss(0, 1.1)
    )  # fmt: skip
    late = strain > 2.45
    hours = (14 if express else 38) * draw.uniform(0.5, 0.98) if not late else draw.uniform(40, 70)
    delivered = at + timedelta(hours=hours)
    return [
        f"P-{100_000 + number}",
        f"{at:%Y-%m-%d %H:%M}",
        depot,
        courier,
        f"{distance}",
        "" if draw.random() < 0.04 else f"{weight}",
        f"{items}",
        "" if draw.random() < 0.08 else f"{rain}",
        "yes" if express else "no",
        f"{delivered:%Y-%m-%d %H:%M}",
        "yes" if late else "no",
    ]
