-- Only the first is a key; a count of visits may well be an integer.
-- expect 1: narrow-key
-- expect 2: narrow-key
CREATE TABLE regions (id int, visits integer, CONSTRAINT regions_pkey PRIMARY KEY (id));
CREATE TABLE zones (id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, region_id bigint REFERENCES regions);
