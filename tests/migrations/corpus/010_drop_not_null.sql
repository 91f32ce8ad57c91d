-- expect 1: missing-lock-timeout, dropped-not-null
alter table only public.users alter column phone drop not null;
