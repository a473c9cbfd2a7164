"""Whatever a pipeline holds, it is read or refused, and runs or is refused: never anything else."""

from datetime import UTC, datetime

from hypothesis import event, given, settings
from hypothesis import strategies as st
from test_pipelines import ROW, ROWS

from server.parse.aggregate import STAGES, read_aggregate
from server.parse.encode import to_json
from server.parse.errors import ParseError
from server.storage.aggregation import run
from server.storage.mongo.pipelines import to_pipeline
from server.storage.mongo.rows import parse_result, stored_row
from server.storage.pipeline import ACCUMULATORS, OPERATORS
from server.storage.port import RefusedQuery

WORDS = ["_id", "objectId", "createdAt", "n", "f", "t", "list", "o", "o.l.m", "p", "_p_p", "d"]
OTHERS = [
    "$literal", "$switch", "$dateToString", "$expr", "$in", "$regex", "$exists", "$not", "$all",
    "if", "then", "else", "branches", "case", "default", "path", "newRoot", "date", "format",
    "includeArrayIndex", "preserveNullAndEmptyArrays", "__type",
]  # fmt: skip
names = st.sampled_from([*WORDS, *sorted(OPERATORS), *sorted(ACCUMULATORS), *OTHERS])
leaves = st.one_of(
    st.sampled_from([f"${word}" for word in WORDS]),
    st.sampled_from(["$$ROOT", "$", "", "%Y-%", "Date", 0, 1, -1, 2.5, 10**30, 1e308, True, None]),
    st.sampled_from([datetime(2020, 1, 2, tzinfo=UTC), "2020-01-02T03:04:05.006Z"]),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=8,
)
calls = st.recursive(
    st.sampled_from([*(f"${word}" for word in WORDS), 0, 2.5, 1e308, 10**30, "text", None]),
    lambda inner: st.builds(
        lambda name, many: {name: many[: OPERATORS[name][1]]},
        st.sampled_from(sorted(OPERATORS)),
        st.lists(inner, min_size=3, max_size=3),
    ),
    max_leaves=6,
)
accumulators = st.builds(
    lambda name, call: {name: call}, st.sampled_from(sorted(ACCUMULATORS)), calls
)
computed = st.dictionaries(st.sampled_from(["a", "n", "o.k", "list.x"]), calls, max_size=2)
groups = st.builds(
    lambda key, taken: {"_id": key, **taken},
    calls,
    st.dictionaries(st.sampled_from(["a", "b"]), accumulators, max_size=2),
)
orders = st.dictionaries(st.sampled_from(WORDS), st.sampled_from([1, -1]), min_size=1, max_size=2)
fitting = st.one_of(
    st.tuples(st.sampled_from(["$project", "$addFields"]), computed),
    st.tuples(st.just("$group"), groups),
    st.tuples(st.just("$sort"), orders),
    st.tuples(st.just("$unwind"), st.sampled_from(["$list", "$o.l", "$n"])),
    st.tuples(st.sampled_from(["$sortByCount", "$replaceWith"]), calls),
    st.tuples(st.just("$match"), st.builds(lambda call: {"$expr": call}, calls)),
)
anything = st.tuples(st.sampled_from(sorted(STAGES)), values)
pipelines = st.lists(
    st.one_of(fitting, fitting, fitting, anything).map(lambda stage: dict([stage])),
    min_size=1,
    max_size=4,
)


@settings(max_examples=200, deadline=None)
@given(pipelines)
def test_any_pipeline_is_answered_or_refused(pipeline):
    try:
        stages = read_aggregate({"pipeline": pipeline}, ROWS).stages
    except ParseError:
        event("refused when read")
        return
    to_pipeline(ROWS, stages)
    rows = [stored_row(ROWS, ROW), stored_row(ROWS, {**ROW, "n": "text", "list": None})]
    try:
        found = list(run(stages, rows))
    except RefusedQuery:
        event("refused when run")
        return
    event("answered")
    for row in found:
        to_json(parse_result(ROWS, row))
