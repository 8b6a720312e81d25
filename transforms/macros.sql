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

-- linking_number('9991111131', '', true) -> '9991111131'; ('9991111132', '', true) -> null; ('9f3a', 'k1', false) -> 'k1:9f3a':
-- a number that passes its check, of the range that is never issued only in demonstration data; or a pseudonym, which means
-- something beside others of its key alone, and has no check digit.
create or replace macro linking_number(sent, pseudonym_key, is_demo) as
    case when pseudonym_key <> '' then pseudonym_key || ':' || sent
         when is_nhs_number(sent) and (is_demo or not starts_with(sent, getvariable('test_range'))) then sent end;

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

-- byar_low(100) -> 81.36; byar_low(0) -> 0: the lower end of the 95 per cent interval of a count, by Byar's approximation.
create or replace macro byar_low(n) as
    case when n = 0 then 0 else n * pow(1 - 1 / (9 * n) - 1.96 / (3 * sqrt(n)), 3) end;

-- byar_high(100) -> 121.63; byar_high(0) -> 3.67: the upper end. Source: Breslow and Day, 1987, as OHID uses it for rates.
create or replace macro byar_high(n) as
    (n + 1) * pow(1 - 1 / (9 * (n + 1)) + 1.96 / (3 * sqrt(n + 1)), 3);

-- wilson(5, 100, -1) -> 0.0215; wilson(5, 100, 1) -> 0.1118; wilson(0, 0, 1) -> null: an end, lower or upper, of the 95 per
-- cent interval of a share n of so many (Wilson, 1927). It lies within 0 and 1, and never past the share itself, as rounding
-- of the machine may have it.
create or replace macro wilson(n, total, side) as
    case when total > 0 and n >= 0 then greatest(0, least(1, side * greatest(side * n / total, side * (n / total + 3.8416 / (2 * total)
        + side * 1.96 * sqrt(n / total * (1 - n / total) / total + 3.8416 / (4 * total * total))) / (1 + 3.8416 / total)))) end;

-- plain_letters('Siobhán O''Brien-Łuc (Mrs)') -> 'SIOBHAN OBRIEN LUC': capitals without accents, apostrophes and what
-- stands in brackets; a hyphen or a full stop is a space. A name in another script stays as it is.
create or replace macro plain_letters(sent) as
    trim(regexp_replace(regexp_replace(regexp_replace(
        translate(upper(strip_accents(sent)), 'ŁØĐÞßÆŒ’''`´', 'LODTSAO'),
        '\([^)]*\)', ' ', 'g'), '[^\p{L}]+', ' ', 'g'), '\s+', ' ', 'g'));

-- single_letters('MOHAMMED') -> 'MOHAMED'.
create or replace macro single_letters(letters) as
    array_to_string(list_filter(string_split(letters, ''), lambda letter, place: place = 1 or letter <> letters[place - 1]), '');

-- name_skeleton('MUHAMMED') -> 'MHMD'; ('IBRAHIM') -> 'ABRHM' and ('EBRAHIM') too: what is left of a name when spellings of
-- one sound are one, and no vowel counts but a first one, whichever it is.
create or replace macro name_skeleton(letters) as
    single_letters(regexp_replace(translate(
        regexp_replace(regexp_replace(regexp_replace(replace(letters, ' ', ''), '(K|G|D|T|S|C|Z)H', '\1', 'g'), 'H$', ''),
                       '^[AEIOUY]+', 'A'),
        'CQZWXJ', 'KKSVSJ'), '(.)[AEIOUY]+', '\1', 'g'));

-- day_place(date '1800-01-02') -> 199999; day_place(null) -> 200000: the later a day, the smaller its place, and no day is
-- the last of all.
create or replace macro day_place(day) as
    200000 - coalesce(least(200000, greatest(0, date_diff('day', date '1800-01-01', day))), 0);

-- first_test(['a', 'b'], [10, 1], 31, 35) -> 'b'; ([...], 31, 41) -> 'a'; null where the two standings are equal. Each test
-- weighs more than all after it, so that standings differ from the first test on that tells two records apart.
create or replace macro first_test(tests, weights, a, b) as
    case when a // weights[1] <> b // weights[1] then tests[1] when a // weights[2] <> b // weights[2] then tests[2]
         when a // weights[3] <> b // weights[3] then tests[3] when a // weights[4] <> b // weights[4] then tests[4]
         when a // weights[5] <> b // weights[5] then tests[5] when a // weights[6] <> b // weights[6] then tests[6]
         when a // weights[7] <> b // weights[7] then tests[7] end;

-- birth_marks('x', date '1980-03-05') -> four keyed hashes: year and month, year and day, month and day, and the year with day
-- and month in either order. Two dates of one message share one exactly when birth_dates_agree does not say false.
create or replace macro birth_marks(message, day) as
    case when day is not null then [
        keyed(message || part('ym') || part(strftime(day, '%Y-%m'))), keyed(message || part('yd') || part(strftime(day, '%Y-%d'))),
        keyed(message || part('md') || part(strftime(day, '%m-%d'))),
        keyed(message || part('either') || part(year(day)::text) || part(least(month(day), day(day))::text)
              || part(greatest(month(day), day(day))::text))] end;
-- n_months('2026-09') -> 1; n_months('2026-Q3') -> 3; n_months('2025-10 to 2026-09') -> 12: how long a period is; a day is 0.
create or replace macro n_months(period) as
    case when period like '____-__-__' then 0 when period like '____-Q_' then 3 when period not like '% to %' then 1
         else date_diff('month', strptime(left(period, 7), '%Y-%m'), strptime(right(period, 7), '%Y-%m')) + 1 end;

-- first_month('2026-Q3') -> 2026-07-01; first_month('2025-10 to 2026-09') -> 2025-10-01.
create or replace macro first_month(period) as
    case when period like '____-Q_' then make_date(left(period, 4)::integer, 3 * right(period, 1)::integer - 2, 1)
         else strptime(left(period, 7), '%Y-%m')::date end;

-- lasting_period('metric_value', '2026-09') -> '2026-09'; ('metric_value', '2026-09-30') -> ''; ('coverage', '2026-09') -> '':
-- what is told of one day only is, a month later, told of mostly the same people.
create or replace macro lasting_period(told_in, period) as
    case when period like '____-__-__' then ''
         when told_in in ('coverage', 'agreement_margin', 'method_effect', 'method_agreement', 'linkage_quality') then '' else period end;

-- smallest_share('metric_value', 'sex x age_band') -> 0.5: of the cells of a breakdown so many are left, or it is not published.
create or replace macro smallest_share(told_in, breakdown) as
    case when breakdown like '% x %' then getvariable('smallest_share_of_a_cross')
         when told_in = 'metric_value' and breakdown <> 'everyone' then getvariable('smallest_share_of_a_breakdown') else 0 end;

-- quantity_key('numerator', 'coverage', 'sex', '2026-09', 'region', 'midlands', 'status', 'known') -> a number that stands
-- for what is counted there, whichever table tells it and in whichever release.
create or replace macro quantity_key(kind, told_in, metric, period, place_kind, place, breakdown, category) as
    hash(kind, told_in, metric, period, place_kind, place, breakdown, category);
