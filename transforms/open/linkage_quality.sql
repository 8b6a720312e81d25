-- One row per breakdown, category and measure of linkage: how records of one person found each other, how often weights alone would have (estimated), and whether the share is another than everyone's: their intervals do not meet.
-- Of people: known_to_several (providers). Of records, which are people at one provider: joined_by_number, joined_by_score,
-- joined_by_reviewer, alone, in_conflict (contradicts another record, or may be of somebody known elsewhere). The estimates
-- are of people whom a verified number joins: they were compared again as if they had none. estimated_recall: of all of these,
-- those who found somebody with their number; estimated_precision: of those who were joined, the rightly joined. Where
-- either number is hidden nothing is said of a difference (null).
with told as (
    select * from measure.disclosed_cell where "table" = 'linkage_quality'
)
select t.period, t.breakdown, t.category, t.metric as measure, t.status as cell_status, t.numerator, t.denominator, t.share,
       t.share_low, t.share_high, t.share_high < e.share_low or t.share_low > e.share_high as is_different,
       getvariable('is_invented') as is_invented
from told as t
left join told as e on e.period = t.period and e.metric = t.metric and e.breakdown = 'everyone'
order by all
