-- One row per submission and layout whose rows count now: of a cumulative feed only the latest period of each year;
-- of snapshots and events every period, since what an earlier one said stays part of the record.
with submission as (
    select distinct submission_no, provider, period, layout from harmonised.patient
),
agreed as (
    -- No agreement in force today, no linking: the provider is scored and nothing more.
    select s.submission_no, s.provider, s.period, s.layout, l.content, l.care_setting, l.is_number_traced, l.pseudonym_key,
           max(left(nullif(l.restarts, ''), 2)::integer) as restarts_in,
           coalesce(bool_or(a.may_publish_protected = 'true'), false) as may_publish
    from submission as s
    join standard.layout as l using (layout)
    join standard.agreement as a
      on a.provider = s.provider and a.may_link = 'true'
     and a."from" <= getvariable('today') and (a."to" = '' or a."to" >= getvariable('today'))
    group by all
)
select * exclude restarts_in from agreed
qualify content <> 'cumulative' or period = max(period) over (
    partition by provider, layout, year_starting(strptime(period || '-01', '%Y-%m-%d')::date, restarts_in))
