-- One row: the draw below which people are rehearsed.
-- after: draw
-- The share of the standard, halved until no more are drawn than it allows: so that one record more moves nobody in or out,
-- but for the one time in which it halves.
with halved as (
    select getvariable('rehearsed_share') / pow(2, times) as draw from (select unnest(range(64)) as times)
),
first_too_many as (
    select draw from linked.draw order by draw limit 1 offset getvariable('rehearsed_at_most')
)
select coalesce(max(draw) filter (draw <= coalesce((select draw from first_too_many), 1)), 0)::double as draw from halved
