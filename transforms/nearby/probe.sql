-- One row per person at one provider who is to be compared with everybody: those who are new, or say something new, and those
-- who may be rehearsed from now on, as if they had no number.
-- after: key
select k.* from linked.known as k anti join nearby.former_known using (comparand_key)
union all by name
select k.* replace (false as is_verified)
from (from nearby.kept_known union all by name from linked.known) as k
semi join nearby.touched using (record_key)
where k.is_verified and k.is_open
  and comparand_key not in (select comparand_key from nearby.former_draw where draw < (select draw from linked.drawn_below))
