-- One row per identity that a submission holds of those who are linked anew.
select p.* from harmonised.every_patient as p semi join nearby.touched using (record_key)
