-- One row per true person and linked person who share a record.
-- after: owner
select o.person_no as true_no, l.person_no as linked_no
from linked.person_record as l join report.owner as o using (provider, record_key)
group by all
