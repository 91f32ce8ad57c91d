-- expect 1: unread-block
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reporter') THEN
        CREATE ROLE reporter;
    END IF;
END
$$;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reporter;
