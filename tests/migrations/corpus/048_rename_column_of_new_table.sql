CREATE TABLE widgets (id bigint PRIMARY KEY, nmae text);
ALTER TABLE widgets RENAME nmae TO name;
