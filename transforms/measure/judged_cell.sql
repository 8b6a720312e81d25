-- One row per release that can be read and number that it might show: exact, with what the regime hides of it by itself.
-- after: cell
-- Release 0 is the one that is being made; measure.earlier_cell holds those before it as they were disclosed.
with grained as (
    -- The first row of the grain that fits a breakdown says in which places, and for what length of time, it is published.
    select breakdown, place_kind, period
    from (select distinct breakdown, place_kind, period from measure.cell where "table" = 'metric_value') as c
    join standard.grain as g
      using (place_kind)
    where case when c.period like '____-__-__' then getvariable('months_of_a_day') else n_months(c.period) end >= g.months
      and g.place_in_list = (select min(f.place_in_list) from standard.grain as f where c.breakdown glob f.pattern)
),
-- Of a cross that was left out nothing was told; what was hidden in it is hidden again, so that it is left out again.
left_out_before as (
    select "table", metric, lasting_period("table", period) as own_period, place_kind, place, breakdown, category, numerator, denominator,
           bool_or(was_hidden) as was_hidden, bool_or(was_base_hidden) as was_base_hidden
    from measure.earlier_cell where was_left_out group by all
),
told as (
    select 0 as release, c.* exclude (suppression), suppression, d.smallest_count_shown, d.rounding_base,
           d.hides_none_and_all, coalesce(b.was_hidden, false) as was_hidden, coalesce(b.was_base_hidden, false) as was_base_hidden,
           false as is_numerator_open, false as is_denominator_open, false as is_rest_open, false as was_left_out,
           false as is_numerator_unprotected, false as is_denominator_unprotected, false as is_rest_unprotected, false as was_gone
    from measure.cell as c
    join standard.suppression as d using (suppression)
    left join left_out_before as b
      on b."table" = c."table" and b.metric = c.metric and b.own_period = lasting_period(c."table", c.period) and b.place_kind = c.place_kind
     and b.place = c.place and b.breakdown = c.breakdown and b.category = c.category
     and b.numerator = c.numerator and b.denominator = c.denominator
    where c."table" <> 'metric_value' or (c.breakdown, c.place_kind, c.period) in (select (breakdown, place_kind, period) from grained)
    union all by name
    -- What an earlier release has a row of, and nobody is in any more beside others who are still told: that its row is gone
    -- would say what the earlier one hides.
    select distinct 0 as release, e."table", e.metric, c.period, e.place_kind, e.place, e.breakdown, e.category, 0 as numerator, 0 as denominator,
           0 as n_people_numerator, 0 as n_people_denominator, 0 as n_people_difference, e.suppression, d.smallest_count_shown, d.rounding_base,
           d.hides_none_and_all, false as was_hidden, false as was_base_hidden, false as is_numerator_open, false as is_denominator_open,
           false as is_rest_open, false as was_left_out, false as is_numerator_unprotected, false as is_denominator_unprotected,
           false as is_rest_unprotected, false as was_gone
    from measure.earlier_cell as e
    join (select distinct "table", metric, period, place_kind, place, breakdown from measure.cell) as c
      on c."table" = e."table" and c.metric = e.metric and lasting_period(c."table", c.period) = lasting_period(e."table", e.period)
     and c.place_kind = e.place_kind and c.place = e.place and c.breakdown = e.breakdown
    join standard.suppression as d on d.suppression = e.suppression
    where e.suppression <> 'deliveries' and e."table" <> 'moved'
      and not exists (from measure.cell as n where n."table" = c."table" and n.metric = c.metric and n.period = c.period
                      and n.place_kind = c.place_kind and n.place = c.place and n.breakdown = c.breakdown and n.category = e.category)
      and (c."table" <> 'metric_value' or (c.breakdown, c.place_kind, c.period) in (select (breakdown, place_kind, period) from grained))
    union all by name
    select * from measure.earlier_cell
),
based as (
    -- Metrics with one denominator share it; that of a rate is everybody there, whatever the period, and nothing is left over
    -- of it: more may happen than there are people.
    select t.*, case when "table" = 'metric_value' then coalesce(b.base, t.metric) else t.metric end as base,
           "table" = 'metric_value' and coalesce(b.base = getvariable('everybody'), false) as is_rate
    from told as t left join standard.metric_base as b using (metric)
),
judged as (
    select *, case when not is_rate then denominator - numerator end as rest,
           numerator between 1 and smallest_count_shown - 1 as is_small,
           n_people_numerator between 1 and smallest_count_shown - 1 as is_of_few,
           denominator between 1 and smallest_count_shown - 1
             or n_people_denominator between 1 and smallest_count_shown - 1 as is_base_small,
           -- What is left over can be found by subtraction: it must not be small either.
           coalesce(rest between 1 and smallest_count_shown - 1, false)
             or n_people_difference between 1 and smallest_count_shown - 1 as is_rest_small,
           -- Nobody, or everybody, would say it of each person there. What no feed collects says nothing of anybody,
           -- a rule that nobody breaks nothing of what they answered, and a place without people nothing at all.
           hides_none_and_all and (numerator = 0 or numerator = denominator) and denominator > 0
             and category <> 'not_collected' and "table" <> 'rule_score' as is_none_or_all
    from based
),
-- The scorecard tells what measures tell: one count, whichever table it stands in. Whole places have one denominator.
named as (
    select *,
           -- Few of few: with their sum beside them both could be told.
           is_small and coalesce(rest between 1 and smallest_count_shown - 1, false) as is_small_twice,
           is_small or is_of_few or is_base_small or is_rest_small or is_none_or_all as is_primary,
           case "table" when 'provider_scorecard' then 'provider_measure' else "table" end as own_table,
           case "table" when 'provider_scorecard' then split_part(breakdown, ' ', 1) else breakdown end as own_breakdown,
           lasting_period("table", period) as own_period
    from judged
),
keyed as (
    select *, quantity_key('numerator', own_table, metric, own_period, place_kind, place, own_breakdown, category) as numerator_key,
           quantity_key('rest', own_table, metric, own_period, place_kind, place, own_breakdown, category) as rest_key,
           case when own_table = 'coverage' and breakdown <> 'withheld' or own_table = 'method_effect'
                     or base = getvariable('everybody') and breakdown = 'everyone'
                then quantity_key('denominator', 'coverage', '', '', place_kind, place, '', '')
                when base = getvariable('everybody')
                then quantity_key('denominator', base, '', '', place_kind, place, own_breakdown, category)
                when own_table = 'agreement_margin' or category = 'agreement'
                then quantity_key('denominator', 'agreement', metric, '', place_kind, place, '', '')
                when own_table = 'provider_measure'
                then quantity_key('denominator', own_table, metric, own_period, place_kind, place, own_breakdown, '')
                when own_table = 'moved' then quantity_key('denominator', own_table, metric, own_period, '', '', '', '')
                else quantity_key('denominator', own_table, base, own_period, place_kind, place, own_breakdown, category)
           end as denominator_key
    from named
)
-- What is counted in two tables or releases is one quantity where the counts are equal: a reader may know that it is.
select *, hash(numerator_key, numerator) as numerator_quantity, hash(denominator_key, denominator) as denominator_quantity,
       hash(rest_key, rest) as rest_quantity,
       -- A breakdown of which most is hidden is not published in that place: it would tell little and cost much.
       release = 0 and avg(is_primary::integer) over broken_down > 1 - smallest_share(own_table, breakdown) as is_left_out
from keyed
window broken_down as (partition by release, "table", metric, period, place_kind, place, breakdown)
