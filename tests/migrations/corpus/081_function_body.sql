CREATE OR REPLACE FUNCTION touch() RETURNS trigger
LANGUAGE plpgsql AS $body$
BEGIN
    DROP TABLE IF EXISTS pg_temp.x;
    new.updated_at := now();
    RETURN new;
END;
$body$;
