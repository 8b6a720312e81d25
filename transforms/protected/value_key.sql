-- One row per characteristic and distinct value as it was sent: its keyed hash, which stands for it from here on.
select characteristic, source_value, record_key(part(characteristic) || part(source_value)) as value_key
from (select distinct characteristic, source_value from harmonised.characteristic)
