"""Treadle's own JSON: rows as objects in, one prediction a row out."""

from __future__ import annotations

import msgspec

from treadle.serve.dataplane import Answer
from treadle.wire.inference import Prediction, PredictResponse

_encode = msgspec.json.Encoder().encode


def encode_answer(answer: Answer) -> bytes:
    """An answer as the body of ``POST /models/<model>/predict``.

    A multiclass score is that of the decided class; a score that is no finite number becomes null.
    """
    request_id = answer.request_id
    predictions = []
    for index, (score, decision) in enumerate(zip(answer.scores, answer.decisions, strict=True)):
        if isinstance(score, list):
            named = dict(zip(answer.classes or map(str, range(len(score))), score, strict=True))
            predictions.append(Prediction(f"{request_id}-{index}", max(score), decision, named))
        else:
            predictions.append(Prediction(f"{request_id}-{index}", score, decision))
    return _encode(PredictResponse(answer.model, answer.version, predictions))
