-- One row per quantity: a count that some cell of some release that can be read tells, and all that is told of it together.
-- after: told_count, addend
with gathered as (
    select quantity, min(kind) as kind, min(value) as value, min(numerator_quantity) as numerator_quantity,
           bool_or(is_hidden) as is_hidden, bool_or(is_kept) as is_kept, bool_or(is_open) as is_withdrawn, bool_or(release > 0 and not is_hidden and not was_nothing) as was_shown,
           bool_and(was_nothing) as was_nothing, bool_or(is_unprotected) as is_unprotected, bool_or(is_gone) as is_gone,
           max(low) as low_of_all, min(high) as high_of_all, max(low) filter (is_hidden or release > 0) as low_of_hidden,
           min(high) filter (is_hidden or release > 0) as high_of_hidden,
           -- What earlier releases tell stays told, whatever is hidden now.
           coalesce(max(low) filter (release > 0 and not is_open), 0) as low_before,
           coalesce(min(high) filter (release > 0 and not is_open), getvariable('no_limit')) as high_before,
           coalesce(max(least_but_none) filter (release > 0), 0) as least_but_none_before, count(*) as n_cells,
           -- From so many on it is hidden for the sake of others alone.
           if(bool_or(is_by_itself), 0, max(smallest)) as least_of_many,
           bool_or(release = 0 and not is_left_out) as is_free,
           bool_or(value = 0 and category in (select category from standard.known_beforehand)) as is_last
    from measure.told_count
    group by quantity
),
told as (
    select quantity, kind, value, numerator_quantity, is_hidden, was_shown, was_nothing as is_untold,
           -- What could be read in an earlier release, or worked out, is not kept from anybody by hiding it now.
           is_kept and not (was_shown or is_unprotected) as is_kept, is_free and not was_shown and not is_hidden and kind < 2 and not is_last as is_free,
           -- Where the standard says that nobody is, to hide it hides little: only where there is nothing else.
           is_free and not was_shown and not is_hidden and kind < 2 and is_last as is_last,
           -- What was not broken down stays so while a release that says it can be read.
           is_withdrawn, is_gone, was_shown or is_unprotected as is_known,
           case when is_withdrawn then low_before when is_hidden then low_of_hidden else low_of_all end as low,
           case when is_withdrawn then high_before when is_hidden then high_of_hidden else high_of_all end as high, low_before, high_before,
           least_but_none_before, least_of_many,
           -- Cheapest is what fewest people are in; a denominator takes every number with it that rests on it. Where nobody is
           -- there is least room: what is hidden beside it needs more to be hidden.
           case when value = 0 then 1000000 when kind = 1 then value * n_cells else value end as price
    from gathered
    union all by name
    -- A sum that no table tells, of which several margins are one: nobody knows it, and yet they are equal.
    select whole as quantity, min(kind) as kind, min(value) as value, whole as numerator_quantity, false as is_hidden, false as was_shown, true as is_untold,
           false as is_kept, false as is_free, false as is_last, false as is_withdrawn, false as is_gone, false as is_known, 0 as low, getvariable('no_limit') as high,
           0 as low_before, getvariable('no_limit') as high_before, 0 as least_but_none_before, 0 as least_of_many, 0 as price
    from measure.addend where is_untold and sign < 0 group by whole
)
select (row_number() over (order by quantity) - 1)::integer as quantity_no, * from told
