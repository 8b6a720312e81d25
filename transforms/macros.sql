-- Macros that every connection has. Each has an example: what goes in -> what comes out.

-- clean_text('  99 ') -> '99'; clean_text('   ') -> null. It meets every cell, so it only knows spaces: a fifth of the
-- price of knowing tabs and no-break spaces too, which `folded` takes off the few distinct codes.
create or replace macro clean_text(sent) as nullif(trim(sent), '');

-- folded('  a1 ', false) -> 'A1'; folded(' 9i0.. ', true) -> '9i0..': Read codes differ by case. A no-break space is a space.
create or replace macro folded(sent, is_case_sensitive) as
    nullif(trim(case when is_case_sensitive then sent else upper(sent) end, ' ' || chr(9) || chr(10) || chr(13) || chr(160)), '');

-- clean_number('999 123-4567') -> '9991234567'; letters stay, so that a wrong number stays visible as wrong.
create or replace macro clean_number(sent) as nullif(replace(replace(replace(sent, ' ', ''), '-', ''), chr(160), ''), '');

-- clean_postcode('b1  1aa ') -> 'B11AA'.
create or replace macro clean_postcode(sent) as nullif(upper(replace(replace(sent, ' ', ''), chr(160), '')), '');

-- clean_boolean('Y') -> true; clean_boolean('0') -> false; clean_boolean('perhaps') -> null.
create or replace macro clean_boolean(sent) as
    case when upper(sent) in ('Y', 'YES', 'TRUE', 'T', '1') then true
         when upper(sent) in ('N', 'NO', 'FALSE', 'F', '0') then false end;

-- code_form(' rxq02', 9) -> 'RXQ02'; code_form('9991234567', 9) -> null: what is longer than a code can be may be a
-- number or a name that somebody typed into the wrong field, and goes no further than the identifiable stages.
create or replace macro code_form(sent, at_most) as
    case when regexp_full_match(upper(clean_text(sent)), '[A-Z0-9]+') and length(clean_text(sent)) <= at_most
         then upper(clean_text(sent)) end;

-- digit(9991234567, 10) -> 6: one digit of a whole number, by its place value.
create or replace macro digit(number, place) as number // place::integer % 10;

-- weighed(99911, 10) -> 9*10 + 9*9 + 9*8 + 1*7 + 1*6 = 256: five digits, the first of which weighs `first`.
create or replace macro weighed(half, first) as
    digit(half, 10000) * first + digit(half, 1000) * (first - 1) + digit(half, 100) * (first - 2)
    + digit(half, 10) * (first - 3) + digit(half, 1) * (first - 4);

-- is_issuable(9991111131) -> true; is_issuable(1111111111) -> false: ten equal digits; is_issuable(1000000001) -> false.
-- The two halves of the number are small integers, which are divided in half the time.
create or replace macro is_issuable(number) as
    number % 1111111111 <> 0 and number % 1000000001 <> 0 and number not in (123456789, 1234567890)
    and (weighed((number // 100000)::integer, 10) + weighed((number % 100000)::integer, 5)) % 11 = 0;

-- is_nhs_number('9991111131') -> true; '9991111132' -> false (check digit); '0000000000' -> false (a placeholder).
-- Modulus 11: the first nine digits weigh 10 to 2; 11 minus the remainder is the tenth, 11 counts as 0, 10 is never issued.
create or replace macro is_nhs_number(sent) as
    case when sent is null then null
         when not regexp_full_match(sent, '[0-9]{10}') then false
         else is_issuable(try_cast(sent as bigint)) end;

-- birth_dates_agree(date '1980-03-05', date '1980-05-03') -> true (day and month swapped); equal -> true;
-- date '1980-03-05', date '1980-03-06' -> null: one part differs, so that a name must agree; else false.
create or replace macro birth_dates_agree(a, b) as
    case when a is null or b is null then null
         when a = b then true
         when year(a) = year(b) and month(a) = day(b) and day(a) = month(b) then true
         when (year(a) <> year(b))::int + (month(a) <> month(b))::int + (day(a) <> day(b))::int = 1 then null
         else false end;

-- names_agree('Amina', 'Begum', 'AMINA', null) -> true: same first letters of the given name, or the same family name.
create or replace macro names_agree(given_a, family_a, given_b, family_b) as
    coalesce(upper(left(given_a, 3)) = upper(left(given_b, 3)), false)
    or coalesce(upper(family_a) = upper(family_b), false);

-- part('ab') -> '2:ab': length before content, so that ('a', 'bc') and ('ab', 'c') never become the same message.
create or replace macro part(content) as coalesce(length(content)::text || ':' || content, '-');

-- keyed(message) -> 64 hexadecimal digits: HMAC-SHA256 (RFC 2104) with the key whose two pads the connection holds.
create or replace macro keyed(message) as
    sha256(getvariable('outer_pad') || unhex(sha256(getvariable('inner_pad') || encode(message))));

-- record_key(message) -> a UUID: the first 128 bits of keyed(message).
create or replace macro record_key(message) as left(keyed(message), 32)::uuid;

-- year_starting(date '2026-04-01', 4) -> 2026; (date '2026-03-31', 4) -> 2025: the year in which the financial year starts.
create or replace macro year_starting(day, starts_month) as year(day) - (month(day) < starts_month)::int;

-- is_valid_on(date '2001-04-01', '', '2001-03-31') -> false; (date '2001-03-31', '', '2001-03-31') -> true: both days of a
-- row of the standard belong to it, and a blank one has no end.
create or replace macro is_valid_on(day, valid_from, valid_to) as
    day >= coalesce(nullif(valid_from, '')::date, day) and day <= coalesce(nullif(valid_to, '')::date, day);

-- patient_key('ZZ1', '123') -> a UUID: a person at one provider, whichever table names them.
create or replace macro patient_key(provider, local_id) as
    record_key(part(provider) || part('patient') || part(local_id));

-- n_months('2026-09') -> 1; n_months('2026-Q3') -> 3; n_months('2025-10 to 2026-09') -> 12: how long a period is.
create or replace macro n_months(period) as
    case when period like '____-Q_' then 3 when period not like '% to %' then 1
         else date_diff('month', strptime(left(period, 7), '%Y-%m'), strptime(right(period, 7), '%Y-%m')) + 1 end;

-- first_month('2026-Q3') -> 2026-07-01; first_month('2025-10 to 2026-09') -> 2025-10-01.
create or replace macro first_month(period) as
    case when period like '____-Q_' then make_date(left(period, 4)::integer, 3 * right(period, 1)::integer - 2, 1)
         else strptime(left(period, 7), '%Y-%m')::date end;

-- quantity_key('numerator', 'coverage', 'sex', '2026-09', 'region', 'midlands', 'status', 'known') -> a number that stands
-- for what is counted there, whichever table tells it and in whichever release.
create or replace macro quantity_key(kind, told_in, metric, period, place_kind, place, breakdown, category) as
    hash(kind, told_in, metric, period, place_kind, place, breakdown, category);
