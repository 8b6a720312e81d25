"""Edges -> clusters: which people at providers are one person.

Promise: two different verified numbers never share a cluster, nor do two whom a reviewer told apart; what the edges are
decides, never their order. Only where edges would break this are they weighed against each other: the heaviest first.
"""

import duckdb
import numpy as np
import pyarrow as pa


def cluster(con: duckdb.DuckDBPyConnection) -> None:
    """Table `linked.cluster`: local_no, cluster_no (the smallest local_no in it).

    Reads linked.numbered_person, linked.accepted_edge (local_a, local_b, weight, key_a, key_b) and linked.told_apart
    (local_a, local_b).
    """
    nodes = con.execute("select local_no from linked.numbered_person order by local_no").fetchnumpy()["local_no"]
    edges = con.execute("select local_a, local_b from linked.accepted_edge").fetchnumpy()
    sides = nodes.searchsorted(np.stack([edges["local_a"], edges["local_b"]]))
    found = components(len(nodes), sides)
    _install(con, nodes, found)
    for members, joined in _resolved(con):
        # The rest of a component that was cut is numbered anew, each part by the smallest in it.
        at = np.searchsorted(nodes, members)
        found[at] = np.searchsorted(nodes, joined)
    _install(con, nodes, found)


def components(n: int, sides: np.ndarray) -> np.ndarray:
    """For each of n nodes the smallest node that edges (two rows: their ends) lead to."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(sides.shape[1], dtype=np.int8), (sides[0], sides[1])), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    _, first = np.unique(label, return_index=True)
    return first[label]


def _install(con: duckdb.DuckDBPyConnection, nodes: np.ndarray, found: np.ndarray) -> None:
    con.register("clustered", pa.table({"local_no": nodes, "cluster_no": nodes[found] if len(nodes) else nodes}))
    con.execute(
        "create or replace table linked.cluster as select local_no::integer as local_no, cluster_no::integer as cluster_no from clustered"
    )
    con.unregister("clustered")


def _resolved(con: duckdb.DuckDBPyConnection) -> list[tuple[list[int], list[int]]]:
    """Per cluster that holds what may not be together: its members, and for each the smallest member it stays with."""
    con.execute("""
        create or replace temp table torn as
        select cluster_no from linked.cluster join linked.numbered_person using (local_no)
        where is_verified group by cluster_no having count(distinct number) > 1
        union
        select a.cluster_no from linked.told_apart as t join linked.cluster as a on a.local_no = t.local_a
        join linked.cluster as b on b.local_no = t.local_b and b.cluster_no = a.cluster_no""")
    members = con.execute("""
        select cluster_no, local_no, case when is_verified then number end from linked.cluster
        join linked.numbered_person using (local_no) where cluster_no in (from torn) order by 1, 2""").fetchall()
    edges = con.execute("""
        select c.cluster_no, e.local_a, e.local_b from linked.accepted_edge as e join linked.cluster as c on c.local_no = e.local_a
        where c.cluster_no in (from torn) order by weight desc, key_a, key_b, local_a, local_b""").fetchall()
    apart = con.execute("select local_a, local_b from linked.told_apart").fetchall()
    numbers = {local: number for _, local, number in members}
    root, held, kept = dict.fromkeys(numbers, 0), {}, {}
    for local, number in numbers.items():
        root[local], held[local], kept[local] = local, {number} - {None}, [local]
    never = {frozenset(pair) for pair in apart}
    for _, a, b in edges:
        one, other = sorted((root[a], root[b]))
        if one == other or len(held[one] | held[other]) > 1:
            continue
        if never and any(frozenset((x, y)) in never for x in kept[one] for y in kept[other]):
            continue
        held[one] |= held[other]
        kept[one] += kept.pop(other)
        for local in kept[one]:
            root[local] = one
    return [([local for _, local, _ in members], [root[local] for _, local, _ in members])] if members else []
