-- One row per person at one provider who is compared a second time, as if they had no number.
-- after: comparand, draw, drawn_below
-- The other side of zero: no number of anybody's.
select c.* replace (-c.local_no as local_no, null::varchar as number, false as is_verified, null::varchar as digits,
                    null::varchar as digits_end, null::varchar as digits_begin, null::varchar as number_end, null::varchar as number_begin,
                    md5('rehearsed|' || c.comparand_key::text)::uuid as comparand_key)
from linked.comparand as c
semi join (select local_no from linked.draw where draw < (select draw from linked.drawn_below)) using (local_no)
