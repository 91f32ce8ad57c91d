-- bigint (8), boolean (1 and 3 for alignment), integer (4), smallint (2): 18, rounded to 24; 15 fit into 16.
-- expect 1: padded-row
CREATE TABLE accounts (id bigint PRIMARY KEY, premium boolean, balance integer, age smallint);
