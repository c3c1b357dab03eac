"""Metrics of order: area under the ROC curve, average precision, medians; whole and without each block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from treadle.stats.blocks import Blocks, Floats, Ints, Replicates, ratio

MOST_BLOCKS = 60


@dataclass(frozen=True, eq=False)
class Placements:
    """For each row, how many rows of the other class it beats (ties count half).

    ``of_positives`` (positives,) counts negatives below, ``of_negatives`` (negatives,) positives above, each in the
    order of the rows. These are DeLong's structural components before scaling.
    """

    of_positives: Floats
    of_negatives: Floats

    @property
    def auc(self) -> float:
        """The Mann-Whitney statistic; NaN where one class is missing."""
        pairs = len(self.of_positives) * len(self.of_negatives)
        return float(self.of_positives.sum() / pairs) if pairs else float("nan")


def placements(label: NDArray[np.bool_], score: Floats) -> Placements:
    """Placements of ``score`` (n,) by ``label`` (n,), O(n log n)."""
    return _placements(label, _dense_ranks(score)[1])


def auc(label: NDArray[np.bool_], score: Floats) -> float:
    """Area under the ROC curve by ranks, ties counting half; NaN where one class is missing."""
    return placements(label, score).auc


def auc_replicates(label: NDArray[np.bool_], score: Floats, blocks: Blocks) -> Replicates:
    """AUC whole and without each block, exactly, in O(n log n).

    With W[b, c] the wins of block b's positives over block c's negatives, the AUC without b is
    ``(W - W[b, :] - W[:, b] + W[b, b]) / ((P - P_b)(N - N_b))``: the margins come from ranks among all rows, the
    diagonal from ranks within the block.
    """
    order, dense = _dense_ranks(score)
    placed = _placements(label, dense)
    positives, negatives = blocks.sums(label), blocks.sums(~label)
    rows = blocks.take(label).sums(placed.of_positives)
    columns = blocks.take(~label).sums(placed.of_negatives)
    wins = rows.sum() - rows - columns + _wins_within(label, dense, order, blocks)
    left = ratio(wins, (positives.sum() - positives) * (negatives.sum() - negatives))
    support = 2 * min(positives.sum(), negatives.sum())
    return Replicates(placed.auc, left, blocks.sizes, float(support))


def _dense_ranks(score: Floats) -> tuple[Ints, Ints]:
    order = np.argsort(score)
    ordered = score[order]
    dense = np.empty(len(score), np.int64)
    dense[order] = np.concatenate([[0], np.cumsum(ordered[1:] != ordered[:-1])]) if len(score) else 0
    return order.astype(np.int64), dense


def _placements(label: NDArray[np.bool_], dense: Ints) -> Placements:
    levels = int(dense.max()) + 1 if len(dense) else 0
    negatives = np.bincount(dense[~label], minlength=levels)
    positives = np.bincount(dense[label], minlength=levels)
    below = np.cumsum(negatives) - negatives / 2
    above = positives.sum() - np.cumsum(positives) + positives / 2
    return Placements(below[dense[label]], above[dense[~label]])


def _wins_within(label: NDArray[np.bool_], dense: Ints, order: Ints, blocks: Blocks) -> Floats:
    """Wins of positives over negatives of the same block, (blocks,)."""
    if not len(label):
        return np.zeros(blocks.count)
    by_block = order[np.argsort(blocks.codes[order].astype(np.int32), kind="stable")]
    block, level, positive = blocks.codes[by_block], dense[by_block], label[by_block]
    new_block = np.concatenate([[True], block[1:] != block[:-1]])
    new_level = new_block | np.concatenate([[True], level[1:] != level[:-1]])
    before = np.concatenate([[0], np.cumsum(~positive)])
    starts = np.flatnonzero(new_level)
    in_level = np.diff(np.append(before[starts], before[-1]))
    base = before[np.flatnonzero(new_block)][np.cumsum(new_block)[starts] - 1]
    wins = before[starts] - base + in_level / 2
    return np.bincount(block, weights=wins[np.cumsum(new_level) - 1] * positive, minlength=blocks.count).astype(
        np.float64
    )


def average_precision_replicates(label: NDArray[np.bool_], score: Floats, blocks: Blocks) -> Replicates:
    """Average precision ``sum_k (R_k - R_{k-1}) P_k`` over distinct scores, whole and without each block.

    More than 60 blocks are put together by neighbours, since each costs a pass over the rows.
    """
    blocks = blocks.coarse(MOST_BLOCKS)
    order = np.argsort(-score, kind="stable")
    hits, codes, ordered = label[order].astype(np.float64), blocks.codes[order], score[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(order) else np.zeros(0, np.int64)

    def precision_mean(weight: Floats) -> float:
        found = np.cumsum(hits * weight)[last]
        if not len(found) or found[-1] == 0:
            return float("nan")
        precision = ratio(found, np.cumsum(weight)[last])
        gained = np.diff(found, prepend=0.0)
        return float(np.dot(gained, np.where(gained > 0, precision, 0)) / found[-1])

    left = np.array([precision_mean((codes != b).astype(np.float64)) for b in range(blocks.count)])
    positives = float(label.sum())
    support = 2 * min(positives, len(label) - positives)
    return Replicates(precision_mean(np.ones(len(label))), left, blocks.sizes, support)


def median_replicates(values: Floats, blocks: Blocks) -> Replicates:
    """The median whole and without each block (at most 60; more are put together by neighbours).

    A median is not smooth, so its jackknife needs to leave out many rows at a time: it is consistent where a block
    holds well over the square root of the rows (Shao & Wu 1989, Ann. Statist. 17).
    """
    blocks = blocks.coarse(MOST_BLOCKS)
    order = np.argsort(values)
    ordered, codes = values[order], blocks.codes[order]

    def middle(x: Floats) -> float:
        return float((x[(len(x) - 1) // 2] + x[len(x) // 2]) / 2) if len(x) else float("nan")

    left = np.array([middle(ordered[codes != b]) for b in range(blocks.count)])
    return Replicates(middle(ordered), left, blocks.sizes, float(len(values)))
