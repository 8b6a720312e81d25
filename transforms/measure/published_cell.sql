-- One row per number that the open area tells or hides: exact, and why it is hidden. Later releases are disclosed with it in mind.
-- after: disclosed_cell
with told as (
    select c.*, ("table", metric, period, place_kind, place, breakdown) in (
               select ("table", metric, period, place_kind, place, breakdown) from measure.disclosed_cell where status = 'left_out')
             as was_left_out, numerator_quantity in (select quantity from measure.hidden) as is_numerator_hidden,
           denominator_quantity in (select quantity from measure.hidden) as is_denominator_hidden,
           numerator_quantity in (select quantity from measure.not_broken_down union all from measure.without_row) as is_numerator_open,
           denominator_quantity in (select quantity from measure.not_broken_down union all from measure.without_row)
             or numerator_quantity in (from measure.without_row) as is_denominator_open,
           rest_quantity in (select quantity from measure.not_broken_down) as is_rest_open,
           numerator_quantity in (from measure.unprotected) as is_numerator_unprotected,
           denominator_quantity in (from measure.unprotected) as is_denominator_unprotected,
           rest_quantity in (from measure.unprotected) as is_rest_unprotected,
           numerator_quantity in (from measure.without_row) or denominator_quantity in (from measure.without_row) as was_gone
    from (select * exclude (is_numerator_open, is_denominator_open, is_rest_open, was_hidden, was_base_hidden, was_left_out,
                            is_numerator_unprotected, is_denominator_unprotected, is_rest_unprotected, was_gone)
          from measure.judged_cell where release = 0) as c
)
select "table", metric, period, place_kind, place, breakdown, category, numerator, denominator, n_people_numerator,
       n_people_denominator, n_people_difference, suppression, smallest_count_shown, rounding_base, hides_none_and_all,
       is_primary or is_numerator_hidden or is_denominator_hidden as was_hidden, is_base_small or is_denominator_hidden as was_base_hidden,
       is_numerator_open, is_denominator_open, is_rest_open, was_left_out,
       is_numerator_unprotected, is_denominator_unprotected, is_rest_unprotected, was_gone,
       case when was_left_out then 'left_out' when is_denominator_open or is_numerator_open and not is_base_small then 'not_broken_down' when is_none_or_all then 'none_or_all'
            when is_primary then 'few' when is_numerator_hidden or is_denominator_hidden then 'secondary' end as hidden_as
from told
