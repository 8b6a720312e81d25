-- The columns of the tables that do not come from fields.csv. Only their shapes stand here: read by engine.py.

-- One row per submission, arrival, layout and rule.
create table results.rule_result (
    submission_no integer, provider varchar, period varchar, arrival integer, layout varchar, rule varchar,
    checked bigint, failed bigint, n_people_failed bigint, n_people_passed bigint, is_met boolean,
    rule_version varchar, standard_version varchar
);
-- One row per failing record and rule; never a value.
create table results.issue (
    submission_no integer, provider varchar, period varchar, arrival integer, layout varchar, file_no integer,
    line integer, record_key uuid, is_key_stable boolean, rule varchar
);
-- One row per distinct value of a coded column.
create table results.value_count (
    submission_no integer, provider varchar, period varchar, arrival integer, layout varchar, field varchar,
    vocabulary varchar, value varchar, n bigint
);
-- One row per submission, layout, local id and distinct identity; the last place that holds names and numbers.
create table harmonised.patient (
    submission_no integer, provider varchar, period varchar, layout varchar, patient_no integer, record_key uuid,
    is_key_stable boolean, local_patient_id varchar, nhs_number varchar, nhs_number_status varchar,
    given_name varchar, family_name varchar, birth_date date, death_date date, sex varchar, postcode varchar,
    gp_practice_code varchar, registered_on date, deregistered_on date, exclusion varchar, n_records bigint
);
-- One row per submission, layout, patient, characteristic, vocabulary, source value and date.
create table harmonised.characteristic (
    submission_no integer, provider varchar, period varchar, layout varchar, patient_no integer,
    characteristic varchar, vocabulary varchar, source_value varchar, stated_by varchar, collected_how varchar,
    recorded_on date, recorded_on_basis varchar, code varchar, detail varchar, status varchar, reason varchar,
    relation varchar, n_records bigint, first_line integer, review_on date
);
-- One row per event.
create table harmonised.activity (
    submission_no integer, provider varchar, period varchar, layout varchar, patient_no integer, record_key uuid,
    is_key_stable boolean, kind varchar, event_date date, ended_on date, value double, outcome_code varchar, specialty_code varchar,
    site_code varchar, line integer
);
-- One row per provider, layout and rule of scope history or peers, for the newest submission in force; as in results.
create table compared.rule_result (
    submission_no integer, provider varchar, period varchar, arrival integer, layout varchar, rule varchar,
    checked bigint, failed bigint, n_people_failed bigint, n_people_passed bigint, is_met boolean,
    standard_version varchar
);
-- One row per record in force that breaks a rule of scope history; never a value. Rules about figures have no rows.
create table compared.issue (
    submission_no integer, provider varchar, period varchar, arrival integer, layout varchar, file_no integer,
    line integer, record_key uuid, is_key_stable boolean, rule varchar
);
-- One row per provider, layout and coded field, and one of field `delivery`, for the newest submission in force; null is
-- not known, never zero.
create table compared.figure (
    provider varchar, kind varchar, period varchar, layout varchar, field varchar, n_days_after_due bigint,
    n_records bigint, n_known bigint,
    n_not_stated bigint, n_not_known bigint, n_not_recorded bigint, n_unrecognised bigint, share_known double,
    share_not_stated double, share_not_known double, largest_value_share double, n_new_people bigint, n_seen bigint,
    n_newly_recorded bigint, can_record_gypsy_roma_traveller boolean, n_gypsy_roma_traveller bigint,
    n_gypsy_roma_traveller_expected double, n_peers bigint, peers_share_known double, peers_share_not_stated double,
    peers_share_not_known double, region_share_known double, region_share_not_stated double
);
