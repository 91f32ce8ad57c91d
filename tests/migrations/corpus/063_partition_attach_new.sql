-- The table is made, filled and attached by one file: nobody else reads it.
CREATE TABLE metrics_2027 (LIKE metrics INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
INSERT INTO metrics_2027 SELECT * FROM metrics_import;
ALTER TABLE metrics ATTACH PARTITION metrics_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
