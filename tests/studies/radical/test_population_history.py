"""Who was best in a search, and who descends from whom."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcium_latents.errors import UserError
from calcium_latents.studies.radical.population_history import (
    ancestors,
    best_so_far,
    lineage,
    read_history,
    share_of_ancestors,
    winner,
)


def history(parents, scores):
    """Return a history of `parents` and `scores`, [generation][member] each."""
    rows = [
        {"generation": g, "member": m, "parent": parents[g][m], "epoch": 5 * g + 5, "step": 5 * g + 5, "score": score}
        for g, line in enumerate(scores)
        for m, score in enumerate(line)
    ]
    table = pd.DataFrame(rows)
    return table.assign(diverged=table["score"].isna())


PARENTS = [[0, 1, 2], [0, 0, 2], [0, 1, 1], [0, 1, 2]]
SCORES = [[1.0, 2.0, 3.0], [0.9, 0.8, np.nan], [0.7, 0.9, 0.5], [0.8, 0.6, 0.6]]


def test_the_winner_is_the_lowest_of_all_generations_and_its_line_follows_copies():
    table = read_history(history(PARENTS, SCORES))
    assert winner(table) == (2, 2)
    assert lineage(table, 2, 2).tolist() == [0, 1, 2]
    assert best_so_far(table).tolist() == [1.0, 0.8, 0.5, 0.5]
    assert ancestors(table).loc[2].tolist() == [0, 0, 0]
    assert share_of_ancestors(table).tolist() == pytest.approx([1, 2 / 3, 1 / 3, 1 / 3])


def test_order_of_rows_and_unnamed_parents_do_not_matter():
    table = history(PARENTS, SCORES)
    shuffled = table.sample(frac=1, random_state=1)
    shuffled["parent"] = shuffled["parent"].where(shuffled["generation"] > 0)
    pd.testing.assert_frame_equal(read_history(shuffled), read_history(table))


def test_wrong_histories_are_explained():
    table = history(PARENTS, SCORES)
    with pytest.raises(UserError, match="generation 3: expected one row for each of the 3"):
        read_history(table.iloc[:-1])
    with pytest.raises(UserError, match="parents among the members, found \\[7\\]"):
        read_history(table.assign(parent=7))
    with pytest.raises(UserError, match="every member diverged"):
        winner(read_history(table.assign(score=np.nan)))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_lines_end_where_ancestors_say(data):
    members, generations = data.draw(st.integers(2, 6)), data.draw(st.integers(1, 6))
    line = st.lists(st.integers(0, members - 1), min_size=members, max_size=members)
    parents = [list(range(members)), *(data.draw(line) for _ in range(generations - 1))]
    table = read_history(history(parents, np.ones((generations, members))))
    share = share_of_ancestors(table).to_numpy()
    assert (np.diff(share) <= 0).all() and share[0] == 1
    for member in range(members):
        back = lineage(table, generations - 1, member)
        assert back.iloc[0] == ancestors(table).iloc[-1][member] and back.iloc[-1] == member
