-- One row per person at one provider who may be compared a second time, as if they had no number: who is who is known of them.
-- after: comparand, number_claim
-- Drawn by their key, so that the same are drawn again: from those whom another provider knows by the same number and an
-- agreeing birth date. Everybody is drawn once at most, as each counts once.
with known as (
    select c.local_no, c.number, c.provider, c.record_key, md5_number_upper(c.record_key::text) / 18446744073709551616.0 as draw
    from linked.number_claim as c
    where c.agrees and c.is_verified
),
confirmed as (
    select k.local_no, k.number, k.record_key, k.draw
    from known as k
    where k.draw < getvariable('rehearsed_share')
      and exists (from linked.number_claim as o where o.number = k.number and o.agrees and o.provider <> k.provider)
)
select o.local_no, o.record_key, c.comparand_key, o.draw
from confirmed as o join linked.comparand as c using (local_no)
qualify row_number() over (partition by o.number order by o.draw, o.local_no) = 1
