-- One row per release, cell and count in it (0 numerator, 1 denominator, 2 rest): what a reader knows of it by itself.
-- after: judged_cell
-- Read as the standard supposes: a rounded number as every number that rounds to it and would be shown; what is few as 1 to
-- few; what is hidden for another reason as anything from 0 to its denominator; and which is which is known. Of few people all
-- is hidden, whatever it is: then nothing is known of it but that.
with counted as (
    select release, smallest_count_shown as smallest, rounding_base as base, category, numerator_quantity, is_left_out, is_small, is_of_few, is_base_small, is_none_or_all,
           release > 0 and is_denominator_open as was_no_row, was_left_out, unnest([
        {'kind': 0, 'quantity': numerator_quantity, 'value': numerator, 'is_few': is_small, 'is_hidden': is_primary or was_hidden,
         'is_kept': is_primary or was_hidden, 'least': (is_of_few and not is_small)::bigint, 'is_open': is_numerator_open or is_of_few_at_all,
         'is_unprotected': is_numerator_unprotected, 'is_gone': was_gone},
        {'kind': 1, 'quantity': denominator_quantity, 'value': denominator,
         'is_few': denominator between 1 and smallest_count_shown - 1, 'is_hidden': is_base_small or is_small_twice or was_base_hidden,
         'is_kept': is_base_small or is_small_twice or was_base_hidden, 'least': is_base_small::bigint, 'is_open': is_denominator_open,
         'is_unprotected': is_denominator_unprotected, 'is_gone': false},
        {'kind': 2, 'quantity': rest_quantity, 'value': rest, 'is_few': rest between 1 and smallest_count_shown - 1,
         'is_hidden': is_primary or was_hidden, 'is_kept': is_rest_small, 'least': is_rest_small::bigint, 'is_open': is_rest_open or is_of_few_at_all,
         'is_unprotected': is_rest_unprotected, 'is_gone': false}
    ]) as c
    from (select *, denominator between 1 and smallest_count_shown - 1 as is_of_few_at_all from measure.judged_cell)
    where suppression <> 'deliveries'
)
select release, c.kind, c.quantity, c.value, numerator_quantity, category,
       -- Where there was no row nobody was kept from anybody's eyes: then a later release may say so. Of a cross that was left
       -- out nothing was told, and yet it is in the sums of what was.
       was_left_out or is_left_out or was_no_row and c.kind = 0 and c.value = 0 as was_nothing,
       -- Of a breakdown that is left out nothing is told here, and yet it is in the sums that others are told of: few are
       -- kept from whoever subtracts there too.
       c.is_hidden and (not was_nothing or c.is_few) as is_hidden, c.is_kept and (not was_nothing or c.is_few) as is_kept, c.is_open and not was_nothing as is_open, is_left_out, smallest, c.is_unprotected, c.is_gone and not was_nothing as is_gone,
       -- What is hidden only since few are left over is known by these.
       c.is_kept and (c.kind > 0 or release > 0 or is_small or is_of_few or is_base_small or is_none_or_all) as is_by_itself,
       case when was_left_out or is_left_out then 0 when c.is_few and c.is_hidden then 1 when c.is_hidden then c.least when c.kind = 2 or c.value = 0 then 0
            else greatest(smallest, ceil(round(c.value / base) * base - base / 2)) end::bigint as low,
       case when was_left_out or is_left_out then getvariable('no_limit') when c.is_few and c.is_hidden then smallest - 1 when c.kind = 2 or c.is_hidden then getvariable('no_limit')
            when c.value = 0 then 0 else ceil(round(c.value / base) * base + base / 2) - 1 end::bigint as high,
       -- What is left over of a number that is shown is nobody, or not few.
       case when c.kind = 2 and not (c.is_hidden or was_left_out or is_left_out) then smallest else 0 end as least_but_none
from counted
where c.value is not null  -- of a rate nothing is left over
