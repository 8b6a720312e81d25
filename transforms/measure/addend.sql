-- One row per margin and quantity in it: parts with the sign 1, their whole with -1, so that together they are nothing.
-- after: membership, told_count
-- A margin that does not hold in the exact counts is no margin, and nobody learns from it; what holds is kept.
with part as (
    select release, own_table, metric, is_rate, own_period as period, place_kind, place, own_breakdown as breakdown, category, numerator_key, denominator_key,
           [{'kind': 0, 'quantity': numerator_quantity, 'value': numerator},
            {'kind': 2, 'quantity': rest_quantity, 'value': rest},
            {'kind': 1, 'quantity': denominator_quantity, 'value': denominator}] as counts
    from measure.judged_cell
    -- What the scorecard tells is told by a measure already.
    where suppression <> 'deliveries' and "table" <> 'provider_scorecard'
),
nested as (
    select distinct p.breakdown, p.category, coalesce(c."group", p.category) as whole
    from part as p
    left join standard.classification as c
      on c.classification = getvariable('default_set') and c.code = p.category and c."group" <> ''
     and c.system in (select system from standard.characteristic where characteristic = getvariable('ethnicity'))
     and is_valid_on(getvariable('rolling_to'), c.valid_from, c.valid_to)
    where p.breakdown in (select part from standard.margin where along = 'nested')
),
status as (
    select name as category from standard.rank where kind = 'statuses' union select category from standard.known_beforehand
),
-- For each cell the cells of which it is a part: the same, but for the one coordinate along which is added up.
upward as (
    select p.numerator_key, p.release, m.margin_no, p.breakdown as by_what,
           quantity_key('numerator', p.own_table, p.metric, p.period, p.place_kind, p.place, m.whole, m.whole) as whole_key, 'each' as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'breakdown' and m.whole <> p.breakdown
    union all by name
    select p.numerator_key, p.release, m.margin_no, p.breakdown as by_what,
           quantity_key('numerator', p.own_table, p.metric, p.period, p.place_kind, p.place, m.whole, n.whole) as whole_key, 'each' as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'nested' and m.part = p.breakdown
    join nested as n on n.breakdown = p.breakdown and n.category = p.category
    union all by name
    select p.numerator_key, p.release, m.margin_no, p.breakdown as by_what,
           quantity_key('numerator', p.own_table, p.metric, p.period, p.place_kind, p.place,
                        split_part(p.breakdown, ' x ', s.side), split_part(p.category, ' x ', s.side)) as whole_key, 'each' as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'cross'
    cross join (select unnest([1, 2]) as side) as s
    where p.breakdown like '% x %'
    union all by name
    select p.numerator_key, p.release, m.margin_no, p.place_kind as by_what,
           quantity_key('numerator', p.own_table, p.metric, p.period, w.whole_kind, w.whole,
                        coalesce(nullif(m.breakdown, ''), p.breakdown), p.category) as whole_key, 'each' as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'place' and m.part = p.place_kind
    join measure.membership as w
      on w."table" = p.own_table and w.whole_kind = m.whole and w.part_kind = p.place_kind and w.part = p.place
    union all by name
    select p.numerator_key, p.release, m.margin_no, w.part_kind as by_what,
           quantity_key('numerator', p.own_table, p.metric, w.whole, p.place_kind, p.place, p.breakdown, p.category) as whole_key, 'each' as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'period'
    join measure.membership as w on w."table" = p.own_table and w.whole_kind = 'period' and w.part = p.period
    union all by name
    select p.numerator_key, p.release, m.margin_no, m.part as by_what,
           quantity_key('numerator', p.own_table, p.metric, p.period, p.place_kind, p.place, p.breakdown, m.whole) as whole_key, 'numerator' as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'category'
     and list_contains(string_split(m.part, ' '), p.category)
    union all by name
    -- One count under two names: "numerator a" is "denominator b".
    select p.numerator_key, p.release, m.margin_no, m.part as by_what,
           quantity_key('numerator', p.own_table, split_part(m.whole, ' ', 2), p.period, p.place_kind, p.place, p.breakdown, p.category) as whole_key,
           split_part(m.part, ' ', 1) || ' of ' || split_part(m.whole, ' ', 1) as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'equal' and p.metric = split_part(m.part, ' ', 2)
    union all by name
    -- Several measures of the same records are, together, all of them.
    select p.numerator_key, p.release, m.margin_no, 'measures' as by_what,
           quantity_key('numerator', p.own_table, m.whole, p.period, p.place_kind, p.place, p.breakdown, p.category) as whole_key,
           'numerator of denominator' as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'measures'
     and list_contains(string_split(m.part, ' '), p.metric)
    union all by name
    -- The rates' denominators are everybody, by what is known of them: of one characteristic that is its coverage.
    select p.numerator_key, p.release, m.margin_no, m.part as by_what,
           quantity_key('numerator', 'coverage', m.whole, '', p.place_kind, p.place, 'status',
                        case when p.category in (select category from status) then p.category else 'known' end) as whole_key,
           'denominator of numerator' as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'status' and m.part = p.breakdown
    where p.is_rate
    union all by name
    -- And who is in one category of it is what a metric counts.
    select p.numerator_key, p.release, m.margin_no, m.breakdown as by_what,
           quantity_key('numerator', p.own_table, m.whole, '', p.place_kind, p.place,
                        case when p.breakdown = m.breakdown then 'everyone' else split_part(p.breakdown, ' x ', 1) end,
                        case when p.breakdown = m.breakdown then 'everyone' else split_part(p.category, ' x ', 1) end) as whole_key,
           'denominator of numerator' as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'people'
     and (p.breakdown = m.breakdown and p.category = m.part
          or p.breakdown like '% x ' || m.breakdown and p.category like '% x ' || m.part)
    where p.is_rate
    union all by name
    -- Everybody in all places is told of elsewhere: by how linking knows them, and by what the default says of them.
    select p.numerator_key, p.release, m.margin_no, p.place_kind as by_what,
           quantity_key('numerator', split_part(m.whole, ' ', 2), split_part(m.whole, ' ', 3), '', 'everyone', 'everyone',
                        coalesce(nullif(split_part(m.whole, ' ', 4), ''), p.breakdown), p.category) as whole_key,
           'denominator of ' || split_part(m.whole, ' ', 1) as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'everybody' and m.part = p.place_kind
     and (m.breakdown = '' or m.breakdown = p.breakdown)
    where p.is_rate
    union all by name
    -- What is known of everybody is what metrics about people ask for.
    select p.numerator_key, p.release, m.margin_no, m.part as by_what,
           quantity_key('numerator', 'metric_value', split_part(m.whole, ' ', 2), '', p.place_kind, p.place, 'everyone', 'everyone') as whole_key,
           'numerator of ' || split_part(m.whole, ' ', 1) as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'known' and m.breakdown = p.metric
     and p.breakdown = 'status' and list_contains(string_split(m.part, ' '), p.category)
    union all by name
    select p.numerator_key, p.release, m.margin_no, m.whole as by_what,
           quantity_key('numerator', p.own_table, p.metric, p.period, p.place_kind, p.place, m.whole, split_part(p.category, ':', 1)) as whole_key, 'numerator' as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'first_word' and m.breakdown = p.breakdown
    union all by name
    select p.numerator_key, p.release, m.margin_no, m.whole as by_what,
           quantity_key('numerator', 'provider_measure', i.field, p.period, p.place_kind, p.place, p.category, i.letter) as whole_key, 'numerator' as counts
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'claim'
    join standard.layout as l on l.layout = p.category
    join standard.index_claim as i on i.letter = m.part and p.metric = l.layout_table || '.' || i.field || '.' || i.claim
),
summed as (
    select u.margin_no, u.by_what, u.whole_key, u.release, s.kind as kind, p.counts[s.part] as part,
           w.counts[s.whole] as whole, w.numerator_key is null as is_untold
    from upward as u
    join part as p using (numerator_key, release)
    left join part as w on w.numerator_key = u.whole_key and w.release = u.release
    join (from (values ('each', 0, 1, 1), ('each', 2, 2, 2), ('each', 1, 3, 3), ('numerator', 0, 1, 1),
                       ('numerator of numerator', 0, 1, 1), ('numerator of denominator', 0, 1, 3), ('numerator of rest', 0, 1, 2),
                       ('denominator of numerator', 1, 3, 1), ('denominator of denominator', 1, 3, 3)) as v(counts, kind, part, whole)) as s
      on s.counts = u.counts
    -- Of another table only what is told there is known.
    where (w.numerator_key is not null or u.counts in ('each', 'numerator')) and not (p.is_rate and s.part = 2)
    union all by name
    -- Categories that add up to the denominator which they share.
    select m.margin_no, p.metric || ' ' || p.breakdown as by_what, p.denominator_key as whole_key, p.release, 0 as kind, p.counts[1] as part,
           p.counts[3] as whole, false as is_untold
    from part as p join standard.margin as m on m."table" = p.own_table and m.along = 'denominator'
     and (m.breakdown = '' or m.breakdown = p.breakdown) and (m.part = '*' or list_contains(string_split(m.part, ' '), p.category))
),
-- Denominators that several numbers share are told by each of them.
once as (
    select margin_no, by_what, kind, release, is_untold, whole_key,
           case when is_untold then hash(whole_key, kind, release) else whole.quantity end as whole, whole.value as whole_value, part
    from summed
    where not (kind = 1)
    union all
    select margin_no, by_what, kind, release, is_untold, min(whole_key) as whole_key,
           case when is_untold then hash(whole_key, kind, release) else whole.quantity end as whole, whole.value as whole_value, part
    from summed
    where kind = 1
    group by margin_no, by_what, kind, release, is_untold, 7, whole_value, part
),
named as (
    -- `alike`: the same sum in every release.
    select hash(margin_no, by_what, kind, whole, release) as margin, hash(margin_no, by_what, kind, whole_key) as alike, * from once
),
added as (
    select margin, min(margin_no) as margin_no, min(kind) as kind, min(alike) as alike, is_untold, sum(part.value)::bigint as value, bit_xor(hash(part.quantity)) as members,
           case when is_untold then hash(min(whole), sum(part.value)) else min(whole) end as whole
    from named
    group by margin, is_untold
    having is_untold or sum(part.value) = min(whole_value)
),
known as (
    -- Of a sum that no table tells a reader knows only that other margins have the same one.
    select * from (
        -- What is equal in two releases is one margin.
        select * from added qualify row_number() over (partition by whole, members order by margin) = 1
    )
    qualify not is_untold or count(*) over (partition by whole) > 1
)
select margin, k.alike, k.margin_no, k.kind, k.whole, is_untold, part.value, part.quantity, 1 as sign
from named as n join known as k using (margin, is_untold)
union all
select margin, alike, margin_no, kind, whole, is_untold, value, whole as quantity, -1 as sign from known
