-- One row per reason that a map can give: what the word after a status means, in plain words.
select reason, words from standard.reason order by all
