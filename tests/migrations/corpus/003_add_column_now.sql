-- now() is stable: one value for the whole statement, no rewrite.
set lock_timeout = '1s';
alter table customers add column seen_at timestamptz not null default now();
