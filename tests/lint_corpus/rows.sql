INSERT INTO customers VALUES (1, 'Ada', 'ada@example.org', 'GB', '1990-05-01', '2020-01-01 10:00:00', TRUE, 10.50);
INSERT INTO customers VALUES (2, 'Bo', NULL, 'SE', '1985-11-30', '2021-06-15 08:30:00', FALSE, 0);
INSERT INTO orders VALUES (1, 1, 'paid', 99.90, 2, '2024-03-01', '2024-03-01 12:00:00', 'first');
INSERT INTO orders VALUES (2, 1, 'sent', 10, 1, '2024-03-02', '2024-03-02 13:30:00', NULL);
INSERT INTO orders VALUES (3, 2, 'paid', 5.25, 3, '2024-04-01', '2024-04-01 00:00:00', 'last');
INSERT INTO items VALUES (1, 'A-1', 2, 49.95, 0.5);
INSERT INTO items VALUES (2, 'B-2', 1, 10, 1.25);
INSERT INTO events VALUES (1, 1, 'view', '2024-03-01 12:00:00', '{"page": "home", "n": 1, "list": [1, 2]}', 0.5);
INSERT INTO events VALUES (2, 2, 'click', '2024-03-02 12:00:00', '{"page": "cart", "n": 2, "list": []}', 1.5);
