-- One row per delivery that did not come into force as it came, and per one that was not expected to.
select t.provider, t.period, t.delivery, t.fault as what_was_done, t.expected, s.outcome,
       coalesce(w.words, s.reason, '') || coalesce(' (' || nullif(s.detail, '') || ')', '') as why
from truth.outcome as t
left join seen.delivery as s using (provider, period, delivery)
left join seen.outcome_words as w on w.reason = nullif(s.reason, '')
where t.fault <> '' or s.outcome is distinct from t.expected
order by all
