"""Comments under runs, Treadle's own."""

from __future__ import annotations

from treadle.api.mlflow import rules
from treadle.api.mlflow.calls import Answer, Call, Routes, answer
from treadle.api.mlflow.waiting import millis, read, written
from treadle.domain.tracking import Comment
from treadle.wire.mlflow import runs as wire

routes = Routes()


@routes.add("POST", "/api/2.0/mlflow/runs/comments/create")
async def create(call: Call) -> Answer:
    """A new comment."""
    asked = await call.json(wire.CommentAsked)
    run, text = rules.run_id(asked.run_id), rules.required(asked.text, "text")
    now = millis(call.services.clock)
    made = call.services.tracking.add_comment(run, author=asked.author or "", text=text, at=now)
    return answer(wire.OneComment(_out(await written(made))))


@routes.add("GET", "/api/2.0/mlflow/runs/comments/list")
async def of_run(call: Call) -> Answer:
    """Those of a run, oldest first."""
    run = rules.run_id((await call.given(wire.CommentAsked)).run_id)
    found = await read(call.services.tracking.comments, run)
    return answer(wire.Comments([_out(comment) for comment in found]))


@routes.add("POST", "/api/2.0/mlflow/runs/comments/update")
async def update(call: Call) -> Answer:
    """Another text."""
    asked = await call.json(wire.CommentAsked)
    comment, text = rules.required(asked.comment_id, "comment_id"), rules.required(asked.text, "text")
    changed = call.services.tracking.edit_comment(comment, text=text, at=millis(call.services.clock))
    return answer(wire.OneComment(_out(await written(changed))))


@routes.add("POST", "/api/2.0/mlflow/runs/comments/delete")
async def delete(call: Call) -> Answer:
    """One comment less."""
    asked = await call.json(wire.CommentAsked)
    await written(call.services.tracking.delete_comment(rules.required(asked.comment_id, "comment_id")))
    return answer()


def _out(comment: Comment) -> wire.CommentOut:
    return wire.CommentOut(comment.id, comment.run, comment.author, comment.text, comment.at, comment.edited)
