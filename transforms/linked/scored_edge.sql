-- One row per pair of people at providers that was scored and weighs enough to be told of.
-- after: weighed_edge
select * from linked.weighed_edge where local_a > 0 and local_b > 0
