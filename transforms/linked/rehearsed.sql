-- One row per person at one provider who is compared a second time, as if they had no number: who is who is known of them.
-- after: comparand, number_claim
-- Drawn by their key, so that the same are drawn again: from those whom another provider knows by the same number and an
-- agreeing birth date. Everybody is drawn once at most, as each counts once.
with known as (
    select c.local_no, c.number, md5_number_upper(c.record_key::text) / 18446744073709551616.0 as draw
    from linked.number_claim as c
    where c.agrees and c.is_verified
      and exists (from linked.number_claim as o where o.number = c.number and o.agrees and o.provider <> c.provider)
),
drawn as (
    select local_no from known where draw < getvariable('rehearsed_share')
    qualify row_number() over (partition by number order by draw, local_no) = 1
    order by draw, local_no limit getvariable('rehearsed_at_most')
)
-- The other side of zero: no number of anybody's.
select c.* replace (-c.local_no as local_no, null::varchar as number, false as is_verified, null::varchar as digits,
                    null::varchar as digits_end, null::varchar as digits_begin, null::varchar as number_end, null::varchar as number_begin,
                    md5('rehearsed|' || c.comparand_key::text)::uuid as comparand_key)
from linked.comparand as c semi join drawn using (local_no)
